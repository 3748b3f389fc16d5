"""What other services may know of catalog. Import nothing else of catalog.

A session's seats are numbered once for all its areas. `seat_id` is a position in the session's seat
string, starting at 1. Row ends and aisles also take positions, so ids ascend with gaps. A standing area
is one row of places.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from contracts.halls import Course
from contracts.prices import PriceTerms

Kind = Literal["seated", "standing"]
TERMS_LOOKUPS_MAX = 200


class AreaTerms(msgspec.Struct, frozen=True):
    """An area's price (minor units) and its range of positions, both ends included."""

    area_id: UUID
    name: str
    kind: Kind
    price: int
    first_seat_id: int
    last_seat_id: int
    capacity: int


class RefundPolicy(msgspec.Struct, frozen=True):
    """The terms on which a show's tickets are refunded.

    until_hours: how long before the session refunds end.
    fee: per ticket, in whole per cent of its price or in minor units of the session's currency.
    approval: whether a request within these terms is approved at once or waits for the organizer.
    """

    refundable: bool = True
    until_hours: int = 24
    fee_kind: Literal["none", "percent", "fixed"] = "none"
    fee: int = 0
    approval: Literal["automatic", "organizer"] = "automatic"


class SessionTerms(msgspec.Struct, frozen=True):
    """GET /internal/sessions/{session_id}: the terms on which a session sells. 404 if there is none.

    refuse_single_seats: whether a choice of seats that leaves a single one is refused.
    prices: categories, fees and taxes. None: an area's price is all there is.
    """

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
    refund_policy: RefundPolicy = RefundPolicy()
    refuse_single_seats: bool = False
    prices: PriceTerms | None = None


class TermsLookup(msgspec.Struct, frozen=True):
    """A session to look up, and the request that needs it: the read is logged under this request."""

    session_id: UUID
    request_id: str
    span: str


class TermsLookups(msgspec.Struct, frozen=True):
    """POST /internal/sessions/lookup: many sessions in one call, at most TERMS_LOOKUPS_MAX."""

    lookups: Annotated[list[TermsLookup], msgspec.Meta(min_length=1, max_length=TERMS_LOOKUPS_MAX)]


class TermsFound(msgspec.Struct, frozen=True):
    """One per session asked for, in the same order. null where there is no such session."""

    sessions: list[SessionTerms | None]


class Segment(msgspec.Struct, frozen=True, omit_defaults=True):
    """Adjacent seats: positions first_seat_id … first_seat_id + count - 1.

    Their printed numbers are first_number, first_number + step, …, or `numbers` where these are no such
    sequence. course: where they are; None in a standing area.
    """

    first_seat_id: int
    first_number: int
    count: int
    step: int = 1
    numbers: list[int] | None = None
    course: Course | None = None


class RowPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row: segments with aisles between them. The only row of a standing area has the label "".

    Seats are named by their printed numbers, which are unique in a row. accessible: wheelchair places.
    companions: pairs of a companion's seat and the accessible seat that it belongs to. restricted: seats with
    a restricted view. blocked: seats that are never for sale. house: seats that the house keeps back. whole:
    a table or box that is sold as a whole. catalog counts blocked and house seats as taken from the start, so
    no event may tell of them.
    """

    label: str
    segments: list[Segment]
    accessible: list[int] = []
    companions: list[tuple[int, int]] = []
    restricted: list[int] = []
    blocked: list[int] = []
    house: list[int] = []
    whole: bool = False


class AreaPlan(msgspec.Struct, frozen=True):
    area_id: UUID
    name: str
    rows: list[RowPlan]


class SeatPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """GET /internal/sessions/{session_id}/plan: immutable once the session is published.

    focal_point: what the audience looks at. facing: from where the stage is seen from the front, in degrees;
    None in the round.
    """

    session_id: UUID
    length: int  # the highest position
    areas: list[AreaPlan]
    focal_point: tuple[float, float] = (0.0, 0.0)
    facing: float | None = 90.0


class ShowTerms(msgspec.Struct, frozen=True):
    """GET /internal/shows/{show_id}: a show's owner, and the currencies of its sessions. 404 if there is
    none."""

    show_id: UUID
    organizer_id: UUID
    title: str
    currencies: list[str]


SHOW_PATH = "/internal/shows/{show_id}"
SESSION_PATH = "/internal/sessions/{session_id}"
TERMS_LOOKUP_PATH = "/internal/sessions/lookup"
PLAN_PATH = "/internal/sessions/{session_id}/plan"
# POST, 204; calling it again changes nothing; see booking
CANCEL_PATH = "/internal/sessions/{session_id}/cancel"

SUBSCRIBES_TO = (
    "stampede.seats.held.v1",
    "stampede.seats.released.v1",
    "stampede.seats.blocked.v1",
    "stampede.seats.unblocked.v1",
    "stampede.sale.changed.v1",
)
