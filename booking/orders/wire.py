"""Orders in bodies: what is ordered, checks that types cannot express (400), what is answered (API.md)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from booking.domain.order import SEATS_PER_ORDER_MAX, OrderStatus
from booking.orders.records import LastPayment, Order, Place
from booking.prices.choosing import CategoryChoices
from booking.seats.wire import SeatId, refuse_repeated
from chassis.clock import second, whole_second
from chassis.http.bodies import decode
from chassis.problems import FieldError, ValidationFailed
from contracts.booking import IssuedTicket, OrderItem
from contracts.receipts import Breakdown, breakdown_of

Amount = Annotated[int, msgspec.Meta(ge=0, le=10**15)]  # minor units


class OrderAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order. Amounts in minor units of `currency`; `tickets` when it has been paid; `payment`, where
    one order is read, is the last that was begun: `failed` says that it may be paid another way.

    `total_amount` is what is to be paid. With a promo code it is `original_amount`, what the order would
    cost without the code, less `discount`. `breakdown` is there where fees or taxes are part of it.
    `note`, when there is one, is to be shown before paying: `split`, the best seats that were left for the
    group are not all together. (`only_accessible_left` is on orders from before November 2026: some of their
    seats are accessible ones, though none were asked for.) `hint`, when an order is placed: what the picked
    seats could be better by.

    Once it has been paid, `tickets_left` are still the buyer's own, and of `total_amount`
    `refunded_amount` goes back or has gone; `refund_cause` (`buyer` or `session_cancelled`) says why.
    `places`, where one order is read, is what has become of each seat. `session_cancelled`: the session
    will not be played.
    """

    order_id: UUID
    order_no: str
    session_id: UUID
    status: str
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    items: list[OrderItem]
    total_amount: int
    currency: str
    created_at: datetime
    expires_at: datetime
    note: Literal["split", "only_accessible_left"] | None = None
    hint: "HintAnswer | None" = None
    paid_at: datetime | None = None
    cancel_reason: str | None = None
    promo_code: str | None = None
    original_amount: int | None = None
    discount: int | None = None
    tickets: list[IssuedTicket] = []
    payment: "PaymentAnswer | None" = None
    tickets_left: int | None = None
    refunded_amount: int | None = None
    refund_cause: str | None = None
    places: "list[PlaceAnswer]" = []
    session_cancelled: "CancelledAnswer | None" = None
    breakdown: Breakdown | None = None


class HintAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`single-seat-left`: beside the picked seats these single free ones are left, which few will buy."""

    code: Literal["single-seat-left"]
    seats: list[int]


class PlaceAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A seat of a paid order. status: `valid`, `checked_in`, `given` (to `given_to`, an address all but
    masked), `refund_requested` (the organizer has to say), `refunded`; `since`: when it became so.
    `paid`: what its buyer paid for it. `ticket_id`: while it is the buyer's own.
    """

    seat_id: int
    status: Literal["valid", "checked_in", "given", "refund_requested", "refunded"]
    paid: int
    ticket_id: UUID | None = None
    given_to: str | None = None
    since: datetime | None = None


class CancelledAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`reason`: in the organizer's words."""

    reason: str
    cancelled_at: datetime


class OrderPage(msgspec.Struct, frozen=True, kw_only=True):
    """`next_cursor` goes on where this page ends; null after the last one."""

    orders: list[OrderAnswer]
    page: int
    page_size: int
    total: int
    next_cursor: str | None


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True):
    event_id: UUID
    type: str
    time: datetime
    request_id: str
    data: dict[str, Any]


class OrderHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first. `next_cursor` goes on where this page ends; null after the last one."""

    events: list[OrderEvent]
    next_cursor: str | None


class PaymentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    payment_id: UUID
    payment_method: str
    status: str


def order_answer(
    order: Order,
    *,
    tickets: list[IssuedTicket] | None = None,
    places: Sequence[Place] = (),
    as_created: bool = False,
) -> OrderAnswer:
    """The order as it reads now, or as it was answered when it was created."""
    return OrderAnswer(
        order_id=order.order_id,
        order_no=order.order_no,
        session_id=order.session_id,
        status=(OrderStatus.PENDING_PAYMENT if as_created else order.status).value,
        title=order.title,
        venue=order.venue,
        starts_at=whole_second(order.starts_at),
        time_zone=order.time_zone,
        items=order.items,
        total_amount=order.total_amount,
        currency=order.currency,
        created_at=whole_second(order.created_at),
        expires_at=whole_second(order.expires_at),
        note=_note_of(order),
        hint=HintAnswer(code="single-seat-left", seats=left)
        if (left := order.left_alone)
        else None,
        paid_at=None if as_created or order.paid_at is None else whole_second(order.paid_at),
        cancel_reason=None if as_created else order.cancel_reason,
        promo_code=order.promo_code,
        original_amount=None if order.discount is None else order.total_amount + order.discount,
        discount=order.discount,
        tickets=tickets or [],
        payment=None if as_created else _payment_answer(order.payment),
        tickets_left=order.tickets_left,
        refunded_amount=order.refunded_amount,
        refund_cause=order.refund_cause,
        places=[_place_answer(place) for place in places],
        session_cancelled=_cancelled_answer(order),
        breakdown=_breakdown(order),
    )


def _breakdown(order: Order) -> Breakdown | None:
    if any(item.fees or item.tax for item in order.items):
        return breakdown_of(order.items, order.total_amount)
    return None


def _note_of(order: Order) -> Literal["split", "only_accessible_left"] | None:
    if order.is_split:
        return "split"
    return "only_accessible_left" if order.only_accessible_left else None


def _place_answer(place: Place) -> PlaceAnswer:
    return PlaceAnswer(
        seat_id=place.seat_id,
        status=place.status,
        paid=place.paid,
        ticket_id=place.ticket_id,
        given_to=place.given_to,
        since=second(place.since),
    )


def _cancelled_answer(order: Order) -> CancelledAnswer | None:
    if order.session_cancelled_for is None or order.session_cancelled_at is None:
        return None
    moment = whole_second(order.session_cancelled_at)
    return CancelledAnswer(reason=order.session_cancelled_for, cancelled_at=moment)


def _payment_answer(payment: LastPayment | None) -> PaymentAnswer | None:
    """Whether the provider was asked yet is nothing that a buyer could act on."""
    if payment is None:
        return None
    status = "processing" if payment.state == "created" else payment.state
    return PaymentAnswer(
        payment_id=payment.payment_id, payment_method=payment.method, status=status
    )


class CreateOrder(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Exactly these `seats`; or the best `quantity` seats of an area (`seat_area_id`), of all areas at a
    price (`price`), or of all areas up to a price (`price_max`; in minor units).

    With the best seats, `accessible` says how many of them are accessible seats (true: one); the others
    are beside them, in companions' seats where there are any. Without it none of them is accessible or a
    companion's. `two_rows`: rather in two rows, one behind the other, than apart. A group that cannot be
    together is split, and the order's `note` says so.

    `categories`: how many tickets are of which price category, as many in all as are ordered. Of `seats` the
    first so many are of the first one, and so on. Left out, all are of the session's first category.
    """

    session_id: UUID
    seat_area_id: UUID | None = None
    quantity: Annotated[int, msgspec.Meta(ge=1, le=SEATS_PER_ORDER_MAX)] | None = None
    seats: (
        Annotated[list[SeatId], msgspec.Meta(min_length=1, max_length=SEATS_PER_ORDER_MAX)] | None
    ) = None
    promo_code: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | UnsetType | None = UNSET
    # left out, the body's hash is what it was before these came
    accessible: bool | Annotated[int, msgspec.Meta(ge=0, le=SEATS_PER_ORDER_MAX)] | UnsetType = (
        UNSET
    )
    categories: CategoryChoices | UnsetType = UNSET
    price: Amount | UnsetType = UNSET
    price_max: Amount | UnsetType = UNSET
    two_rows: bool | UnsetType = UNSET

    @property
    def accessible_seats(self) -> int:
        return int(self.accessible) if self.accessible is not UNSET else 0

    @property
    def may_take_two_rows(self) -> bool:
        return self.two_rows is True


def parse_order(body: bytes) -> CreateOrder:
    """An order of one of the forms, with no seat named twice. Raises ValidationFailed."""
    wanted = decode(CreateOrder, body)
    wheres = []
    if wanted.seat_area_id is not None:
        wheres.append("seat_area_id")
    if wanted.price is not UNSET:
        wheres.append("price")
    if wanted.price_max is not UNSET:
        wheres.append("price_max")
    if wanted.seats is None:
        _refuse_unclear(wanted, wheres)
        return wanted
    if wheres or wanted.quantity is not None:
        raise _invalid("seats", "give either seats, or quantity and where they may be")
    if wanted.accessible_seats:
        text = "goes with quantity; of seats picked the seat map says it"
        raise _invalid("accessible", text)
    if wanted.may_take_two_rows:
        raise _invalid("two_rows", "goes with quantity, not with seats")
    refuse_repeated(wanted.seats)
    return wanted


def _refuse_unclear(wanted: CreateOrder, wheres: Sequence[str]) -> None:
    """Refuses what the best seats cannot be found for."""
    if not wheres:
        raise _invalid(
            "seat_area_id", "give quantity and seat_area_id, price or price_max; or seats"
        )
    if len(wheres) > 1:
        raise _invalid(wheres[1], f"give either {wheres[0]} or {wheres[1]}")
    if wanted.quantity is None:
        raise _invalid("quantity", f"goes with {wheres[0]}")
    if wanted.accessible_seats > wanted.quantity:
        raise _invalid("accessible", "must be at most quantity")
    if wanted.accessible_seats and wanted.may_take_two_rows:
        raise _invalid("two_rows", "does not go with accessible")


def _invalid(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(errors=[FieldError(field, message)])
