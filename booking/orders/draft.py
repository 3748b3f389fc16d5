"""An order on its way: what PostgreSQL is to be given, and the order as it stands once that is done."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from booking.domain.order import OrderStatus
from booking.domain.seating import Seating
from booking.events.history import seats_changed
from booking.orders.pricing import price_of
from booking.orders.records import NewOrder, Order, PlacedOrder, Price
from booking.orders.selection import BestSeats, Selection
from booking.promo_codes.store import PromoCode
from chassis.clock import whole_second
from chassis.context import current
from chassis.ids import uuid7
from contracts.booking import OrderItem
from contracts.catalog import SessionTerms


class OrderDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of an order that does not change between tries."""

    order_id: UUID
    user_id: UUID
    key: str | None
    body_hash: bytes | None
    terms: SessionTerms
    seating: Seating
    selection: Selection
    promo: PromoCode | None = None


class CreatedSoFar(msgspec.Struct, frozen=True):
    """OrderCreated without `order_no` and `expires_at`: PostgreSQL gives both, and adds them."""

    order_id: UUID
    user_id: UUID
    session_id: UUID
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    items: list[OrderItem]
    total_amount: int
    currency: str


def new_order(draft: OrderDraft, seats: Sequence[int]) -> NewOrder:
    """With these seats, which Redis has let it have. Raises PromoCodeNotValid."""
    terms, items = draft.terms, _items(draft, seats)
    price = price_of(items, terms.currency, draft.promo)
    created = CreatedSoFar(
        order_id=draft.order_id,
        user_id=draft.user_id,
        session_id=terms.session_id,
        title=terms.title,
        venue=terms.venue,
        starts_at=whole_second(terms.starts_at),
        time_zone=terms.time_zone,
        items=items,
        total_amount=price.total_amount,
        currency=terms.currency,
    )
    areas = [item.area_id for item in items]
    held = seats_changed(terms.session_id, seats, areas, draft.order_id)
    return NewOrder(
        order_id=draft.order_id,
        user_id=draft.user_id,
        terms=terms,
        items=items,
        price=price,
        only_accessible_left=_only_accessible_left(draft.selection, items),
        idempotency_key=draft.key,
        body_hash=draft.body_hash,
        request_id=current().request_id,
        created_id=uuid7(),
        created=msgspec.json.encode(created).decode(),
        held_id=uuid7(),
        held=msgspec.json.encode(held).decode(),
        history=msgspec.json.encode(_history(seats, price, terms.currency)).decode(),
        traceparent=current().event_traceparent,
    )


def as_placed(order: NewOrder, placed: PlacedOrder) -> Order:
    """As the store reads it from now on."""
    terms, redemption = order.terms, order.price.redemption
    return Order(
        order_id=order.order_id,
        order_no=placed.order_no,
        user_id=order.user_id,
        session_id=terms.session_id,
        status=OrderStatus.PENDING_PAYMENT,
        cancel_reason=None,
        items=order.items,
        only_accessible_left=order.only_accessible_left,
        total_amount=order.price.total_amount,
        currency=terms.currency,
        title=terms.title,
        venue=terms.venue,
        starts_at=terms.starts_at,
        time_zone=terms.time_zone,
        body_hash=order.body_hash,
        created_at=placed.created_at,
        expires_at=placed.expires_at,
        paid_at=None,
        promo_code=redemption.code if redemption else None,
        discount=redemption.discount if redemption else None,
    )


def _items(draft: OrderDraft, seats: Sequence[int]) -> list[OrderItem]:
    items = []
    for seat_id in seats:
        seat = draft.seating.seat(seat_id)
        if seat is None:
            raise LookupError(f"Redis held position {seat_id}, which is no seat")
        price = _price_at(draft.terms, seat_id)
        items.append(
            OrderItem(
                seat_id, seat.area_id, seat.area, seat.row, seat.number, price, seat.accessible
            )
        )
    return items


def _price_at(terms: SessionTerms, seat_id: int) -> int:
    """By position: comparing numbers is cheap, where a table by area id would hash every one of them."""
    for area in terms.areas:
        if area.first_seat_id <= seat_id <= area.last_seat_id:
            return area.price
    raise LookupError(f"position {seat_id} is in no area")


def _only_accessible_left(selection: Selection, items: Sequence[OrderItem]) -> bool:
    """The best seats were asked for, ordinary ones, and some of these are accessible."""
    if not isinstance(selection, BestSeats) or selection.kind == "accessible":
        return False
    return any(item.accessible for item in items)


def _history(seats: Sequence[int], price: Price, currency: str) -> dict[str, object]:
    """What the order's history tells of its beginning."""
    told: dict[str, object] = {
        "seats": seats,
        "total_amount": price.total_amount,
        "currency": currency,
    }
    if price.redemption is not None:
        told["promo_code"] = price.redemption.code
        told["original_amount"] = price.redemption.original_amount
        told["discount"] = price.redemption.discount
    return told
