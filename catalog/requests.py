"""What organizers send. Types and bounds of single fields; catalog.checks has the rules between them.

Every struct is a whole body or a part of one: a field that we do not know is an error.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chassis.http.bodies import OFF_LINE, whole

PRICE_MAX = 10**10  # minor units
SEATS_A_ROW_MAX = 500
SEATS_A_SESSION_MAX = 200_000
AREAS_MAX = 500
ROWS_AN_AREA_MAX = 2000
TICKETS_PER_USER_MAX = 100
TICKETS_PER_USER_DEFAULT = 6

# One line with something to see in it; PostgreSQL cannot hold NUL, and a title with a line break
# would forge a line wherever it is shown.
_LINE = whole(rf"\x20*[^{OFF_LINE}\x20][^{OFF_LINE}]*")
_PROSE = whole(r"[^\x00]*")
_WEB_URL = whole(r"https?://[^\s\x00-\x1f\x7f<>\"\\/?#@]+([/?#][^\s\x00-\x1f\x7f<>\"\\]*)?")

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=_LINE)]
City = Annotated[str, Meta(min_length=1, max_length=100, pattern=_LINE)]
Address = Annotated[str, Meta(max_length=500, pattern=_PROSE)]
TimeZone = Annotated[str, Meta(min_length=1, max_length=64, description="IANA name.")]
Category = Annotated[str, Meta(min_length=1, max_length=50, pattern=_LINE)]
Description = Annotated[str, Meta(max_length=20_000, pattern=_PROSE)]
PosterUrl = Annotated[str, Meta(max_length=2000, pattern=_WEB_URL)]
Time = Annotated[datetime, Meta(tz=True)]
SeatNumber = Annotated[int, Meta(ge=1, le=SEATS_A_ROW_MAX)]
TicketsPerUser = Annotated[int, Meta(ge=1, le=TICKETS_PER_USER_MAX)]
Currency = Annotated[str, Meta(min_length=3, max_length=3, description="ISO 4217.")]


class CreateVenue(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    name: Name
    city: City
    address: Address = ""
    time_zone: TimeZone


class ChangeVenue(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Only what is sent changes. The time zone may change until a session there is published."""

    name: Name | UnsetType = UNSET
    city: City | UnsetType = UNSET
    address: Address | UnsetType = UNSET
    time_zone: TimeZone | UnsetType = UNSET


class RefundTerms(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A whole policy: what is left out is as by default. `fee`, of each ticket: whole per cent of what
    it cost, or minor units. `until_hours`: before the session begins."""

    refundable: bool = True
    until_hours: Annotated[int, Meta(ge=0, le=8760)] = 24
    fee_kind: Literal["none", "percent", "fixed"] = "none"
    fee: Annotated[int, Meta(ge=0, le=PRICE_MAX)] = 0
    approval: Literal["automatic", "organizer"] = "automatic"


class CreateShow(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    title: Name
    category: Category
    venue_id: UUID
    description: Description = ""
    poster_url: PosterUrl | None = None
    refund_policy: RefundTerms = RefundTerms()


class ChangeShow(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Only what is sent changes. The venue may change until the show has its first session."""

    title: Name | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    venue_id: UUID | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    poster_url: PosterUrl | UnsetType | None = UNSET
    refund_policy: RefundTerms | UnsetType = UNSET


class RowOfSeats(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Seats are numbered from 1. `aisles`: after which seats; `accessible`: which seats."""

    label: Annotated[str, Meta(min_length=1, max_length=20, pattern=_LINE)]
    seats: SeatNumber
    aisles: Annotated[list[SeatNumber], Meta(max_length=20)] = []
    accessible: Annotated[list[SeatNumber], Meta(max_length=SEATS_A_ROW_MAX)] = []


class AreaOfSeats(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A seated area has rows, a standing one a capacity. `price` in the currency's minor unit."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=_LINE)]
    kind: Literal["seated", "standing"]
    price: Annotated[int, Meta(ge=0, le=PRICE_MAX)]
    rows: Annotated[list[RowOfSeats], Meta(max_length=ROWS_AN_AREA_MAX)] | None = None
    capacity: Annotated[int, Meta(ge=1, le=SEATS_A_SESSION_MAX)] | None = None


Areas = Annotated[list[AreaOfSeats], Meta(min_length=1, max_length=AREAS_MAX)]


class CreateSession(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    starts_at: Time
    sale_opens_at: Time
    sale_closes_at: Time
    currency: Currency
    max_tickets_per_user: TicketsPerUser = TICKETS_PER_USER_DEFAULT
    areas: Areas


class ChangeSession(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Only what is sent changes: everything while in draft, once published only the end of the sale.
    `areas` replace the whole plan; its areas and seats have new ids then."""

    starts_at: Time | UnsetType = UNSET
    sale_opens_at: Time | UnsetType = UNSET
    sale_closes_at: Time | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    max_tickets_per_user: TicketsPerUser | UnsetType = UNSET
    areas: Areas | UnsetType = UNSET


class Nothing(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A body that may be left out, and says nothing when it is there."""
