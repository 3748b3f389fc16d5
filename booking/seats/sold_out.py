"""A short memory of sold-out areas, in this process.

When an area has been sold out for SETTLED_S, only one request in ASK_INTERVAL_S asks Redis; the others get
the same answer at once. A seat that this process frees is known immediately, a seat that another process
frees within ASK_INTERVAL_S. It waits for SETTLED_S because a retry may find its own seats gone while its
first request is still being committed, and only Redis knows that both are the same request.
"""

import time
from uuid import UUID

from chassis.clock import MachineClock
from chassis.concurrency.cache import BoundedCache

SETTLED_S = 2.0
ASK_INTERVAL_S = 0.25
AREAS_MAX = 4096

Areas = tuple[tuple[int, int], ...]  # the first and the last position of each
Asked = tuple[UUID, Areas]  # a session and areas of it


class _Known:
    __slots__ = ("asked_at", "least", "since")

    def __init__(self, least: int, now: float) -> None:
        self.least = least  # this many seats are not available
        self.since = self.asked_at = now


class SoldOutMemory:
    """Call `says` before Redis, `remember` and `forget` after it."""

    def __init__(self, *, areas_max: int = AREAS_MAX, clock: MachineClock = time) -> None:
        self._monotonic = clock.monotonic
        self._known: BoundedCache[Asked, _Known] = BoundedCache(areas_max)

    def says(self, session_id: UUID, areas: Areas, quantity: int) -> bool:
        """Whether this many seats are known to be unavailable. False once in ASK_INTERVAL_S, to ask Redis."""
        known = self._known.get((session_id, areas))
        if known is None or quantity < known.least:
            return False
        now = self._monotonic()
        if now - known.since < SETTLED_S:
            return False
        if now - known.asked_at >= ASK_INTERVAL_S:
            known.asked_at = now
            return False
        return True

    def remember(self, session_id: UUID, areas: Areas, quantity: int) -> None:
        now = self._monotonic()
        known = self._known.get((session_id, areas))
        if known is None or quantity < known.least:
            self._known.put((session_id, areas), _Known(quantity, now))
        else:
            known.asked_at = now

    def forget(self, session_id: UUID, areas: Areas | None = None) -> None:
        """Seats of the session, or of these areas of it together, are free again."""
        if areas is not None:
            self._known.drop((session_id, areas))
        elif self._known:
            for asked in [asked for asked in self._known if asked[0] == session_id]:
                self._known.drop(asked)
