"""New tickets with their codes, and the form of a ticket in answers and events."""

from collections.abc import Sequence
from uuid import UUID

from booking.tickets import store
from booking.tickets.codes import TicketCodes
from booking.tickets.records import NewTicket
from booking.tickets.store import TicketOfOrder
from chassis.ids import uuid7
from chassis.postgres.pool import Connection
from contracts.booking import IssuedTicket, OrderItem


class TicketIssuing:
    """Makes tickets but writes none. The caller writes them in its own transaction."""

    def __init__(self, codes: TicketCodes) -> None:
        self._codes = codes

    def qr_url(self, ticket_id: UUID) -> str:
        return self._codes.qr_url(ticket_id)

    async def of_order(self, db: Connection, order_id: UUID) -> list[IssuedTicket]:
        return [self._issued(ticket) for ticket in await store.tickets_of_order(db, order_id)]

    def new_tickets(self, session_id: UUID, seats: Sequence[int]) -> list[NewTicket]:
        """New tickets with their codes; the caller writes them."""
        ids = [uuid7() for _ in seats]
        return [
            NewTicket(ticket_id, seat_id, self._codes.code(ticket_id, session_id))
            for ticket_id, seat_id in zip(ids, seats, strict=True)
        ]

    def issue(self, drawn: Sequence[NewTicket], items: Sequence[OrderItem]) -> list[IssuedTicket]:
        """The tickets as answers and events show them. `drawn[n]` is the ticket of `items[n]`."""
        return [
            IssuedTicket(
                ticket.ticket_id,
                ticket.seat_id,
                item.area,
                item.row,
                item.number,
                self._codes.qr_url(ticket.ticket_id),
                item.category_name,
                item.proof,
            )
            for ticket, item in zip(drawn, items, strict=True)
        ]

    def _issued(self, ticket: TicketOfOrder) -> IssuedTicket:
        return IssuedTicket(
            ticket.ticket_id,
            ticket.seat_id,
            ticket.area,
            ticket.row,
            ticket.number,
            self._codes.qr_url(ticket.ticket_id),
            ticket.category_name,
            ticket.proof,
        )
