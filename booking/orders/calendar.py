"""An order as a calendar entry."""

from uuid import UUID

from booking.orders import store
from booking.tickets.codes import TicketCodes
from booking.tickets.printing.calendar import Entry, calendar_of
from booking.tickets.readers import Readers
from booking.tickets.store import tickets_of_order
from chassis.languages import Reader
from chassis.postgres.pool import Pool, connection
from chassis.problems import NotFound
from contracts.seats import seat_line


async def order_calendar(
    pool: Pool,
    codes: TicketCodes,
    readers: Readers,
    user_id: UUID,
    order_id: UUID,
    *,
    reader: Reader,
) -> tuple[str, bytes]:
    """One entry for all seats of the user's own order. Raises NotFound until it has been paid."""
    async with connection(pool) as db:
        order = await store.get_order(db, order_id, user_id)
        if order is None or order.paid_at is None:
            raise NotFound()
        tickets = await tickets_of_order(db, order_id)
    language = await readers.language(reader, user_id)
    entry = Entry(
        language=language,
        uid=f"order-{order.order_id}@stampede",
        title=order.title,
        venue=order.venue,
        starts_at=order.starts_at,
        changed_at=order.paid_at,
        order_no=order.order_no,
        seats=[seat_line(each.area, each.row, each.number, language) for each in tickets],
        url=codes.order_url(order.order_id),
        cancelled=not tickets,
    )
    return f"order-{order.order_no}.ics", calendar_of(entry)
