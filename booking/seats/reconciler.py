"""Heals what Redis and PostgreSQL disagree on for longer than a hold may be an intent.

An old snapshot restored, a write lost at a failover, a release that Redis never heard of: each is a
difference that stays the same. It is healed as PostgreSQL says, and what is freed is freed only if it
still is as it was looked at, so a hold taken since is left alone.
"""

import time
from collections.abc import Callable
from uuid import UUID

from booking.seats.differences import Difference, Look, look
from booking.seats.holds import SEATS_A_CALL_MAX, SeatHolds
from booking.seats.keys import HOLD_INTENT_MS
from chassis.observability import logs

SETTLED_S = HOLD_INTENT_MS / 1000 + 1  # a difference this old is no step under way
SESSIONS_MAX = 10_000  # whose looks are remembered

log = logs.get("booking")


class Reconciler:
    """`await reconciler.reconcile_once(session_id)` now and then; it remembers its last looks."""

    def __init__(self, holds: SeatHolds, *, now: Callable[[], float] = time.monotonic) -> None:
        self._holds = holds
        self._now = now
        self._first_seen: dict[UUID, dict[Difference, float]] = {}

    async def reconcile_once(self, session_id: UUID) -> list[Difference]:
        """Looks, heals what has persisted, and returns what it healed."""
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
        """After the seats: a tally that healing a seat has already moved is left alone."""
        for start in range(0, len(users), SEATS_A_CALL_MAX):
            args: list[str | bytes | int] = []
            for one in users[start : start + SEATS_A_CALL_MAX]:
                args += (one.what, one.redis, one.postgres)
            await self._holds.run(session_id, "tallies", args)
