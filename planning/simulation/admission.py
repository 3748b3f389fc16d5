"""The gateway's places and its queue, as gateway/protection/admission.py has them."""

import math

from chassis.settings import Settings
from gateway.protection.admission import PAY_SHARE, RETRY_AFTER_MAX_S, SERVICE_PERCENT, WAIT_S

LANES = {"order": "order", "robot": "order", "pay": "pay", "read": "read"}


class Admission:
    """The places of all web processes together, which take even shares."""

    def __init__(self, processes: int, settings: Settings) -> None:
        places = settings.concurrency_max
        general = places - places // PAY_SHARE
        self._all_max = places * processes
        self._service_max = general * SERVICE_PERCENT // 100 * processes
        self._queue_max = settings.queue_max * processes
        self._inside: dict[str, int] = {"order": 0, "pay": 0, "read": 0}
        self._second = -1
        self._served = self._served_before = self._refused = self._refused_before = 0

    def room(self, kind: str, now: float) -> int:
        """How many of this kind get a place, at once or by waiting for as long as one may."""
        self._turn(now)
        queue = min(self._queue_max, math.ceil(self._rate(now) * WAIT_S))
        free = self._all_max - sum(self._inside.values())
        if kind != "pay":
            free = min(free, self._service_max - self._inside[LANES[kind]])
        return max(0, free + queue)

    def enter(self, kind: str, count: int) -> None:
        self._inside[LANES[kind]] += count

    def leave(self, kind: str, count: int, now: float) -> None:
        self._turn(now)
        self._inside[LANES[kind]] -= count
        self._served += count

    def refuse(self, count: int, now: float) -> None:
        self._turn(now)
        self._refused += count

    def retry_after_s(self, now: float) -> float:
        """The longest that anybody is told now: what it takes to serve all who were refused."""
        self._turn(now)
        crowd, served = self._refused + self._refused_before, self._served + self._served_before
        return min(RETRY_AFTER_MAX_S, max(1, math.ceil(crowd / max(1, served))))

    def _rate(self, now: float) -> float:
        passed_s = max(0.2, now - self._second)
        return max(self._served / passed_s, float(self._served_before))

    def _turn(self, now: float) -> None:
        second = int(now)
        if second != self._second:
            follows = second == self._second + 1
            self._served_before = self._served if follows else 0
            self._refused_before = self._refused if follows else 0
            self._second, self._served, self._refused = second, 0, 0
