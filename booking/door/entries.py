"""Shared by online and offline scans: who may scan where, and the events of a check-in."""

from collections.abc import Sequence
from uuid import UUID

from booking.door import store
from booking.door.store import Entered
from booking.events.history import history_entry
from booking.events.store import record_and_publish
from booking.tickets.codes import ForgedCode, TicketCodes
from chassis.auth.tokens import Principal
from chassis.clock import whole_second
from chassis.events.envelope import pending
from chassis.postgres.pool import Connection
from contracts.booking import TICKET_CHECKED_IN, TicketCheckedIn


def ticket_of(codes: TicketCodes, code: str) -> UUID | None:
    """None if the code is forged. Scanners append a line end, which is stripped."""
    try:
        return codes.read(code.strip()).ticket_id
    except ForgedCode:
        return None


async def open_to(db: Connection, principal: Principal, sessions: Sequence[UUID]) -> set[UUID]:
    """The subset of `sessions` that the principal may scan for."""
    if principal.is_admin:
        return set(sessions)
    return await store.sessions_open_to(db, principal.user_id, sorted(set(sessions)))


async def tell_entries(tx: Connection, entered: Sequence[Entered]) -> None:
    history, events = [], []
    for each in entered:
        told = TicketCheckedIn(
            ticket_id=each.ticket_id,
            order_id=each.order_id,
            user_id=each.user_id,
            session_id=each.session_id,
            seat_id=each.seat_id,
            checked_in_at=whole_second(each.checked_in_at),
            gate=each.gate,
        )
        data = {
            "ticket_id": each.ticket_id,
            "seat_id": each.seat_id,
            "checked_in_at": told.checked_in_at,
            "gate": each.gate,
        }
        history.append(history_entry(each.order_id, TICKET_CHECKED_IN, data))
        events.append(pending(TICKET_CHECKED_IN, str(each.order_id), told))
    await record_and_publish(tx, history, events)
