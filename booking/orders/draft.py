"""An order on its way: what PostgreSQL is to be given, and the order as it stands once that is done."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from booking.domain.order import OrderStatus
from booking.domain.seating import Seating
from booking.orders.pricing import price_of
from booking.orders.records import NewOrder, Order, PlacedOrder, Price
from booking.orders.selection import Selection, seated
from booking.prices.choosing import with_categories
from booking.promo_codes.store import PromoCode
from booking.seats.outcomes import Held
from chassis.context import current
from contracts.booking import ItemFee, OrderItem
from contracts.catalog import SessionTerms
from contracts.prices import CategoryTerms


class OrderDraft(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of an order that does not change between tries. `categories`: one a ticket, in ascending
    order of seats; none where it names none."""

    order_id: UUID
    user_id: UUID
    key: str | None
    body_hash: bytes | None
    terms: SessionTerms
    seating: Seating
    selection: Selection
    promo: PromoCode | None = None
    categories: Sequence[CategoryTerms] = ()


class PlacedItem(OrderItem, frozen=True, omit_defaults=True):
    """An item as the order's row keeps it. `paid`: what it costs with a promo code and fees; None: its price.
    `kept`, `costs`: as in TicketCharges. `split`: of a group that is not together. `left_alone`, in the first
    item: single free seats beside them."""

    paid: int | None = None
    kept: int = 0
    costs: tuple[ItemFee, ...] = ()
    split: bool = False
    left_alone: list[int] | None = None


def new_order(draft: OrderDraft, held: Held) -> NewOrder:
    """With these seats, which Redis has let it have. Raises PromoCodeNotValid."""
    terms, items = draft.terms, _items(draft, sorted(held.seats))
    price = price_of(items, terms.currency, draft.promo, terms.prices)
    if price.charges is not None:
        items = [
            msgspec.structs.replace(item, fees=each.fees, tax=each.tax)
            for item, each in zip(items, price.charges, strict=True)
        ]
    left_alone = seated(held.left_alone, terms)
    return NewOrder(
        order_id=draft.order_id,
        user_id=draft.user_id,
        terms=terms,
        items=items,
        document=_document(items, price, is_split=held.is_split, left_alone=left_alone),
        price=price,
        is_split=held.is_split,
        left_alone=left_alone,
        idempotency_key=draft.key,
        body_hash=draft.body_hash,
        request_id=current().request_id,
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
        only_accessible_left=False,
        is_split=order.is_split,
        left_alone=order.left_alone,
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
    if draft.terms.prices is not None:
        return with_categories(items, draft.terms.prices, draft.terms.areas, draft.categories)
    return items


def _price_at(terms: SessionTerms, seat_id: int) -> int:
    """By position: comparing numbers is cheap, where a table by area id would hash every one of them."""
    for area in terms.areas:
        if area.first_seat_id <= seat_id <= area.last_seat_id:
            return area.price
    raise LookupError(f"position {seat_id} is in no area")


def _document(
    items: list[OrderItem], price: Price, *, is_split: bool, left_alone: list[int]
) -> str:
    """The items in JSON, as the order's row keeps them."""
    if price.redemption is None and price.charges is None and not is_split and not left_alone:
        return msgspec.json.encode(items).decode()  # nearly always: nothing to add
    kept = [
        PlacedItem(
            **msgspec.structs.asdict(item),
            **_costs(price, place),
            split=is_split,
            left_alone=None if place else left_alone or None,
        )
        for place, item in enumerate(items)
    ]
    return msgspec.json.encode(kept).decode()


def _costs(price: Price, place: int) -> dict[str, Any]:
    """What is kept of what an item costs, where that is not its price."""
    if price.charges is not None:
        charges = price.charges[place]
        return {"paid": charges.paid, "kept": charges.kept, "costs": charges.costs}
    return {} if price.redemption is None else {"paid": price.redemption.paid[place]}
