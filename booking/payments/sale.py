"""An order about to be sold: its tickets, and what is told of it."""

import msgspec

from booking.events.store import NewHistoryEntry
from booking.events.unfolding import ORDER_SOLD
from booking.payments.records import PayableOrder, ReceivedEvent, Sale
from booking.tickets.issuing import TicketIssuing
from chassis.clock import whole_second
from chassis.events.envelope import pending
from contracts.booking import ORDER_PAID, OrderPaid


def build_sale(
    tickets: TicketIssuing, order: PayableOrder, event: ReceivedEvent | None = None
) -> Sale:
    """Nothing of it counts until it is committed. `event`: what told of the money."""
    seats = [item.seat_id for item in order.items]
    drawn = tickets.new_tickets(order.session_id, seats)
    issued = tickets.issue(drawn, order.items)
    sold = pending(
        ORDER_SOLD,
        str(order.order_id),
        OrderPaid(
            order_id=order.order_id,
            order_no=order.order_no,
            user_id=order.user_id,
            session_id=order.session_id,
            title=order.title,
            venue=order.venue,
            starts_at=whole_second(order.starts_at),
            time_zone=order.time_zone,
            items=order.items,
            total_amount=order.total_amount,
            currency=order.currency,
            payment_id=order.payment_id,
            tickets=issued,
        ),
    )
    data = {
        "payment_id": order.payment_id,
        "amount": order.total_amount,
        "currency": order.currency,
        "tickets": [ticket.ticket_id for ticket in drawn],
    }
    return Sale(
        order=order,
        tickets=drawn,
        issued=issued,
        history=NewHistoryEntry(
            order.order_id, sold.id, ORDER_PAID, sold.request_id, msgspec.json.encode(data)
        ),
        sold=sold,
        event=event,
    )
