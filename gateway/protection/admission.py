"""Admission: places for requests under way, a bounded queue, and 503 within 100 ms for the rest.

A share of the places and of the queue is reserved for payments, so browsing crowds cannot keep
people from paying for seats they hold. One service cannot take all other places, so a service that
stalls does not block the others. Event streams have places of their own, because they stay open.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chassis.clock import MachineClock
from chassis.problems import Overloaded
from gateway.metrics import ADMITTED, SHED, STREAMS, UNDER_WAY, WAITED, WAITING

WAIT_S = 0.08  # API.md: an overload answer comes within 100 ms
PAY = "pay"
PAY_SHARE = 8  # one place in this many is for payments alone
SERVICE_PERCENT = 75  # of the places not reserved for payments
RETRY_AFTER_MAX_S = 8  # ten thousand refusals cost two cores a few seconds
DRAIN_WINDOW_S = 0.4  # over which the queue's rate is measured
DRAIN_KNOWN_S = 1.0  # after nobody has waited for this long, the queue's rate is unknown
LAG_MAX_S = 0.08  # Above it the event loop is the queue, and nothing is answered in time.
LAG_PERSISTS_S = 0.5  # one long task is not an overload (as in CoDel, RFC 8289)
LAG_HOLDS_S = 0.1  # an older measurement says nothing about now
PAY_LAG_MAX_S = 0.25  # payments are refused last
LANES = (PAY, "identity", "catalog", "booking", "notification", "stream")
STREAMS_MAX = 4_000  # event streams of one process
STREAMS_PER_ADDRESS_MAX = 200  # a whole office may watch from one address

_Waiting = dict["asyncio.Future[None]", None]  # an ordered set: removing from the middle is cheap


class Admission:
    """`await enter(lane)`, later `leave(lane)`. A lane is `pay` or a service's name.

    Raises Overloaded if the queue is full or no place becomes free within WAIT_S.
    """

    def __init__(
        self,
        places: int,
        waiting_max: int,
        *,
        wait_s: float = WAIT_S,
        drain: Callable[[float], "Drain"] | None = None,
        lag: "LoopLag | None" = None,
    ) -> None:
        reserved = max(1, places // PAY_SHARE) if places > 1 else 0
        self._places = places
        self._general_max = places - reserved
        self._service_max = max(1, self._general_max * SERVICE_PERCENT // 100)
        self._waiting_max = {True: waiting_max // PAY_SHARE, False: waiting_max}
        self._wait_s = wait_s
        self._under_way: dict[str, int] = {}
        self._general = 0
        self._all = 0
        self._waiting: dict[str, _Waiting] = {PAY: {}}
        self._admitted: dict[str, Callable[[], None]] = {}  # its counter, by lane
        for lane in LANES:
            ADMITTED.labels(lane), WAITED.labels(lane), SHED.labels(lane)
        self._coming = {True: 0, False: 0}
        drain = drain or Drain
        self._drains = {True: drain(wait_s), False: drain(wait_s)}
        self._pace = Pace()
        self._lag = lag or LoopLag()

    def refuse_when_behind(self, lane: str) -> None:
        """Raises Overloaded while this process lags behind the requests it has accepted."""
        if self._lag.is_above(PAY_LAG_MAX_S if lane == PAY else LAG_MAX_S):
            raise self._shed(lane)

    def coming(self, lane: str, *, takes_place: bool = True) -> "_Coming":
        """Counts a request while it is checked, before it enters: `with coming(lane)`.

        Raises Overloaded if `enter` would do so after the requests that are already being checked.
        So nothing is spent on a request that will be refused.
        """
        pays = lane == PAY
        if not self._has_room(lane, self._coming[pays] if takes_place else 0):
            raise self._shed(lane)
        return _Coming(self._coming, pays, takes_place)

    def enter_at_once(self, lane: str) -> bool:
        """False if there is no place now, or others wait for it."""
        if not self._has_place(lane) or self._waiting.get(lane):
            return False
        self._take(lane)
        return True

    async def enter(self, lane: str) -> None:
        if self.enter_at_once(lane):
            return
        if not self._has_room(lane, 0):
            raise self._shed(lane)
        await self._wait(lane)

    def leave(self, lane: str) -> None:
        self._under_way[lane] -= 1
        self._all -= 1
        self._general -= lane != PAY
        UNDER_WAY.dec()
        self._pace.served()
        self._hand_on()

    def _shed(self, lane: str) -> Overloaded:
        SHED.labels(lane).inc()
        return Overloaded(retry_after_s=self._pace.shed())

    def _has_room(self, lane: str, before: int) -> bool:
        """True if one more request, after `before` others, gets a place at once or by waiting."""
        free = self._free(lane)
        if len(self._waiting.get(lane, ())) + before < free:  # others may wait for another service
            return True
        pays = lane == PAY
        most = self._waiting_max[pays]
        return self._count_waiting(lane) + before - free < min(most, self._drains[pays].room(most))

    def _free(self, lane: str) -> int:
        """Places that this lane may still take."""
        free = self._places - self._all
        if lane == PAY:
            return free
        mine = self._service_max - self._under_way.get(lane, 0)
        return min(free, self._general_max - self._general, mine)

    def _has_place(self, lane: str) -> bool:
        return self._free(lane) > 0

    def _take(self, lane: str) -> None:
        self._under_way[lane] = self._under_way.get(lane, 0) + 1
        self._all += 1
        self._general += lane != PAY
        UNDER_WAY.inc()
        count = self._admitted.get(lane)
        if count is None:
            count = self._admitted[lane] = ADMITTED.labels(lane).inc
        count()

    def _count_waiting(self, lane: str) -> int:
        if lane == PAY:
            return len(self._waiting[PAY])
        return sum(len(queue) for name, queue in self._waiting.items() if name != PAY)

    async def _wait(self, lane: str) -> None:
        loop = asyncio.get_running_loop()
        place: asyncio.Future[None] = loop.create_future()
        queue = self._waiting.setdefault(lane, {})
        queue[place] = None
        self._drains[lane == PAY].waited()
        WAITED.labels(lane).inc()
        WAITING.inc()
        deadline = loop.call_later(self._wait_s, _give_up, place)
        try:
            await place
        except Overloaded:
            raise self._shed(lane) from None
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.leave(lane)  # it got its place in the same turn in which it was cancelled
            raise
        finally:
            deadline.cancel()
            queue.pop(place, None)
            WAITING.dec()

    def _hand_on(self) -> None:
        """Gives a free place to payments first, then to the services in turn, longest wait
        first."""
        for lane in list(self._waiting):
            queue = self._waiting[lane]
            while queue and self._has_place(lane):
                place = next(iter(queue))
                del queue[place]
                if not place.done():
                    self._take(lane)
                    self._drains[lane == PAY].passed()
                    place.set_result(None)
            if lane != PAY and queue:  # the next free place goes to another service
                self._waiting[lane] = self._waiting.pop(lane)


class Place:
    """A place that was entered. `leave()` it early or late: only the first call counts."""

    __slots__ = ("_admission", "_lane")

    def __init__(self, admission: Admission, lane: str) -> None:
        self._admission: Admission | None = admission
        self._lane = lane

    def leave(self) -> None:
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.leave(self._lane)


class _Coming:
    """A class and not a generator: every request enters one."""

    __slots__ = ("_counts", "_pays", "_size")

    def __init__(self, counts: dict[bool, int], pays: bool, size: int) -> None:
        self._counts, self._pays, self._size = counts, pays, size

    def __enter__(self) -> None:
        self._counts[self._pays] += self._size

    def __exit__(self, *_: object) -> None:
        self._counts[self._pays] -= self._size


class Drain:
    """How many waiting requests get a place within `wait_s`, judged by the recent rate.

    A longer queue would only delay refusals (J. D. C. Little, 1961: the number in a queue is its
    rate times the wait).
    """

    def __init__(self, wait_s: float, *, clock: MachineClock = time) -> None:
        self._wait_s = wait_s
        self._monotonic = clock.monotonic
        self._began = self._last_wait = -math.inf
        self._passed = 0
        self._rate: float | None = None

    def waited(self) -> None:
        """A request has begun to wait."""
        now = self._monotonic()
        if now - self._last_wait > DRAIN_KNOWN_S:
            self._began, self._passed, self._rate = now, 0, None
        self._last_wait = now

    def passed(self) -> None:
        """A waiting request has got a place."""
        self._passed += 1

    def room(self, most: int) -> int:
        """How many may wait. `most` while nobody had to wait yet, or not for long."""
        now = self._monotonic()
        if now - self._last_wait > DRAIN_KNOWN_S:
            return most
        counted_s = now - self._began
        if counted_s >= self._wait_s:
            rate = self._passed / counted_s
            if counted_s > DRAIN_WINDOW_S:
                self._began, self._passed, self._rate = now, 0, rate
        elif self._rate is None:
            return most
        else:
            rate = self._rate
        return math.ceil(rate * self._wait_s)


class LoopLag:
    """How long new work waits for the event loop: a queue that no counter sees.

    A callback is scheduled behind everything that is ready and measures its own delay. Until it
    runs, its age is the least the lag can be. Measured only while there are requests.
    """

    def __init__(self, *, clock: MachineClock = time) -> None:
        self._monotonic = clock.monotonic
        self._asked_at: float | None = None
        self._answered_at = 0.0
        self._last_s = 0.0
        self._above_since: float | None = None

    def is_above(self, most_s: float) -> bool:
        """True if the lag is above `most_s` now and has been above LAG_MAX_S for LAG_PERSISTS_S."""
        now = self._monotonic()
        lag_s = self._last_s
        if self._asked_at is None:
            if now - self._answered_at > LAG_HOLDS_S:
                lag_s, self._above_since = 0.0, None
            self._asked_at = now
            asyncio.get_running_loop().call_soon(self._answer)
        else:
            lag_s = max(lag_s, now - self._asked_at)
        since = self._above_since
        return lag_s > most_s and since is not None and now - since >= LAG_PERSISTS_S

    def _answer(self) -> None:
        now = self._monotonic()
        if self._asked_at is not None:
            self._last_s = now - self._asked_at
        self._asked_at, self._answered_at = None, now
        if self._last_s <= LAG_MAX_S:
            self._above_since = None
        elif self._above_since is None:
            self._above_since = now


class Pace:
    """When to retry: refused clients are spread over the seconds that it takes to serve them.

    If all came back after one second, they would be the same crowd again, and each refusal costs.
    """

    def __init__(self, *, clock: MachineClock = time) -> None:
        self._monotonic = clock.monotonic
        self._second = 0
        self._served = self._served_before = 0
        self._shed = self._shed_before = 0

    def served(self) -> None:
        self._turn()
        self._served += 1

    def shed(self) -> int:
        """Seconds to wait: random, from 1 to the time needed to serve everybody refused so far."""
        self._turn()
        self._shed += 1
        crowd, served = self._shed + self._shed_before, self._served + self._served_before
        return random.randint(1, min(RETRY_AFTER_MAX_S, max(1, math.ceil(crowd / max(1, served)))))

    def _turn(self) -> None:
        second = int(self._monotonic())
        if second != self._second:
            follows = second == self._second + 1
            self._served_before = self._served if follows else 0
            self._shed_before = self._shed if follows else 0
            self._second, self._served, self._shed = second, 0, 0


class StreamPlaces:
    """Bounds event streams, in total and per address."""

    def __init__(self, most: int = STREAMS_MAX, per_address: int = STREAMS_PER_ADDRESS_MAX) -> None:
        self._most, self._per_address = most, per_address
        self._open = 0
        self._by_address: dict[str, int] = {}

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """Raises Overloaded if there is no place."""
        mine = self._by_address.get(address, 0)
        if self._open >= self._most or mine >= self._per_address:
            SHED.labels("stream").inc()
            raise Overloaded("Too many event streams are open.", retry_after_s=5)
        self._open += 1
        self._by_address[address] = mine + 1
        STREAMS.inc()
        try:
            yield
        finally:
            self._open -= 1
            STREAMS.dec()
            if self._by_address[address] == 1:
                del self._by_address[address]
            else:
                self._by_address[address] -= 1


def _give_up(place: "asyncio.Future[None]") -> None:
    if not place.done():
        place.set_exception(Overloaded())
