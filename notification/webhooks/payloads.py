"""What organizers' systems are told, type by type and field by field.

An event travels as the CloudEvent that booking made, but its data are taken through the structs below:
a field that is not named here does not leave the house, so a name or an address added to an event later
does not either. `qr_code` in particular lets a bearer in, and stays with the buyer.

To offer another type: a struct, a row in TOLD, and the type in notification.contract.SUBSCRIBES_TO.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from booking.contract import (
    ORDER_CANCELLED,
    ORDER_COMPLETED,
    ORDER_CREATED,
    ORDER_PAID,
    ORDER_REFUNDED,
    OrderItem,
)
from chassis.events import Event
from chassis.ids import uuid7

PING = "stampede.webhook.ping.v1"  # of a test only; nobody subscribes to it

EventType = Literal[
    "stampede.order.created.v1",
    "stampede.order.paid.v1",
    "stampede.order.cancelled.v1",
    "stampede.order.completed.v1",
    "stampede.order.refunded.v1",
]


class OrderOfSession(msgspec.Struct, frozen=True, kw_only=True):
    order_id: UUID
    user_id: UUID
    session_id: UUID


class Order(OrderOfSession, frozen=True, kw_only=True):
    order_no: str


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


class Refunded(OrderOfSession, frozen=True, kw_only=True):
    """`amount` of this refund, in minor units."""

    order_no: str | UnsetType = UNSET
    refund_id: UUID | UnsetType = UNSET
    amount: int | UnsetType = UNSET
    currency: str | UnsetType = UNSET


TOLD: dict[str, type[OrderOfSession]] = {
    ORDER_CREATED: Created,
    ORDER_PAID: Paid,
    ORDER_CANCELLED: Cancelled,
    ORDER_COMPLETED: Completed,
    ORDER_REFUNDED: Refunded,
}


class Told(msgspec.Struct, frozen=True):
    """An event as it is sent: `body` is signed and sent byte for byte."""

    event_id: UUID
    type: str
    session_id: UUID
    request_id: str
    happened_at: datetime
    body: str


def told(event: Event) -> Told:
    """Of a type in TOLD. Raises when its data are not what booking's contract promises."""
    order = msgspec.json.decode(event.data, type=TOLD[event.type])
    shown = msgspec.structs.replace(event, data=msgspec.Raw(msgspec.json.encode(order)))
    return Told(
        event_id=event.id,
        type=event.type,
        session_id=order.session_id,
        request_id=event.requestid,
        happened_at=event.time,
        body=msgspec.json.encode(shown).decode(),
    )


def ping(endpoint_id: UUID, event_types: Sequence[str], now: datetime, request_id: str) -> Event:
    """What a test sends."""
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
