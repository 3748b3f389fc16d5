"""Every event type that booking publishes: its data, and when it is published.

To add one: add its type and struct to contracts/booking.py and a line here, then run
`stampede events schemas --write`. It writes the schema to booking/events/stored/ and a paragraph to
docs/events.md. Commit both.
"""

import msgspec

from contracts import booking as told


class Published(msgspec.Struct, frozen=True):
    """`data`: the struct that is encoded.  `when`: one sentence for the event's consumers."""

    data: type[msgspec.Struct]
    when: str


PUBLISHED: dict[str, Published] = {
    told.ORDER_CREATED: Published(told.OrderCreated, "An order holds its seats and can be paid."),
    told.ORDER_PAID: Published(told.OrderPaid, "The money is there, the seats are sold."),
    told.ORDER_CANCELLED: Published(
        told.OrderCancelled, "The buyer cancelled before paying, or did not pay in time."
    ),
    told.ORDER_COMPLETED: Published(
        told.OrderCompleted, "Seven days after the session of a paid order began."
    ),
    told.SEATS_HELD: Published(told.SeatsChanged, "With `order.created`: these seats are held."),
    told.SEATS_SOLD: Published(told.SeatsChanged, "With `order.paid`: the held seats are sold."),
    told.SEATS_RELEASED: Published(
        told.SeatsChanged, "An order ended without these seats, or gave them back."
    ),
    told.SEATS_BLOCKED: Published(told.SeatsChanged, "An organizer took seats off sale."),
    told.SEATS_UNBLOCKED: Published(told.SeatsChanged, "An organizer put seats back on sale."),
    told.PAYMENT_FAILED: Published(
        told.PaymentFailed, "The provider declined; the order can still be paid."
    ),
    told.PAYMENT_REFUNDED: Published(
        told.PaymentRefunded, "Money that could buy nothing any more has gone back."
    ),
    told.TICKETS_ISSUED: Published(told.TicketsIssued, "With `order.paid`: its tickets."),
    told.TICKET_TRANSFERRED: Published(
        told.TicketTransferred, "A ticket died, and somebody else has a new one for its seat."
    ),
    told.TICKET_CHECKED_IN: Published(told.TicketCheckedIn, "Somebody went in with a ticket."),
    told.REFUND_REQUESTED: Published(
        told.RefundChanged, "The buyer asked for money back, or the session was cancelled."
    ),
    told.REFUND_APPROVED: Published(
        told.RefundChanged, "Granted: its tickets are void, and the money is about to go back."
    ),
    told.REFUND_REJECTED: Published(told.RefundChanged, "The organizer said no."),
    told.REFUND_SUCCEEDED: Published(told.RefundChanged, "The provider has sent the money."),
    told.REFUND_FAILED: Published(
        told.RefundChanged, "The provider will not send it; somebody must try again."
    ),
    told.ORDER_REFUNDED: Published(told.OrderRefunded, "Nothing is left of a paid order."),
    told.SESSION_CANCELLED: Published(
        told.SessionCancelled, "The organizer cancelled; everybody who paid is refunded."
    ),
}

# In an order's history (GET /orders/{id}/events) only; they are not published as events.
HISTORY_ONLY = {told.PAYMENT_STARTED, told.PAYMENT_REFUND_DUE}
# Reserved names of types that are not published yet.
RESERVED: set[str] = set()
