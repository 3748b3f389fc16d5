"""Blocks and unblocks seats: organizers keep them from sale for technicians, sponsors, or repairs."""

from collections.abc import Sequence
from uuid import UUID

from booking.clients.catalog import Sessions
from booking.domain.problems import SeatsTaken, SessionNotPublished
from booking.domain.seating import Seating
from booking.events.history import seats_changed
from booking.events.store import record_and_publish
from booking.seats import store
from booking.seats.holds import SeatHolds
from booking.seats.wire import (
    SeatsBlocked,
    refuse_kept_seats,
    refuse_repeated,
    refuse_unknown_seats,
)
from chassis.auth.tokens import Principal
from chassis.events.envelope import PendingEvent, pending
from chassis.observability import logs
from chassis.postgres.pool import Pool, transaction
from chassis.problems import Problem
from contracts.booking import SEATS_BLOCKED, SEATS_UNBLOCKED

log = logs.get("booking")


class Blocking:
    """Blocks and unblocks seats of a published session; for its organizer and for admins."""

    def __init__(self, pool: Pool, *, sessions: Sessions, holds: SeatHolds) -> None:
        self._pool = pool
        self._sessions = sessions
        self._holds = holds

    async def block(
        self, principal: Principal, session_id: UUID, seats: Sequence[int]
    ) -> SeatsBlocked:
        """Blocks all of them, or raises SeatsTaken with the held and sold ones. Blocked ones stay blocked."""
        seating = await self._allowed(principal, session_id, seats)
        async with transaction(self._pool) as tx:
            in_the_way = await store.claims_in_the_way(tx, session_id, seats)
            taken = [seat for seat, state in in_the_way.items() if state != "blocked"]
            if taken:
                raise SeatsTaken(taken)
            wanted = [seat for seat in seats if seat not in in_the_way]
            changed = await store.block_seats(tx, session_id, sorted(wanted))
            if len(changed) < len(wanted):  # taken since claims_in_the_way
                raise SeatsTaken(sorted(set(wanted) - set(changed)))
            if changed:
                await record_and_publish(
                    tx, [], [_event(SEATS_BLOCKED, session_id, seating, changed)]
                )
        try:
            await self._holds.block(session_id, list(seats))
        except Problem as away:  # PostgreSQL refuses meanwhile; the reconciler corrects Redis
            log.warning("block_postponed", session=session_id, reason=away.code)
        log.info("seats_blocked", session=session_id, seats=len(changed), user=principal.user_id)
        return SeatsBlocked(session_id=session_id, seats=sorted(seats), changed=len(changed))

    async def unblock(
        self, principal: Principal, session_id: UUID, seats: Sequence[int]
    ) -> SeatsBlocked:
        """Puts the blocked ones on sale; the others stay unchanged."""
        seating = await self._allowed(principal, session_id, seats)
        async with transaction(self._pool) as tx:
            changed = await store.unblock_seats(tx, session_id, seats)
            if changed:
                await record_and_publish(
                    tx, [], [_event(SEATS_UNBLOCKED, session_id, seating, changed)]
                )
        try:
            await self._holds.unblock(session_id, changed)
        except Problem as away:
            log.warning("unblock_postponed", session=session_id, reason=away.code)
        log.info("seats_unblocked", session=session_id, seats=len(changed), user=principal.user_id)
        return SeatsBlocked(session_id=session_id, seats=sorted(seats), changed=len(changed))

    async def _allowed(
        self, principal: Principal, session_id: UUID, seats: Sequence[int]
    ) -> Seating:
        terms = await self._sessions.of_organizer(principal, session_id)
        if terms.status == "draft":
            raise SessionNotPublished()
        seating = await self._sessions.seating(session_id)
        refuse_repeated(seats)
        refuse_unknown_seats(seats, seating)
        refuse_kept_seats(seats, seating)
        return seating


def _event(type_: str, session_id: UUID, seating: Seating, seats: Sequence[int]) -> PendingEvent:
    found = [seating.seat(seat_id) for seat_id in sorted(seats)]
    areas = [seat.area_id for seat in found if seat is not None]
    return pending(type_, str(session_id), seats_changed(session_id, sorted(seats), areas, None))
