"""What catalog answers with: the wire form of API.md. Prices in the currency's minor unit, times UTC."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from catalog.contract import Kind, RefundPolicy

SaleStatus = Literal["draft", "scheduled", "on_sale", "sold_out", "closed", "cancelled"]


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


class SeatArea(msgspec.Struct, frozen=True):
    """`available` follows bookings by a second or so; the seats themselves are booking's to tell."""

    area_id: UUID
    name: str
    kind: Kind
    price: int
    currency: str
    capacity: int
    available: int


class Session(msgspec.Struct, frozen=True):
    """A performance. `status` is by the database's clock when the answer was made."""

    session_id: UUID
    show_id: UUID
    date: datetime
    time_zone: str
    sale_opens_at: datetime
    sale_closes_at: datetime
    status: SaleStatus
    currency: str
    max_tickets_per_user: int
    seat_areas: list[SeatArea]


class SessionList(msgspec.Struct, frozen=True):
    sessions: list[Session]


class ShowSummary(msgspec.Struct, frozen=True):
    """`date`: when its next session starts, null when all have started. `price_from`: the lowest
    price of its published sessions. `on_sale`: seats of some session can be bought now."""

    show_id: UUID
    title: str
    category: str
    city: str
    venue: str
    date: datetime | None
    price_from: int | None
    currency: str | None
    on_sale: bool
    poster_url: str | None


class ShowList(msgspec.Struct, frozen=True):
    shows: list[ShowSummary]
    page: int
    page_size: int
    total: int


class Show(ShowSummary, frozen=True):
    """A show with everything. `venue` is the venue's name, as in lists."""

    description: str
    address: str
    time_zone: str
    venue_id: UUID
    sessions: list[Session]
    refund_policy: RefundPolicy


class Seat(msgspec.Struct, frozen=True):
    """x and y in units of one seat, the stage above y = 0."""

    seat_id: int
    row: str
    number: int
    x: float
    y: float
    accessible: bool


class SeatRow(msgspec.Struct, frozen=True):
    label: str
    seats: list[Seat]


class AreaMap(msgspec.Struct, frozen=True):
    """x, y, width, height: the area's rectangle in the hall."""

    area_id: UUID
    name: str
    kind: Kind
    price: int
    currency: str
    x: float
    y: float
    width: float
    height: float
    rows: list[SeatRow]


class SeatMap(msgspec.Struct, frozen=True):
    """Seats in seat_id order throughout: the n-th seat here is the n-th character of the live state."""

    session_id: UUID
    seat_count: int
    width: float
    height: float
    areas: list[AreaMap]
