"""Redis against PostgreSQL: holds of orders that are lost, and seats that were sold to them.

The comparison is the audit's and the reconciler's (booking.seats.differences). A difference that outlasts
HOLD_INTENT_MS is no step in progress. It is corrected by rebuilding the session from PostgreSQL, which is
safe beside a sale (booking.seats.loading).
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from booking.composition import Booking
from booking.recovery.findings import Finding, Kind
from booking.seats.differences import Difference, look
from booking.seats.keys import HOLD_INTENT_MS
from booking.seats.loaded import list_loaded
from chassis.problems import NotFound, Problem

SETTLED_S = HOLD_INTENT_MS / 1000 + 1
SESSIONS_A_WAIT = 200  # sessions whose differences are kept until they have settled


class SeatRecovery:
    """`settled_s`: how long a difference must last."""

    def __init__(self, booking: Booking, *, apply: bool, settled_s: float = SETTLED_S) -> None:
        self._booking = booking
        self._apply = apply
        self._settled_s = settled_s

    async def findings(self) -> AsyncIterator[Finding]:
        """Raises Unavailable, at last, if a part of Redis is away."""
        loaded = await list_loaded(self._booking.holds.calls)
        for start in range(0, len(loaded.sessions), SESSIONS_A_WAIT):
            sessions = loaded.sessions[start : start + SESSIONS_A_WAIT]
            first = {one: found for one in sessions if (found := await self._look(one))}
            if first:
                await asyncio.sleep(self._settled_s)
            for session_id, before in first.items():
                lasting = before & await self._look(session_id)
                async for finding in self._found(session_id, sorted_by_place(lasting)):
                    yield finding
        if loaded.away is not None:
            raise loaded.away

    async def _look(self, session_id: UUID) -> set[Difference]:
        try:
            return set((await look(self._booking.holds, session_id)).differences)
        except NotFound:  # lost as well, or of another database: nothing is sold by it
            return set()

    async def _found(
        self, session_id: UUID, lasting: Sequence[Difference]
    ) -> AsyncIterator[Finding]:
        if not lasting:
            return
        left, done = True, "The session will be rebuilt from PostgreSQL."
        if self._apply:
            try:
                await self._booking.holds.rebuild(session_id)
                left, done = False, "The session is rebuilt from PostgreSQL."
            except Problem as away:
                done = f"It could not be rebuilt ({away.detail or away.title()}): run this again."
        held: dict[str, list[int]] = {}
        others = 0
        for one in lasting:
            if one.kind == "seat" and one.redis_order and not one.postgres_order:
                held.setdefault(one.redis_order, []).append(int(one.what))
            else:
                others += 1
        for order_id, seats in held.items():
            yield Finding(
                kind=Kind.HOLD_WITHOUT_ORDER,
                left=left,
                what=f"Redis holds its seats. {done}",
                order_id=UUID(order_id),
                session_id=session_id,
                seats=seats,
            )
        if others:
            yield Finding(
                kind=Kind.SEATS_DIFFER,
                left=left,
                what=f"Redis differs in {others} seats or tallies that no hold explains. {done}",
                session_id=session_id,
                seats=[
                    int(one.what) for one in lasting if one.kind == "seat" and not one.redis_order
                ],
            )


def sorted_by_place(differences: set[Difference]) -> list[Difference]:
    return sorted(differences, key=lambda one: (one.kind, one.what.zfill(12)))
