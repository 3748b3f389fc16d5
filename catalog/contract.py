"""What catalog tells other services. Import this and nothing else of catalog.

A session's seats are numbered once for all its areas: `seat_id` is a position, from 1, in the
session's seat string; positions between are row ends and aisles, so ids ascend but have gaps.
A standing area is one row of places.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

Kind = Literal["seated", "standing"]


class AreaTerms(msgspec.Struct, frozen=True):
    """An area's price (minor units) and its range of positions, both ends included."""

    area_id: UUID
    name: str
    kind: Kind
    price: int
    first_seat_id: int
    last_seat_id: int
    capacity: int


class SessionTerms(msgspec.Struct, frozen=True):
    """GET /internal/sessions/{session_id}: on what terms a session sells. 404 when there is none."""

    session_id: UUID
    show_id: UUID
    organizer_id: UUID
    title: str
    venue: str
    city: str
    starts_at: datetime
    time_zone: str
    currency: str
    status: Literal["draft", "published", "cancelled"]
    sale_opens_at: datetime
    sale_closes_at: datetime
    max_tickets_per_user: int
    areas: list[AreaTerms]


class Segment(msgspec.Struct, frozen=True):
    """Seats next to each other: positions first_seat_id … first_seat_id + count - 1."""

    first_seat_id: int
    first_number: int
    count: int


class RowPlan(msgspec.Struct, frozen=True):
    """A row: segments parted by aisles. A standing area's only row has the label ""."""

    label: str
    segments: list[Segment]


class AreaPlan(msgspec.Struct, frozen=True):
    area_id: UUID
    name: str
    rows: list[RowPlan]


class SeatPlan(msgspec.Struct, frozen=True):
    """GET /internal/sessions/{session_id}/plan: immutable once the session is published."""

    session_id: UUID
    length: int  # the highest position
    areas: list[AreaPlan]


class ShowTerms(msgspec.Struct, frozen=True):
    """GET /internal/shows/{show_id}: whose a show is, and the currencies of its sessions. 404 when
    there is none."""

    show_id: UUID
    organizer_id: UUID
    title: str
    currencies: list[str]


SHOW_PATH = "/internal/shows/{show_id}"
SESSION_PATH = "/internal/sessions/{session_id}"
PLAN_PATH = "/internal/sessions/{session_id}/plan"

SUBSCRIBES_TO = (
    "stampede.seats.held.v1",
    "stampede.seats.released.v1",
    "stampede.seats.blocked.v1",
    "stampede.seats.unblocked.v1",
)
