"""Who may have an order in a session that is sold out, as this process knows it.

A refusal must not be answered to an idempotency key that has an order. Nearly everybody who is refused has
never ordered in the session. So this process keeps the set of those who may have: everybody with a tally in
PostgreSQL (it stays when orders are cancelled or expire), and everybody with a hold in Redis, whose order may
be about to be committed.

The set is good for as long as nobody is given a seat. Redis is asked about that for each refusal, in one
command for all that wait. Every hold raises the session's `version`; what raises it too but gives nobody a
seat raises `quiet` in the same script. So the watch, version − quiet, stands still between two holds. It
moves with every change of an older process, which does not know `quiet`.

    hold (the watch moves) → commit → 201: while the watch stands, nobody has ordered since the set was read

A hold that Redis has lost, in a flush or a failover, may still become an order, for IN_FLIGHT_MAX_S. For so
long after its session was loaded, or after the connection to its node was made, nothing is known. Then, as
whenever the watch has moved, the caller asks PostgreSQL.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from booking.seats.claims import ClaimSource
from booking.seats.keys import SENTINEL, session_keys
from booking.seats.together import ByNode
from chassis.clock import MachineClock
from chassis.concurrency.cache import BoundedCache
from chassis.concurrency.coalescer import Coalescer
from chassis.observability import logs
from chassis.problems import Problem
from chassis.redis.scripts import RedisCalls

IN_FLIGHT_MAX_S = (
    30.0  # from a hold to its commit: an account, a connection (5 s), a statement (10 s), queues
)
STILL_S = 1.0  # the watch must have stood before a reading, and between two: elsewhere seats are still had
SESSIONS_MAX = 64
BUYERS_MAX = 200_000  # of a session; about 100 bytes each. Of a larger one nothing is known
SCAN_COUNT = 1_000  # users a command
LOOKS_MAX = 512  # refusals a round trip
WAITING_MAX = 20_000

log = logs.get("booking")


class _Known(NamedTuple):
    """watch, connected: as they were before the users were read. users: None if they are too many."""

    watch: int
    connected: float
    users: set[UUID] | None


class KnownBuyers:
    """`await may_have_ordered(session_id, user_id)`: False is certain. A look begins a reading."""

    def __init__(
        self,
        calls: RedisCalls,
        truth: ClaimSource,
        *,
        in_flight_max_s: float = IN_FLIGHT_MAX_S,
        clock: MachineClock = time,
    ) -> None:
        self._calls = calls
        self._truth = truth
        self.in_flight_max_s = in_flight_max_s
        self._monotonic = clock.monotonic
        self._known: BoundedCache[UUID, _Known] = BoundedCache(SESSIONS_MAX)
        self._seen: BoundedCache[UUID, tuple[int | None, float]] = BoundedCache(SESSIONS_MAX)
        self._reading: dict[UUID, asyncio.Task[None]] = {}
        self._looks: ByNode[UUID, int | None] = ByNode(
            calls,
            lambda: Coalescer(
                self._look,
                name="booking_watches",
                batch_max=LOOKS_MAX,
                queue_max=WAITING_MAX,
                stage="redis",
                shared_fate=True,
            ),
        )

    async def may_have_ordered(self, session_id: UUID, user_id: UUID) -> bool:
        """Raises Unavailable or Overloaded if Redis does not answer."""
        watch = await self._looks.of(session_id).call(session_id)
        known = self._known.get(session_id)
        if known is None or known[:2] != (watch, self._connected(session_id)):
            self._read_if_still(session_id, watch)
            return True
        return known.users is None or user_id in known.users

    def _connected(self, session_id: UUID) -> float | None:
        return self._calls.connected_since(session_keys(session_id)[0])

    async def _look(self, asked: Sequence[UUID]) -> list[int | None]:
        """The watch of each session; None if it is not loaded."""
        sessions = list(dict.fromkeys(asked))
        answers = await self._calls.submit_all(
            [("HMGET", session_keys(one)[1], "version", "quiet") for one in sessions]
        )
        watches = dict(zip(sessions, map(_watch_of, answers), strict=True))
        return [watches[one] for one in asked]

    def _read_if_still(self, session_id: UUID, watch: int | None) -> None:
        now = self._monotonic()
        seen = self._seen.get(session_id)
        if seen is not None and seen[0] == watch:
            if now - seen[1] < STILL_S or session_id in self._reading:
                return
            self._read_soon(session_id)
        self._seen.put(session_id, (watch, now))

    def _read_soon(self, session_id: UUID) -> None:
        task = asyncio.get_running_loop().create_task(self.read(session_id))
        self._reading[session_id] = task
        task.add_done_callback(lambda _: self._reading.pop(session_id, None))

    async def read(self, session_id: UUID) -> None:
        """Holds in Redis first, then PostgreSQL: whoever is no longer in the one is already in the other."""
        try:
            connected = self._connected(session_id)
            if connected is None or self._age_s(connected) < self.in_flight_max_s:
                return
            seats, meta, tallies = session_keys(session_id)[:3]
            answer, (seconds, micros) = await asyncio.gather(
                self._calls.command("HMGET", meta, "version", "quiet"),
                self._calls.command("TIME", beside=seats),
            )
            watch = _watch_of(answer)
            now_us = int(seconds) * 1_000_000 + int(micros)
            # The version began as the time of loading in µs, so this is no more than the time since then.
            if watch is None or now_us - int(answer[0]) < self.in_flight_max_s * 1e6:
                return
            users = await self._holders(tallies)
            ever = await self._truth.buyers(session_id, BUYERS_MAX + 1)
            users.update(ever)
            few = len(users) <= BUYERS_MAX
            self._known.put(session_id, _Known(watch, connected, users if few else None))
        except (Problem, OSError):  # PostgreSQL is asked meanwhile
            return
        except Exception as failure:
            log.error("buyers_not_read", session=session_id, exc_info=failure)

    @staticmethod
    def _age_s(connected: float) -> float:
        return asyncio.get_running_loop().time() - connected

    async def _holders(self, tallies: str) -> set[UUID]:
        """Whoever has seats from before the scan until its end is in it (Redis, SCAN: guarantees)."""
        users: set[UUID] = set()
        cursor = "0"
        while True:
            following, found = await self._calls.command(
                "HSCAN", tallies, cursor, "COUNT", SCAN_COUNT
            )
            users.update(UUID(one.decode()) for one in found[::2] if one != SENTINEL.encode())
            cursor = following.decode()
            if cursor == "0" or len(users) > BUYERS_MAX:
                return users


def _watch_of(answer: Sequence[bytes | None]) -> int | None:
    version, quiet = answer
    return int(version) - int(quiet or 0) if version is not None else None
