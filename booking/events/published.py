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
    told.ORDER_PAID: Published(told.OrderPaid, "The order is paid and its seats are sold."),
    told.ORDER_CANCELLED: Published(
        told.OrderCancelled,
        "The buyer cancelled before paying, did not pay in time, or the session was cancelled.",
    ),
    told.ORDER_COMPLETED: Published(
        told.OrderCompleted, "The session of a paid order began seven days ago."
    ),
    told.SEATS_HELD: Published(told.SeatsChanged, "With `order.created`: these seats are held."),
    told.SEATS_SOLD: Published(told.SeatsChanged, "With `order.paid`: the held seats are sold."),
    told.SEATS_RELEASED: Published(
        told.SeatsChanged, "An order ended without these seats, or they were refunded."
    ),
    told.SEATS_BLOCKED: Published(told.SeatsChanged, "An organizer took seats off sale."),
    told.SEATS_UNBLOCKED: Published(told.SeatsChanged, "An organizer put seats back on sale."),
    told.PAYMENT_FAILED: Published(
        told.PaymentFailed, "The provider declined. The order can still be paid."
    ),
    told.PAYMENT_REFUNDED: Published(
        told.PaymentRefunded,
        "Money that came too late for the seats, or whose order was lost, has gone back.",
    ),
    told.TICKETS_ISSUED: Published(told.TicketsIssued, "With `order.paid`: its tickets."),
    told.TICKET_TRANSFERRED: Published(
        told.TicketTransferred,
        "A ticket became void, and somebody else has a new one for its seat.",
    ),
    told.TICKET_CHECKED_IN: Published(told.TicketCheckedIn, "Somebody entered with a ticket."),
    told.REFUND_REQUESTED: Published(
        told.RefundChanged, "The buyer asked for money back, or the session was cancelled."
    ),
    told.REFUND_APPROVED: Published(
        told.RefundChanged,
        "A refund was approved: its tickets are void, and the money will be sent.",
    ),
    told.REFUND_REJECTED: Published(told.RefundChanged, "The organizer rejected a refund."),
    told.REFUND_SUCCEEDED: Published(told.RefundChanged, "The provider has sent the money."),
    told.REFUND_FAILED: Published(
        told.RefundChanged, "The provider has refused to send the money. Somebody must try again."
    ),
    told.ORDER_REFUNDED: Published(
        told.OrderRefunded, "All tickets of a paid order were refunded."
    ),
    told.SALE_CHANGED: Published(
        told.SaleChanged, "An operator paused or resumed a session's sale, or changed its limits."
    ),
    told.SESSION_CANCELLED: Published(
        told.SessionCancelled,
        "The organizer cancelled a session. Everybody who paid gets a refund.",
    ),
}

# In an order's history (GET /orders/{id}/events) only; they are not published as events.
HISTORY_ONLY = {told.PAYMENT_STARTED, told.PAYMENT_REFUND_DUE}
# Reserved names of types that are not published yet.
RESERVED: set[str] = set()
