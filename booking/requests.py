"""What booking's routes take, and the checks that types cannot express. All of them are 400."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, get_args
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from booking.domain.order import SEATS_PER_ORDER_MAX
from booking.domain.seating import Seating
from chassis.http.bodies import whole
from chassis.problems import FieldError, ValidationFailed
from contracts.catalog import AreaTerms, SessionTerms

SEAT_ID_MAX = 2**31 - 1

SeatId = Annotated[int, msgspec.Meta(ge=1, le=SEAT_ID_MAX)]


class CreateOrder(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Either `seat_area_id` and `quantity` (the best available), or exactly these `seats`.

    `accessible`: with the best available, that one of them at least is an accessible seat; without it
    there is none among them while there are enough others.
    """

    session_id: UUID
    seat_area_id: UUID | None = None
    quantity: Annotated[int, msgspec.Meta(ge=1, le=SEATS_PER_ORDER_MAX)] | None = None
    seats: (
        Annotated[list[SeatId], msgspec.Meta(min_length=1, max_length=SEATS_PER_ORDER_MAX)] | None
    ) = None
    promo_code: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | UnsetType | None = UNSET
    accessible: bool | UnsetType = (
        UNSET  # left out, the body's hash is what it was before this came
    )

    @property
    def wants_accessible(self) -> bool:
        return self.accessible is True


def check_shape(wanted: CreateOrder) -> None:
    """One of the two forms, and no seat twice. Raises ValidationFailed."""
    best = wanted.seat_area_id is not None and wanted.quantity is not None
    partly = wanted.seat_area_id is not None or wanted.quantity is not None
    if wanted.seats is None and not best:
        missing = "quantity" if wanted.seat_area_id is not None else "seat_area_id"
        text = "give seat_area_id and quantity, or seats"
        raise ValidationFailed(errors=[FieldError(missing, text)])
    if wanted.seats is not None:
        if partly:
            text = "give either seats, or seat_area_id and quantity"
            raise ValidationFailed(errors=[FieldError("seats", text)])
        if wanted.wants_accessible:
            text = "goes with seat_area_id and quantity; of seats picked the seat map says it"
            raise ValidationFailed(errors=[FieldError("accessible", text)])
        refuse_repeated(wanted.seats)


Money = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
Uses = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
Time = Annotated[datetime, msgspec.Meta(tz=True)]


class CreatePromoCode(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`value`: per cent of the order, or off the order in minor units of `currency` (which may be left
    out when the show sells in one only). A limit that is left out is none. Case does not matter."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    kind: Literal["percent", "fixed"]
    value: Money
    currency: Annotated[str, msgspec.Meta(pattern=whole("[A-Z]{3}"))] | None = None
    max_uses: Uses | None = None
    max_uses_per_user: Uses | None = None
    valid_from: Time | None = None
    valid_until: Time | None = None


class ChangePromoCode(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What is left out stays as it is; null takes a limit away."""

    active: bool | UnsetType = UNSET
    max_uses: Uses | UnsetType | None = UNSET
    max_uses_per_user: Uses | UnsetType | None = UNSET
    valid_from: Time | UnsetType | None = UNSET
    valid_until: Time | UnsetType | None = UNSET


class TransferTicket(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`to_email`: the address that the recipient's account has."""

    to_email: Annotated[
        str,
        msgspec.Meta(min_length=3, max_length=320, extra_json_schema={"format": "email"}),
    ]


PaymentMethod = Literal["alipay", "wechat_pay", "card"]
PAYMENT_METHODS: tuple[str, ...] = get_args(PaymentMethod)


class PayOrder(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How to pay, and the provider's token for it."""

    payment_method: PaymentMethod
    payment_token: Annotated[str, msgspec.Meta(pattern=whole("[!-~]{1,255}"))]


# Some words with something to see in them; PostgreSQL cannot hold NUL.
Words = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=500, pattern=whole(r"[\x01-\x20\x7f]*[^\x00-\x20\x7f][^\x00]*")
    ),
]


class RefundOrder(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Why, and which tickets: all that are left of the order when none are named."""

    reason: Words
    ticket_ids: Annotated[list[UUID], msgspec.Meta(max_length=SEATS_PER_ORDER_MAX)] = []


class DecideRefund(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`note` is shown to the buyer. The body may be left out."""

    note: Words | None = None


class CancelSession(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`reason` is told to everybody who has a ticket."""

    reason: Words


SEATS_PER_BLOCK_MAX = 2_000  # a call; a big block is several calls


class SeatList(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The seats to block or to unblock."""

    seats: Annotated[list[SeatId], msgspec.Meta(min_length=1, max_length=SEATS_PER_BLOCK_MAX)]


def refuse_repeated(seats: Sequence[int]) -> None:
    if len(set(seats)) < len(seats):
        raise ValidationFailed(errors=[FieldError("seats", "names a seat twice")])


def refuse_unknown(wanted: CreateOrder, terms: SessionTerms, seating: Seating) -> None:
    """Seats and areas that this session does not have are the caller's mistake: 400. So is asking for
    an accessible seat where everybody stands."""
    if wanted.seats is not None:
        refuse_unknown_seats(wanted.seats, seating)
    elif area_of(terms, wanted.seat_area_id).kind == "standing" and wanted.wants_accessible:
        raise ValidationFailed(errors=[FieldError("accessible", "there are no seats in this area")])


def refuse_unknown_seats(seats: Sequence[int], seating: Seating) -> None:
    unknown = set(seating.unknown(seats))
    errors = [
        FieldError(f"seats.{place}", "is no seat of this session")
        for place, seat_id in enumerate(seats)
        if seat_id in unknown
    ]
    if errors:
        raise ValidationFailed(errors=errors)


def area_of(terms: SessionTerms, area_id: UUID | None) -> AreaTerms:
    for area in terms.areas:
        if area.area_id == area_id:
            return area
    raise ValidationFailed(errors=[FieldError("seat_area_id", "is no area of this session")])
