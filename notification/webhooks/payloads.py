"""The data that webhooks send to organizers, by event type.

A webhook sends booking's CloudEvent, but its data pass through the structs below: a field that they lack is
never sent. So a name or address that is added to an event later is not sent either. `qr_code` is left out
because it admits anybody who has it.

To offer another type: add a struct, a row in TOLD, and the type in contracts.notification.SUBSCRIBES_TO.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from chassis.events.envelope import Event
from chassis.ids import uuid7
from contracts.booking import (
    ORDER_CANCELLED,
    ORDER_COMPLETED,
    ORDER_CREATED,
    ORDER_PAID,
    ORDER_REFUNDED,
    OrderItem,
)

REFUND_STEPS = ("requested", "approved", "rejected", "succeeded", "failed")
PING = "stampede.webhook.ping.v1"  # for tests only; nobody can subscribe to it

EventType = Literal[
    "stampede.order.created.v1",
    "stampede.order.paid.v1",
    "stampede.order.cancelled.v1",
    "stampede.order.completed.v1",
    "stampede.order.refunded.v1",
    "stampede.refund.requested.v1",
    "stampede.refund.approved.v1",
    "stampede.refund.rejected.v1",
    "stampede.refund.succeeded.v1",
    "stampede.refund.failed.v1",
]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID


class Created(Order, frozen=True, kw_only=True):
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    items: list[OrderItem]
    total_amount: int
    currency: str
    expires_at: datetime


class Ticket(msgspec.Struct, frozen=True):
    ticket_id: UUID
    seat_id: int
    area: str
    row: str
    number: int


class Paid(Order, frozen=True, kw_only=True):
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    items: list[OrderItem]
    total_amount: int
    currency: str
    payment_id: UUID
    tickets: list[Ticket]


class Cancelled(Order, frozen=True, kw_only=True):
    title: str
    reason: str


class Completed(Order, frozen=True, kw_only=True):
    pass


class Refunded(Order, frozen=True, kw_only=True):
    """The whole order is refunded; `amount` is the total of its refunds."""

    title: str
    amount: int
    currency: str


class TicketGivenBack(Ticket, frozen=True):
    price: int


class Refund(Order, frozen=True, kw_only=True):
    """A step of one refund. The buyer's reason is not sent; only the platform's pages show it."""

    refund_id: UUID
    title: str
    cause: str
    automatic: bool
    items: list[TicketGivenBack]
    price: int
    fee: int
    amount: int
    currency: str


TOLD: dict[str, type[Order]] = {
    ORDER_CREATED: Created,
    ORDER_PAID: Paid,
    ORDER_CANCELLED: Cancelled,
    ORDER_COMPLETED: Completed,
    ORDER_REFUNDED: Refunded,
    **{f"stampede.refund.{step}.v1": Refund for step in REFUND_STEPS},
}

_DECODERS = {type_: msgspec.json.Decoder(kind) for type_, kind in TOLD.items()}


class Told(msgspec.Struct, frozen=True):
    """An event ready to send: `body` is signed and sent unchanged."""

    event_id: UUID
    type: str
    session_id: UUID
    request_id: str
    happened_at: datetime
    body: str
    traceparent: str | None  # of the request that caused it, if that is sampled


def told(event: Event) -> Told:
    """The event as it is sent; its type must be in TOLD. Raises if its data do not match the contract."""
    order = _DECODERS[event.type].decode(event.data)
    shown = msgspec.structs.replace(event, data=msgspec.Raw(msgspec.json.encode(order)))
    return Told(
        event_id=event.id,
        type=event.type,
        session_id=order.session_id,
        request_id=event.requestid,
        happened_at=event.time,
        body=msgspec.json.encode(shown).decode(),
        traceparent=event.traceparent or None,
    )


def ping(endpoint_id: UUID, event_types: Sequence[str], now: datetime, request_id: str) -> Event:
    """The event of a test."""
    data = {"endpoint_id": endpoint_id, "event_types": event_types}
    return Event(
        id=uuid7(),
        type=PING,
        source="notification",
        subject=str(endpoint_id),
        time=now,
        requestid=request_id,
        data=msgspec.Raw(msgspec.json.encode(data)),
    )
