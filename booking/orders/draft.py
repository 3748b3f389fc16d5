"""An order on its way: what PostgreSQL is to be given, and what its buyer is told."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import msgspec

from booking.domain.seating import Seating
from booking.orders.records import NewOrder, PlacedOrder
from booking.orders.wire import CreateOrder, OrderAnswer
from booking.promo_codes.store import PromoCode
from chassis.clock import whole_second
from chassis.context import current
from chassis.ids import uuid7
from contracts.booking import OrderCreated, OrderItem, SeatsChanged
from contracts.catalog import SessionTerms


class OrderDraft(msgspec.Struct, frozen=True):
    """Everything of an order that does not change between tries."""

    wanted: CreateOrder
    user_id: UUID
    key: str | None
    body_hash: bytes | None
    terms: SessionTerms
    seating: Seating
    order_id: UUID
    promo: PromoCode | None = None


def _items(attempt: OrderDraft, seats: Sequence[int]) -> list[OrderItem]:
    prices = {area.area_id: area.price for area in attempt.terms.areas}
    items = []
    for seat_id in seats:
        seat = attempt.seating.seat(seat_id)
        if seat is None:
            raise LookupError(f"Redis held position {seat_id}, which is no seat")
        price = prices[seat.area_id]
        items.append(
            OrderItem(
                seat_id, seat.area_id, seat.area, seat.row, seat.number, price, seat.accessible
            )
        )
    return items


def new_order(attempt: OrderDraft, seats: Sequence[int]) -> NewOrder:
    terms, items = attempt.terms, _items(attempt, seats)
    total = sum(item.price for item in items)
    created = OrderCreated(
        order_id=attempt.order_id,
        order_no="",  # given by PostgreSQL, which puts it in here
        user_id=attempt.user_id,
        session_id=terms.session_id,
        title=terms.title,
        venue=terms.venue,
        starts_at=whole_second(terms.starts_at),
        time_zone=terms.time_zone,
        items=items,
        total_amount=total,
        currency=terms.currency,
        expires_at=whole_second(terms.starts_at),  # likewise
    )
    areas = Counter(str(item.area_id) for item in items)
    held = SeatsChanged(terms.session_id, list(seats), dict(areas), attempt.order_id)
    asked = attempt.wanted.seats is not None or attempt.wanted.wants_accessible
    history = {"seats": seats, "total_amount": total, "currency": terms.currency}
    return NewOrder(
        order_id=attempt.order_id,
        user_id=attempt.user_id,
        terms=terms,
        items=items,
        total_amount=total,
        idempotency_key=attempt.key,
        body_hash=attempt.body_hash,
        request_id=current().request_id,
        created_id=uuid7(),
        created=msgspec.json.encode(created).decode(),
        held_id=uuid7(),
        held=msgspec.json.encode(held).decode(),
        history=msgspec.json.encode(history).decode(),
        only_accessible_left=not asked and any(item.accessible for item in items),
    )


def created_answer(order: NewOrder, placed: PlacedOrder) -> OrderAnswer:
    terms = order.terms
    return OrderAnswer(
        order_id=order.order_id,
        order_no=placed.order_no,
        session_id=terms.session_id,
        status="pending_payment",
        title=terms.title,
        venue=terms.venue,
        starts_at=whole_second(terms.starts_at),
        time_zone=terms.time_zone,
        items=order.items,
        total_amount=order.total_amount,
        currency=terms.currency,
        created_at=whole_second(placed.created_at),
        expires_at=whole_second(placed.expires_at),
        note="only_accessible_left" if order.only_accessible_left else None,
        promo_code=order.redeemed.code if order.redeemed else None,
        original_amount=order.redeemed.original_amount if order.redeemed else None,
        discount=order.redeemed.discount if order.redeemed else None,
    )
