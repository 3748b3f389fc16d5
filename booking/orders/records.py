"""What the store returns: rows as structs. Times are UTC, money in minor units."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from booking.domain.order import OrderStatus
from booking.prices.charging import TicketCharges
from contracts.booking import OrderItem
from contracts.catalog import SessionTerms


class Redemption(msgspec.Struct, frozen=True, kw_only=True):
    """What a promo code does to an order. `paid`: for each of its tickets alone, `original_amount` less
    `discount` in all. Fees come on top of that."""

    promo_code_id: UUID
    code: str
    original_amount: int
    discount: int
    paid: list[int]


class Price(msgspec.Struct, frozen=True, gc=False):
    """`total_amount`: what is to be paid. `charges`: one an item, where the session has fees or taxes."""

    total_amount: int
    redemption: Redemption | None = None
    charges: list[TicketCharges] | None = None


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order to be placed. `document`: its items as its row keeps them, JSON. `is_split`: the group is not
    together. `left_alone`: single free seats beside them."""

    order_id: UUID
    user_id: UUID
    terms: SessionTerms
    items: list[OrderItem]
    document: str
    price: Price
    is_split: bool
    left_alone: list[int]
    idempotency_key: str | None
    body_hash: bytes | None
    request_id: str
    traceparent: str | None = None


class PlacedOrder(msgspec.Struct, frozen=True, gc=False):
    order_no: str
    created_at: datetime
    expires_at: datetime


class LastPayment(msgspec.Struct, frozen=True):
    """The payment of an order that was begun last; `state` as in booking.domain.payment."""

    payment_id: UUID
    method: str
    state: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as its owner reads it: past its end an unpaid one is cancelled. `payment` is filled in
    where one order is read. What follows it is of a paid one: tickets that its buyer still has, and
    what goes back or has gone; and why its session is not played, for everybody who had a part in it.
    """

    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    status: OrderStatus
    cancel_reason: str | None
    items: list[OrderItem]
    only_accessible_left: bool
    is_split: bool
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
    promo_code: str | None
    discount: int | None
    left_alone: list[int] = []
    payment: LastPayment | None = None
    tickets_left: int | None = None
    refunded_amount: int | None = None
    refund_cause: str | None = None
    session_cancelled_for: str | None = None
    session_cancelled_at: datetime | None = None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of one seat of a paid order. `ticket_id`: while it is the buyer's own."""

    seat_id: int
    status: Literal["valid", "checked_in", "given", "refund_requested", "refunded"]
    paid: int
    ticket_id: UUID | None
    given_to: str | None
    since: datetime | None


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


_ITEMS = msgspec.json.Decoder(list[OrderItem])
_SEATS = msgspec.json.Decoder(list[int])
_PAYMENT = msgspec.json.Decoder(LastPayment)


def items_of(row: "asyncpg.Record") -> list[OrderItem]:
    """The `items` column: a JSON array in text, NULL when there are none."""
    return _ITEMS.decode(row["items"]) if row["items"] is not None else []


def left_alone_of(row: "asyncpg.Record") -> list[int]:
    """The `left_alone` column, where the query has one: a JSON array in text, NULL when there are none."""
    text = row["left_alone"] if "left_alone" in row else None  # noqa: SIM401  a record has no get
    return _SEATS.decode(text) if text is not None else []


def payment_of(row: "asyncpg.Record") -> LastPayment | None:
    """The `payment` column, where the query has one."""
    text = row["payment"] if "payment" in row else None  # noqa: SIM401  a record has no get
    return _PAYMENT.decode(text) if text is not None else None
