"""Request and answer bodies of shows, sessions and venues (API.md).

Input structs refuse unknown fields.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from catalog.bounds import LINE, PRICE_MAX
from catalog.domain.sales import SaleState, SaleStatus
from catalog.prices.wire import (
    AreaCategory,
    CategoryAnswer,
    Fee,
    Fees,
    PriceCategories,
    Tax,
    Taxes,
)
from chassis.http.bodies import full_match
from contracts.catalog import Kind, RefundPolicy

SEATS_A_ROW_MAX = 500
SEATS_A_SESSION_MAX = 200_000
AREAS_MAX = 500
ROWS_AN_AREA_MAX = 2000
TICKETS_PER_USER_MAX = 100
TICKETS_PER_USER_DEFAULT = 6

_PROSE = full_match(r"[^\x00]*")
_WEB_URL = full_match(r"https?://[^\s\x00-\x1f\x7f<>\"\\/?#@]+([/?#][^\s\x00-\x1f\x7f<>\"\\]*)?")

Name = Annotated[str, Meta(min_length=1, max_length=200, pattern=LINE)]
City = Annotated[str, Meta(min_length=1, max_length=100, pattern=LINE)]
Address = Annotated[str, Meta(max_length=500, pattern=_PROSE)]
TimeZone = Annotated[str, Meta(min_length=1, max_length=64, description="IANA time zone name.")]
Category = Annotated[str, Meta(min_length=1, max_length=50, pattern=LINE)]
Description = Annotated[str, Meta(max_length=20_000, pattern=_PROSE)]
PosterUrl = Annotated[str, Meta(max_length=2000, pattern=_WEB_URL)]
Time = Annotated[datetime, Meta(tz=True)]
SeatNumber = Annotated[int, Meta(ge=1, le=SEATS_A_ROW_MAX)]
TicketsPerUser = Annotated[int, Meta(ge=1, le=TICKETS_PER_USER_MAX)]
Currency = Annotated[str, Meta(min_length=3, max_length=3, description="ISO 4217 currency code.")]


class CreateVenue(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    name: Name
    city: City
    address: Address = ""
    time_zone: TimeZone


class ChangeVenue(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Fields that are left out stay unchanged. The time zone may change until a session at this venue is
    published."""

    name: Name | UnsetType = UNSET
    city: City | UnsetType = UNSET
    address: Address | UnsetType = UNSET
    time_zone: TimeZone | UnsetType = UNSET


