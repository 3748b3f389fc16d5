"""What booking's routes answer with (API.md), and how records become that."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from booking.domain.order import OrderStatus
from booking.store.records import LastPayment, Order, Place, second, whole_second
from contracts.booking import IssuedTicket, OrderItem


class OrderAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order. Amounts in minor units of `currency`; `tickets` when it has been paid; `payment`, where
    one order is read, is the last that was begun: `failed` says that it may be paid another way.

    `total_amount` is what is to be paid. With a promo code it is `original_amount`, what the items
    cost, less `discount`. `note`, when there is one, is to be shown before paying:
    `only_accessible_left`, no ordinary seats were left and some of these are accessible ones, though
    none were asked for.

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
    note: Literal["only_accessible_left"] | None = None
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


class PaymentOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How an order is paid here. `test_tokens`: what `payment_token` may be where no money moves, one for
    each way that a payment can end; empty where it does."""

    provider: str
    payment_methods: list[str]
    test_tokens: list[str]


class PayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`paid` with tickets, or `pending_payment` while the provider has yet to answer."""

    order_id: UUID
    status: Literal["paid", "pending_payment"]
    tickets: list[IssuedTicket]
    payment: PaymentAnswer


class TicketAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is what the QR picture holds; `qr_code`, `pdf` and `calendar` are URLs of the picture, of
    the page to print and of the calendar entry, and open without logging in.

    `given_to` and `received_from`: who has it now, and who gave it, by address, all but masked; null
    too where a ticket changed hands before such were kept. `session_cancelled_for`: why its session
    will not be played.
    """

    ticket_id: UUID
    order_id: UUID
    session_id: UUID
    status: str
    void_reason: str | None
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    seat_id: int
    area: str
    row: str
    number: int
    code: str
    qr_code: str
    pdf: str
    calendar: str
    checked_in_at: datetime | None
    given_to: str | None
    given_at: datetime | None
    received_from: str | None
    received_at: datetime | None
    session_cancelled_for: str | None


class TicketPage(msgspec.Struct, frozen=True, kw_only=True):
    tickets: list[TicketAnswer]
    page: int
    page_size: int
    total: int


class TransferAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`ticket_id` is void from now on; `new_ticket_id` is the recipient's, who alone can read it."""

    transfer_id: UUID
    status: Literal["transferred"]
    ticket_id: UUID
    new_ticket_id: UUID
    session_id: UUID
    seat_id: int
    area: str
    row: str
    number: int
    transferred_at: datetime
    given_to: str


class PromoCodeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`value`: per cent, or minor units of `currency`. `uses`: by orders that live, paid or not."""

    promo_code_id: UUID
    show_id: UUID
    code: str
    kind: Literal["percent", "fixed"]
    value: int
    currency: str | None
    max_uses: int | None
    max_uses_per_user: int | None
    valid_from: datetime | None
    valid_until: datetime | None
    active: bool
    uses: int
    created_at: datetime


class PromoCodePage(msgspec.Struct, frozen=True, kw_only=True):
    promo_codes: list[PromoCodeAnswer]
    page: int
    page_size: int
    total: int


class SeatsBlocked(msgspec.Struct, frozen=True, kw_only=True):
    """`seats` as asked; `changed`: how many of them were not so before."""

    session_id: UUID
    seats: list[int]
    changed: int


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
        note="only_accessible_left" if order.only_accessible_left else None,
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
    )


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
