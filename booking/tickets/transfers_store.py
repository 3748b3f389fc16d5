"""Rows of transfers, and lists of a user's tickets."""

from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from booking.tickets.records import NewTicket, Ticket
from chassis.postgres.pool import Connection, load_queries
from chassis.postgres.rows import fields

queries = load_queries(Path(__file__).parent / "sql" / "transfers.sql")


class VoidedTicket(msgspec.Struct, frozen=True, kw_only=True):
    """Order, session and seat of a ticket that was just made void."""

    order_id: UUID
    order_no: str
    session_id: UUID
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    seat_id: int
    area: str
    row: str
    number: int
    category_name: str | None
    proof: str | None


async def get_transferable(db: Connection, ticket_id: UUID, user_id: UUID) -> bool | None:
    """Whether the user's ticket can be transferred; None if it is not the user's."""
    row = await queries.get_transferable(db, ticket_id=ticket_id, user_id=user_id)
    return bool(row["transferable"]) if row is not None else None


async def void_transferred(tx: Connection, ticket_id: UUID, user_id: UUID) -> VoidedTicket | None:
    """Compare-and-set under the order's lock. None if the ticket is not transferable."""
    await queries.lock_order_of_ticket(tx, ticket_id=ticket_id)
    row = await queries.void_transferred(tx, ticket_id=ticket_id, user_id=user_id)
    return VoidedTicket(**fields(row, VoidedTicket)) if row is not None else None


async def insert_transfer(
    tx: Connection,
    transfer_id: UUID,
    voided: VoidedTicket,
    *,
    ticket_id: UUID,
    new: NewTicket,
    from_user_id: UUID,
    to_user_id: UUID,
    from_name: str | None,
    to_name: str,
) -> datetime:
    """Issues `new` in place of the voided `ticket_id`. Returns the time of the transfer."""
    moment: datetime = await queries.insert_transfer(
        tx,
        transfer_id=transfer_id,
        ticket_id=ticket_id,
        new_ticket_id=new.ticket_id,
        order_id=voided.order_id,
        session_id=voided.session_id,
        seat_id=voided.seat_id,
        from_user_id=from_user_id,
        to_user_id=to_user_id,
        from_name=from_name,
        to_name=to_name,
        code=new.code,
    )
    return moment


async def take_guess(
    tx: Connection, user_id: UUID, *, most: int, within_s: float
) -> datetime | None:
    """Counts a guessed address before it is looked up, in the caller's transaction. The result identifies
    the guess for give_guess_back; None if the user has `most` misses in the last `within_s` seconds."""
    await queries.lock_guesses(tx, user_id=user_id)
    taken_at: datetime | None = await queries.take_guess(
        tx, user_id=user_id, most=most, within=timedelta(seconds=within_s)
    )
    return taken_at


async def give_guess_back(db: Connection, user_id: UUID, taken_at: datetime) -> None:
    """Uncounts a guess that was no miss, or that revealed nothing."""
    await queries.give_guess_back(db, user_id=user_id, taken_at=taken_at)


async def list_tickets(
    db: Connection, user_id: UUID, *, status: str | None, limit: int, offset: int
) -> tuple[list[Ticket], int]:
    """A page of the user's tickets, newest first, and their total number."""
    found = queries.list_tickets(db, user_id=user_id, status=status, limit=limit, offset=offset)
    rows = [row async for row in found]
    tickets = [Ticket(**fields(row, Ticket)) for row in rows if row["ticket_id"] is not None]
    return tickets, rows[0]["total"]
