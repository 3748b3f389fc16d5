"""What other services may know of booking: the data of its events. Import nothing else of booking.

An order's id is the subject of its events. Blocking and unblocking seats, and what concerns a whole session,
have the session's id as their subject. A `.v1` may gain fields; any other change makes a `.v2`.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

ORDER_CREATED = "stampede.order.created.v1"
ORDER_PAID = "stampede.order.paid.v1"
ORDER_CANCELLED = "stampede.order.cancelled.v1"
ORDER_COMPLETED = "stampede.order.completed.v1"
ORDER_REFUNDED = "stampede.order.refunded.v1"
SEATS_HELD = "stampede.seats.held.v1"
SEATS_SOLD = "stampede.seats.sold.v1"
SEATS_RELEASED = "stampede.seats.released.v1"
SEATS_BLOCKED = "stampede.seats.blocked.v1"
SEATS_UNBLOCKED = "stampede.seats.unblocked.v1"
REFUND_REQUESTED = "stampede.refund.requested.v1"
REFUND_APPROVED = "stampede.refund.approved.v1"
REFUND_REJECTED = "stampede.refund.rejected.v1"
REFUND_SUCCEEDED = "stampede.refund.succeeded.v1"
REFUND_FAILED = "stampede.refund.failed.v1"
SESSION_CANCELLED = "stampede.session.cancelled.v1"
SALE_CHANGED = "stampede.sale.changed.v1"
PAYMENT_FAILED = "stampede.payment.failed.v1"
PAYMENT_REFUNDED = "stampede.payment.refunded.v1"
TICKET_TRANSFERRED = "stampede.ticket.transferred.v1"
TICKETS_ISSUED = "stampede.tickets.issued.v1"
TICKET_CHECKED_IN = "stampede.ticket.checked_in.v1"

# Only in an order's history. They are not published.
PAYMENT_STARTED = "stampede.payment.started.v1"
PAYMENT_REFUND_DUE = "stampede.payment.refund_due.v1"


class ItemFee(msgspec.Struct, frozen=True):
    """A ticket's part of a fee, in minor units."""

    key: str
    name: str
    amount: int


class ItemTax(msgspec.Struct, frozen=True):
    """A tax that is contained in what is paid for a ticket. `rate`: in basis points."""

    name: str
    rate: int
    amount: int


class OrderItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One seat of an order. `price` is of the ticket alone, in minor units of the order's currency.
    `accessible`, present only when true: a wheelchair place.

    Present only where the session has them: `category` (its key), `category_name`; `proof`, what has to be
    shown at the door; `fees` that the buyer bears on top of the price; `tax` contained in what is paid.
    """

    seat_id: int
    area_id: UUID
    area: str
    row: str
    number: int
    price: int
    accessible: bool = False
    category: str | None = None
    category_name: str | None = None
    proof: str | None = None
    fees: tuple[ItemFee, ...] = ()
    tax: tuple[ItemTax, ...] = ()


class SeatsChanged(msgspec.Struct, frozen=True, omit_defaults=True):
    """Data of the five `seats.*` events. `areas`: the number of seats in each area, by area id."""

    session_id: UUID
    seats: list[int]
    areas: dict[str, int]
    order_id: UUID | None = None


class OrderCreated(msgspec.Struct, frozen=True):
    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    items: list[OrderItem]
    total_amount: int
    currency: str
    expires_at: datetime


class IssuedTicket(msgspec.Struct, frozen=True, omit_defaults=True):
    """`qr_code` is the URL of a PNG that a mail client can open without a login. `category_name` and `proof`
    as in OrderItem."""

    ticket_id: UUID
    seat_id: int
    area: str
    row: str
    number: int
    qr_code: str
    category_name: str | None = None
    proof: str | None = None


class OrderPaid(msgspec.Struct, frozen=True):
    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    items: list[OrderItem]
    total_amount: int
    currency: str
    payment_id: UUID
    tickets: list[IssuedTicket]


class OrderCancelled(msgspec.Struct, frozen=True):
    """`reason`: the buyer cancelled, the order was not paid in time, or the session was cancelled.
    `note`: the organizer's reason for cancelling the session."""

    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    title: str
    reason: Literal["user", "unpaid", "session_cancelled"]
    note: str | None = None


class OrderCompleted(msgspec.Struct, frozen=True):
    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID


class PaymentFailed(msgspec.Struct, frozen=True):
    order_id: UUID
    user_id: UUID
    payment_id: UUID
    reason: str


class PaymentRefunded(msgspec.Struct, frozen=True):
    """A late payment that bought nothing was refunded automatically. `reason`: `seats_gone`,
    `limit_reached`, `order_cancelled`, `paid_already`, or `order_lost` after a failover (`stampede
    reconcile`); then `order_no` may be empty."""

    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    title: str
    payment_id: UUID
    amount: int
    currency: str
    reason: str


class TicketsIssued(msgspec.Struct, frozen=True):
    order_id: UUID
    user_id: UUID
    session_id: UUID
    tickets: list[IssuedTicket]


class RefundItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One seat of a refund. `price`: what the buyer paid for it, with fees. `category_name` as in
    OrderItem."""

    ticket_id: UUID
    seat_id: int
    area_id: UUID
    area: str
    row: str
    number: int
    price: int
    category_name: str | None = None


class RefundChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Data of the five `refund.*` events. Their subject is the order's id. price = fee + amount: `fee` is
    what is kept, by the refund policy and of fees that do not go back.

    automatic: approved by the show's terms, without a decision. reason: the requester's words; note: the
    decider's words.
    """

    refund_id: UUID
    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    organizer_id: UUID
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    cause: Literal["buyer", "session_cancelled"]
    reason: str
    note: str | None
    automatic: bool
    items: list[RefundItem]
    price: int
    fee: int
    amount: int
    currency: str


class OrderRefunded(msgspec.Struct, frozen=True):
    """The whole order is refunded. `amount`: the sum of all its refunds."""

    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    title: str
    amount: int
    currency: str


class SessionCancelled(msgspec.Struct, frozen=True):
    """The session was cancelled. Its id is the event's subject. Each of its orders has events of its
    own."""

    session_id: UUID
    organizer_id: UUID
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    reason: str


class SaleChanged(msgspec.Struct, frozen=True):
    """An operator paused or resumed a session's sale, or changed its limits: how it is steered from now on.
    The session's id is the event's subject. null: the session's own limit holds, or there is none.
    `version` grows with each change of the session."""

    session_id: UUID
    paused: bool
    paused_at: datetime | None
    max_tickets_per_user: int | None
    orders_per_second: int | None
    version: int


class TicketTransferred(msgspec.Struct, frozen=True):
    """`ticket_id` is void. `ticket` is the new ticket of `to_user_id`."""

    transfer_id: UUID
    order_id: UUID
    order_no: str
    from_user_id: UUID
    to_user_id: UUID
    session_id: UUID
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    ticket_id: UUID
    ticket: IssuedTicket


class TicketCheckedIn(msgspec.Struct, frozen=True):
    """A person entered with this ticket, once. `gate` is "" if the door has no name."""

    ticket_id: UUID
    order_id: UUID
    user_id: UUID
    session_id: UUID
    seat_id: int
    checked_in_at: datetime
    gate: str
