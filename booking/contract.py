"""What booking tells other services: the data of its events. Import this and nothing else of it.

Every event of an order has the order's id as its subject; block and unblock the session's.
A field may be added to a `.v1`; anything else makes a `.v2`.
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
PAYMENT_FAILED = "stampede.payment.failed.v1"
TICKETS_ISSUED = "stampede.tickets.issued.v1"
TICKET_CHECKED_IN = "stampede.ticket.checked_in.v1"

# In an order's history only, nobody is told of them.
PAYMENT_STARTED = "stampede.payment.started.v1"
PAYMENT_REFUND_DUE = "stampede.payment.refund_due.v1"
PAYMENT_REFUNDED = "stampede.payment.refunded.v1"


class OrderItem(msgspec.Struct, frozen=True):
    """One seat of an order. `price` in minor units of the order's currency."""

    seat_id: int
    area_id: UUID
    area: str
    row: str
    number: int
    price: int


class SeatsChanged(msgspec.Struct, frozen=True, omit_defaults=True):
    """Data of the five `seats.*` events. `areas`: how many seats of each area, by area id."""

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


class IssuedTicket(msgspec.Struct, frozen=True):
    """`qr_code` is a URL of a PNG that a mail client can open without logging in."""

    ticket_id: UUID
    seat_id: int
    area: str
    row: str
    number: int
    qr_code: str


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
    """`reason`: the buyer asked, or it was not paid in time."""

    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    title: str
    reason: Literal["user", "unpaid"]


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


class TicketsIssued(msgspec.Struct, frozen=True):
    order_id: UUID
    user_id: UUID
    session_id: UUID
    tickets: list[IssuedTicket]


class TicketCheckedIn(msgspec.Struct, frozen=True):
    """Somebody went in with it, once. `gate` is "" where the door has no name."""

    ticket_id: UUID
    order_id: UUID
    user_id: UUID
    session_id: UUID
    seat_id: int
    checked_in_at: datetime
    gate: str
