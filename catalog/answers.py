"""What catalog answers with: the wire form of API.md. Prices in the currency's minor unit, times UTC."""

from datetime import datetime
from uuid import UUID

import msgspec

from catalog.domain.sales import SaleState, SaleStatus
from contracts.catalog import Kind, RefundPolicy


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
    """`date`: when its next session starts, null when all have started; `time_zone` is the venue's.
    `price_from`: the lowest price of its published sessions. `on_sale`: seats of some session can be
    bought now. `sale_state`: `open` when that is so, else `upcoming` when a sale is still to come, else
    `sold_out` while one runs, else `closed`. `sale_opens_at`: when the next sale opens, null when none
    is to come. `sale_closes_at`: when the last of the sales that run now ends, null when none runs."""

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
    """A show with everything. `venue` is the venue's name, as in lists."""

    description: str
    address: str
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
