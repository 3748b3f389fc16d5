"""What the store returns: rows as structs. Times are UTC, money in minor units."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from booking.contract import OrderItem
from booking.domain.order import OrderStatus
from booking.domain.payment import PaymentState
from catalog.contract import SessionTerms


class NewOrder(msgspec.Struct, frozen=True, gc=False):
    """An order to be placed. The three documents are JSON; `created` has yet to get the order's
    number and end, which PostgreSQL gives it."""

    order_id: UUID
    user_id: UUID
    terms: SessionTerms
    items: list[OrderItem]
    total_amount: int
    idempotency_key: str | None
    body_hash: bytes | None
    request_id: str
    created_id: UUID
    created: str
    held_id: UUID
    held: str
    history: str


class PlacedOrder(msgspec.Struct, frozen=True, gc=False):
    order_no: str
    created_at: datetime
    expires_at: datetime


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as its owner reads it: past its end an unpaid one is cancelled."""

    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    status: OrderStatus
    cancel_reason: str | None
    items: list[OrderItem]
    total_amount: int
    currency: str
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    body_hash: bytes | None
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None


class LockedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What decides a next step; the row stays locked until the transaction ends. `late`: past its
    end by PostgreSQL's clock."""

    order_id: UUID
    status: OrderStatus
    session_id: UUID
    total_amount: int
    currency: str
    cancel_reason: str | None
    late: bool
    payment_under_way: bool


class CancelledOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that was just cancelled. `areas[n]` is the area of `seats[n]`."""

    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    title: str
    seats: list[int]
    areas: list[UUID]


class HistoryEntry(msgspec.Struct, frozen=True):
    position: int
    event_id: UUID
    type: str
    time: datetime
    request_id: str
    data: msgspec.Raw


class LockedPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment and its order, both locked. `another_live`: another payment of it counts already."""

    payment_id: UUID
    state: PaymentState
    amount: int
    currency: str
    reason: str | None
    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    status: OrderStatus
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    total_amount: int
    another_live: bool
    items: list[OrderItem]


class PreviousPayment(msgspec.Struct, frozen=True, kw_only=True):
    """The payment that was made with an idempotency key before."""

    payment_id: UUID
    order_id: UUID
    body_hash: bytes
    state: PaymentState
    reason: str | None


class RefundDue(msgspec.Struct, frozen=True):
    payment_id: UUID
    order_id: UUID
    amount: int
    currency: str


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    ticket_id: UUID
    order_id: UUID
    session_id: UUID
    seat_id: int
    user_id: UUID
    status: str
    code: str
    area: str
    row: str
    number: int
    title: str
    venue: str
    starts_at: datetime
    time_zone: str


class SigningKey(msgspec.Struct, frozen=True):
    kid: str
    purpose: str
    secret: bytes


def whole_second(moment: datetime) -> datetime:
    """Times in answers have whole seconds (API.md)."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.replace(microsecond=0) if moment.microsecond else moment


_ITEMS = msgspec.json.Decoder(list[OrderItem])


def items_of(row: "asyncpg.Record") -> list[OrderItem]:
    """The `items` column: a JSON array in text, NULL when there are none."""
    return _ITEMS.decode(row["items"]) if row["items"] is not None else []


def fields(row: "asyncpg.Record", kind: type[Any]) -> dict[str, Any]:
    """The columns of a row that `kind` has."""
    return {name: row[name] for name in kind.__struct_fields__ if name in row}
