"""Payments, the orders they pay and the events of providers: rows as structs."""

from datetime import datetime
from uuid import UUID

import msgspec

from booking.domain.order import OrderStatus
from booking.domain.payment import NEVER_REACHED, PaymentState
from booking.events.store import NewHistoryEntry
from booking.providers.protocol import ChargeResult
from booking.tickets.records import NewTicket
from chassis.context import RequestContext
from chassis.events.envelope import PendingEvent
from contracts.booking import IssuedTicket, OrderItem


class PayableOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A payment and what its order is made of. None of it ever changes, so it may be remembered from
    the intent to the sale."""

    payment_id: UUID
    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    total_amount: int
    currency: str
    items: list[OrderItem]


class KnownPayment(PayableOrder, frozen=True, kw_only=True):
    """With the payment's state as last seen: without a lock, so only for choosing the way."""

    state: PaymentState
    amount: int


class LockedPayment(KnownPayment, frozen=True, kw_only=True):
    """With the facts of its order (decision.OrderFacts); both rows are locked."""

    status: OrderStatus
    cancel_reason: str | None
    another_live: bool


class EventTarget(msgspec.Struct, frozen=True):
    """What we know of the payment that a provider event refers to; None when there is no such payment.
    `processed`: the event has had its effect before."""

    processed: bool
    payment: KnownPayment | None


class PreviousPayment(msgspec.Struct, frozen=True, kw_only=True):
    """The payment that was made with an idempotency key before."""

    payment_id: UUID
    order_id: UUID
    body_hash: bytes
    state: PaymentState
    reason: str | None

    @property
    def never_reached(self) -> bool:
        """The provider does not know it and cannot hear of it any more: there is no answer to repeat."""
        return self.state is PaymentState.FAILED and self.reason == NEVER_REACHED


class PendingPayment(msgspec.Struct, frozen=True):
    """A payment that the provider is asked about; `age_s` since it was begun."""

    payment_id: UUID
    amount: int
    currency: str
    age_s: float


class RefundDue(msgspec.Struct, frozen=True, kw_only=True):
    """Money that bought nothing and goes back; `reason` says why."""

    payment_id: UUID
    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    title: str
    reason: str | None
    amount: int
    currency: str


class NewPayment(msgspec.Struct, frozen=True, kw_only=True):
    payment_id: UUID
    order_id: UUID
    user_id: UUID
    provider: str
    method: str
    idempotency_key: str | None
    body_hash: bytes | None
    request_id: str


class ReceivedEvent(msgspec.Struct, frozen=True):
    """A provider's event about a payment, as it is remembered."""

    provider: str
    event_id: str
    type: str
    payment_id: UUID


class Callback(msgspec.Struct, frozen=True):
    """A provider's event, and what it says of its payment. `context`: of the request that brought it, which
    the events of its sale name."""

    event: ReceivedEvent
    result: ChargeResult
    context: RequestContext


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is written when an order is sold. `sold`: all its events in one row of the outbox
    (booking.events.unfolding). `event`: what told of its money."""

    order: PayableOrder
    tickets: list[NewTicket]
    issued: list[IssuedTicket]
    history: NewHistoryEntry
    sold: PendingEvent
    event: ReceivedEvent | None = None


class Intent(msgspec.Struct, frozen=True):
    payment: NewPayment
    history: NewHistoryEntry
