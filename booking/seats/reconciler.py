"""Corrects lasting differences between Redis and PostgreSQL.

A restored old snapshot, a write lost at a failover and a release that never reached Redis all cause a
difference that stays the same. After SETTLED_S it is corrected to PostgreSQL's value. A seat is freed only if
its state and owner have not changed since they were read, so a newer hold is safe.
"""

import time
from collections.abc import Callable
from uuid import UUID

from booking.seats.differences import Difference, Look, look
from booking.seats.holds import SEATS_A_CALL_MAX, SeatHolds
from booking.seats.keys import HOLD_INTENT_MS
from booking.seats.metrics import RECONCILED
from chassis.observability import logs

SETTLED_S = HOLD_INTENT_MS / 1000 + 1  # an older difference cannot be a step in progress
RECONCILE_INTERVAL_S = 15.0  # a look at every session in Redis costs PostgreSQL all of its claims
SESSIONS_MAX = 10_000  # sessions whose differences are remembered

log = logs.get("booking")


class Reconciler:
    """Call `reconcile_once` for each session regularly; it remembers when a difference was first seen."""

    def __init__(self, holds: SeatHolds, *, now: Callable[[], float] = time.monotonic) -> None:
        self._holds = holds
        self._now = now
        self._first_seen: dict[UUID, dict[Difference, float]] = {}

    async def reconcile_once(self, session_id: UUID) -> list[Difference]:
        """Compares, corrects the differences that persisted, and returns them."""
        seen = await look(self._holds, session_id)
        now = self._now()
        before = self._first_seen.pop(session_id, {})
        first_seen = {one: before.get(one, now) for one in seen.differences}
        settled = [one for one, since in first_seen.items() if now - since >= SETTLED_S]
        for one in settled:
            del first_seen[one]
        if first_seen:
            self._remember(session_id, first_seen)
        if settled:
            await self._heal(session_id, settled, seen)
            for one in settled:
                RECONCILED[one.kind].inc()
            log.warning("seats_reconciled", session=session_id, differences=len(settled))
        return settled

    def _remember(self, session_id: UUID, first_seen: dict[Difference, float]) -> None:
        self._first_seen[session_id] = first_seen
        while len(self._first_seen) > SESSIONS_MAX:
            self._first_seen.pop(next(iter(self._first_seen)))

    async def _heal(self, session_id: UUID, settled: list[Difference], seen: Look) -> None:
        if any(one.kind == "layout" for one in settled):
            await self._holds.rebuild(session_id)
            return
        seats = [one for one in settled if one.kind == "seat"]
        taken = [seen.claims[int(one.what)] for one in seats if one.postgres != "."]
        if taken:
            await self._holds.correct(session_id, taken)
        await self._holds.free(
            session_id,
            [(int(one.what), one.redis, one.redis_order) for one in seats if one.postgres == "."],
        )
        await self._count(session_id, [one for one in settled if one.kind == "tickets"])

    async def _count(self, session_id: UUID, users: list[Difference]) -> None:
        """Runs after the seats: a tally that correcting a seat has already changed stays unchanged."""
        for start in range(0, len(users), SEATS_A_CALL_MAX):
            args: list[str | bytes | int] = []
            for one in users[start : start + SEATS_A_CALL_MAX]:
                args += (one.what, one.redis, one.postgres)
            await self._holds.run(session_id, "tallies", args)