class RefundTerms(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A whole policy: fields that are left out get their default. `fee` is per ticket: whole per cent of
    its price, or minor units. `until_hours`: how long before the session refunds end."""

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
    """Fields that are left out stay unchanged. The venue may change until the show has its first
    session."""

    title: Name | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    venue_id: UUID | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    poster_url: PosterUrl | UnsetType | None = UNSET
    refund_policy: RefundTerms | UnsetType = UNSET


class RowOfSeats(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Seats are numbered from 1. `aisles`: the seats that an aisle follows. `accessible`: the accessible
    seats."""

    label: Annotated[str, Meta(min_length=1, max_length=20, pattern=LINE)]
    seats: SeatNumber
    aisles: Annotated[list[SeatNumber], Meta(max_length=20)] = []
    accessible: Annotated[list[SeatNumber], Meta(max_length=SEATS_A_ROW_MAX)] = []


class AreaOfSeats(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A seated area has rows, a standing area has a capacity. `price` is in the currency's minor unit."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=LINE)]
    kind: Literal["seated", "standing"]
    price: Annotated[int, Meta(ge=0, le=PRICE_MAX)]
    rows: Annotated[list[RowOfSeats], Meta(max_length=ROWS_AN_AREA_MAX)] | None = None
    capacity: Annotated[int, Meta(ge=1, le=SEATS_A_SESSION_MAX)] | None = None


class SectionPrice(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What a seat in a section of a plan costs, in the currency's minor unit. `section`: its key."""

    section: Annotated[str, Meta(min_length=1, max_length=100)]
    price: Annotated[int, Meta(ge=0, le=PRICE_MAX)]


Areas = Annotated[list[AreaOfSeats], Meta(min_length=1, max_length=AREAS_MAX)]
Prices = Annotated[list[SectionPrice], Meta(min_length=1, max_length=AREAS_MAX)]


class CreateSession(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Seats are given by `areas`, or by a plan of the show's venue with a price for each of its sections.
    `refuse_single_seats`: refuse a choice of seats that leaves a single one."""

    starts_at: Time
    sale_opens_at: Time
    sale_closes_at: Time
    currency: Currency
    max_tickets_per_user: TicketsPerUser = TICKETS_PER_USER_DEFAULT
    areas: Areas | UnsetType = UNSET
    plan_id: UUID | UnsetType = UNSET
    prices: Prices | UnsetType = UNSET
    refuse_single_seats: bool | UnsetType = UNSET
    price_categories: PriceCategories | UnsetType = UNSET
    fees: Fees | UnsetType = UNSET
    taxes: Taxes | UnsetType = UNSET


class ChangeSession(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Fields that are left out stay unchanged. A draft may change in everything. Once published, only the
    end of the sale may change. `areas`, or `plan_id` with `prices`, replace the whole plan, with new ids for
    areas and seats. `prices` alone are those of the plan that it has a copy of."""

    starts_at: Time | UnsetType = UNSET
    sale_opens_at: Time | UnsetType = UNSET
    sale_closes_at: Time | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    max_tickets_per_user: TicketsPerUser | UnsetType = UNSET
    areas: Areas | UnsetType = UNSET
    plan_id: UUID | UnsetType = UNSET
    prices: Prices | UnsetType = UNSET
    refuse_single_seats: bool | UnsetType = UNSET
    price_categories: PriceCategories | UnsetType = UNSET
    fees: Fees | UnsetType = UNSET
    taxes: Taxes | UnsetType = UNSET


class Nothing(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """An optional body without fields."""


class Venue(msgspec.Struct, frozen=True):
    venue_id: UUID
    name: str
    city: str
    address: str
    time_zone: str


class VenueList(msgspec.Struct, frozen=True):
    venues: list[Venue]
    page: int
    page_size: int
    total: int


class SeatArea(msgspec.Struct, frozen=True, omit_defaults=True):
    """`available` follows bookings within about a second. Booking decides which seats are free.

    `price`: of the ticket alone, in the first category. `total_price`: what an order of one costs, with the
    fees that its buyer bears. `categories`: both for each category that the area is sold in, if the session
    has any. `level`: the name of its level, and `entrance`: the door to go to, where the plan says so.
    """

    area_id: UUID
    name: str
    kind: Kind
    price: int
    currency: str
    capacity: int
    available: int
    total_price: int
    categories: list[AreaCategory] = []
    level: str | None = None
    entrance: str | None = None


class Session(msgspec.Struct, frozen=True, omit_defaults=True):
    """A performance. `status` is by the database's clock at the time of the answer. `paused`: its sale
    stands still for a moment, and goes on by itself. `refuse_single_seats`: whether a choice of seats that
    leaves a single one is refused.

    `price_categories`, `fees` and `taxes` are there if it has any. Fees that the organizer bears are shown to
    the organizer only.
    """

    session_id: UUID
    show_id: UUID
    date: datetime
    time_zone: str
    sale_opens_at: datetime
    sale_closes_at: datetime
    status: SaleStatus
    currency: str
    max_tickets_per_user: int
    paused: bool
    refuse_single_seats: bool
    seat_areas: list[SeatArea]
    price_categories: list[CategoryAnswer] = []
    fees: list[Fee] = []
    taxes: list[Tax] = []


class SessionList(msgspec.Struct, frozen=True):
    sessions: list[Session]


class ShowSummary(msgspec.Struct, frozen=True):
    """A show in a list.

    `date`: when its next session starts, null if all have started. `time_zone`: the venue's.
    `price_from`: the lowest price of its published sessions, in their first category and with all fees: the
    lowest `total_price` of an area.
    `on_sale`: true if seats of some session can be bought now.
    `sale_state`: `open` if so, else `upcoming` if a sale is still to come, else `sold_out` if a sale
    runs, else `closed`.
    `sale_opens_at`: when the next sale opens, null if none is to come.
    `sale_closes_at`: when the last of the running sales ends, null if none runs.
    """

    show_id: UUID
    title: str
    category: str
    city: str
    venue: str
    date: datetime | None
    time_zone: str
    price_from: int | None
    currency: str | None
    on_sale: bool
    sale_state: SaleState
    sale_opens_at: datetime | None
    sale_closes_at: datetime | None
    poster_url: str | None


class ShowList(msgspec.Struct, frozen=True):
    shows: list[ShowSummary]
    page: int
    page_size: int
    total: int


class Show(ShowSummary, frozen=True):
    """A show with its sessions. `venue` is the venue's name, as in lists."""

    description: str
    address: str
    venue_id: UUID
    sessions: list[Session]
    refund_policy: RefundPolicy
