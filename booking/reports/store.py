"""Queries of an organizer's lists and figures; see sql/reports.sql."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from chassis.postgres.pool import Connection, load_queries
from chassis.postgres.rows import fields
from contracts.booking import ItemFee, ItemTax

_queries = load_queries(Path(__file__).parent / "sql")


class SoldItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A seat of an order. `price` is the listed price, `paid` what its buyer pays, with fees and a promo
    code's discount. `costs`: its parts of fees that the organizer bears."""

    seat_id: int
    area_id: UUID
    area: str
    row: str
    number: int
    price: int
    paid: int
    category: str | None = None
    category_name: str | None = None
    fees: tuple[ItemFee, ...] = ()
    tax: tuple[ItemTax, ...] = ()
    costs: tuple[ItemFee, ...] = ()


class RefundOfOrder(msgspec.Struct, frozen=True):
    refund_id: UUID
    status: str
    amount: int


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it is now: an unpaid one past its expiry counts as cancelled."""

    order_id: UUID
    order_no: str
    user_id: UUID
    status: str
    cancel_reason: str | None
    items: list[SoldItem]
    total_amount: int
    discount: int
    promo_code: str | None
    refunds: list[RefundOfOrder]
    currency: str
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None


class AttendeeRow(msgspec.Struct, frozen=True, kw_only=True):
    ticket_id: UUID
    order_id: UUID
    order_no: str
    user_id: UUID
    status: str
    seat_id: int
    area_id: UUID
    area: str
    row: str
    number: int
    category: str | None
    category_name: str | None
    proof: str | None
    checked_in_at: datetime | None
    gate: str | None


class CategoryRow(msgspec.Struct, frozen=True):
    """Tickets that are still sold and amounts of one price category. Amounts as in AreaRow."""

    category: str
    name: str
    sold: int
    gross: int
    fees: int
    tax: int
    costs: int
    refunded: int


class AreaRow(msgspec.Struct, frozen=True, kw_only=True):
    """Seats and amounts (in minor units) of one area. `as_of` is by PostgreSQL's clock. `fees` and `tax` are
    parts of `gross`; `costs`, fees that the organizer bears. `categories`: of all areas."""

    area_id: UUID
    sold: int
    held: int
    blocked: int
    gross: int
    fees: int
    tax: int
    costs: int
    refunded: int
    as_of: datetime
    categories: list[CategoryRow]


_decode_items = msgspec.json.Decoder(list[SoldItem]).decode
_decode_categories = msgspec.json.Decoder(list[CategoryRow]).decode
_decode_refunds = msgspec.json.Decoder(list[RefundOfOrder]).decode


async def orders_of_session(
    db: Connection, session_id: UUID, *, status: str | None, before: UUID, limit: int, offset: int
) -> list[OrderRow]:
    found = _queries.orders_of_session(
        db, session_id=session_id, status=status, before=before, limit=limit, offset=offset
    )
    return [
        OrderRow(
            **fields(row, OrderRow)
            | {
                "items": _decode_items(row["items"] or "[]"),
                "refunds": _decode_refunds(row["refunds"] or "[]"),
            }
        )
        async for row in found
    ]


async def count_orders_of_session(db: Connection, session_id: UUID, status: str | None) -> int:
    return int(await _queries.count_orders_of_session(db, session_id=session_id, status=status))


async def attendees_of_session(
    db: Connection, session_id: UUID, *, status: str | None, after: int, limit: int, offset: int
) -> list[AttendeeRow]:
    found = _queries.attendees_of_session(
        db, session_id=session_id, status=status, after=after, limit=limit, offset=offset
    )
    return [AttendeeRow(**fields(row, AttendeeRow)) async for row in found]


async def count_attendees_of_session(db: Connection, session_id: UUID, status: str | None) -> int:
    return int(await _queries.count_attendees_of_session(db, session_id=session_id, status=status))


async def sales_of_session(
    db: Connection,
    session_id: UUID,
    areas: Sequence[tuple[UUID, int, int]],
    *,
    with_categories: bool,
) -> list[AreaRow]:
    """`areas`: id, first seat and last seat of each. The rows have the same order."""
    found = _queries.sales_of_session(
        db,
        session_id=session_id,
        areas=[area_id for area_id, _, _ in areas],
        firsts=[first for _, first, _ in areas],
        lasts=[last for _, _, last in areas],
        with_categories=with_categories,
    )
    return [
        AreaRow(
            **fields(row, AreaRow) | {"categories": _decode_categories(row["categories"] or "[]")}
        )
        async for row in found
    ]
