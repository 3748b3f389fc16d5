"""The plan document, version 1: what an organizer writes, imports and exports. docs/halls.md describes
it.

Types say what a field may hold; rules between fields are in checks.py. Seats and rows are counted and
named as the audience sees them: left is the left hand of somebody who looks at the stage from their
seat.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from chassis.http.bodies import LINE_BREAKING_CHARACTERS, full_match

VERSION = 1
SECTIONS_MAX = 500
SEATS_MAX = 200_000
SEATS_A_ROW_MAX = 500
ROWS_A_BLOCK_MAX = 500
BLOCKS_A_SECTION_MAX = 2_000
TABLES_A_SECTION_MAX = 1_000
SEATS_A_TABLE_MAX = 50
PROPERTIES_A_SECTION_MAX = 10_000
AISLES_A_BLOCK_MAX = 20
LEVELS_MAX = 20
CORNERS_MAX = 200
CORNERS_A_PLAN_MAX = 20_000
MARKED_SEATS_MAX = 1_000_000  # seats that properties name, counted each time
SEAT_DISTANCE_MIN = 0.75  # between the centres of any two seats
COORDINATE_MAX = 5_000.0  # 2.5 km
NUMBER_MAX = 100_000
# Seats are drawn one unit wide; some are a little closer.
SPACING_MIN, SPACING_MAX = 0.8, 20.0
ROW_SPACING = 1.6  # 0.8 m

_LINE = full_match(rf"\x20*[^{LINE_BREAKING_CHARACTERS}\x20][^{LINE_BREAKING_CHARACTERS}]*")

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=_LINE)]
Text = Annotated[str, Meta(min_length=1, max_length=200, pattern=_LINE)]
Key = Annotated[str, Meta(min_length=1, max_length=64, pattern=_LINE)]
Label = Annotated[str, Meta(min_length=1, max_length=20, pattern=_LINE)]
Coordinate = Annotated[float, Meta(ge=-COORDINATE_MAX, le=COORDINATE_MAX)]
Angle = Annotated[
    float, Meta(ge=-720, le=720, description="Degrees, from the x axis to the y axis.")
]
Spacing = Annotated[float, Meta(ge=SPACING_MIN, le=SPACING_MAX)]
Place = tuple[Coordinate, Coordinate]
Corners = Annotated[list[Place], Meta(min_length=3, max_length=CORNERS_MAX)]
Number = Annotated[int, Meta(ge=1, le=NUMBER_MAX)]
SeatCount = Annotated[int, Meta(ge=1, le=SEATS_A_ROW_MAX)]


class _Part(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Unknown fields are an error; fields with their default are left out of what we write."""


class Stage(_Part, frozen=True, kw_only=True):
    """What the audience looks at. outline: one corner for a point, two for a line, else a polygon's.

    kind decides how the stage faces the audience where the document does not say: `round` to all sides,
    the others towards larger y.
    """

    kind: Literal["end", "thrust", "round", "point", "line", "polygon"] = "end"
    outline: Annotated[list[Place], Meta(min_length=1, max_length=CORNERS_MAX)]
    label: Name | None = None


class Level(_Part, frozen=True, kw_only=True):
    """A storey: stalls, circle, upper tier."""

    key: Key
    name: Name


class LabelRule(_Part, frozen=True, kw_only=True):
    """Labels of a block's rows: 1, 2, 3, … or A, B, … Z, AA, AB, … without I and O, which look like
    digits.

    from: the first of them. back_to_front: whether the last row has the first label.
    """

    style: Literal["numbers", "letters"] = "numbers"
    start: int | str | UnsetType = msgspec.field(default=UNSET, name="from")
    back_to_front: bool = False


class Numbering(_Part, frozen=True, kw_only=True):
    """Printed numbers of a row's seats.

    direction: `odd-left` has the odd numbers on the left and the even ones on the right, both from the
    middle outwards; `odd-right` the other way round. from: the lowest number. step: from one seat to the
    next, where numbers run in one direction.
    """

    direction: Literal["left-to-right", "right-to-left", "odd-left", "odd-right"] = "left-to-right"
    start: Number = msgspec.field(default=1, name="from")
    step: Annotated[int, Meta(ge=1, le=100)] = 1


class Aisle(_Part, frozen=True, kw_only=True):
    """Space beside a seat of each row, or in its middle.

    after: so many seats are left of it, or right of it if this is negative. width: what it adds to the
    distance between the two seats. rows: labels of the rows that have it (a gap for a pillar or a door),
    all without it. It is only where seats are on both sides.
    """

    after: Annotated[int, Meta(ge=-SEATS_A_ROW_MAX, le=SEATS_A_ROW_MAX)] | Literal["middle"]
    width: Annotated[float, Meta(ge=0, le=100)] = 2.0
    rows: Annotated[list[Label], Meta(min_length=1, max_length=ROWS_A_BLOCK_MAX)] | None = None


class _Block(_Part, frozen=True, kw_only=True):
    """Rows that are laid out together, front to back.

    labels: one a row, or a rule. rows: how many there are, where labels are no list. seats: how many
    each row has, or a list with one number a row; a curved block without it has as many as fit. numbers:
    printed numbers from left to right, one list a row or one for all rows, instead of `numbering`.
    align: where rows lie that are shorter than the longest, or than a curved block's angle; `justify`
    spreads their seats. whole: each row is a box that is sold as a whole.
    """

    labels: Annotated[list[Label], Meta(min_length=1, max_length=ROWS_A_BLOCK_MAX)] | LabelRule = (
        LabelRule()
    )
    rows: Annotated[int, Meta(ge=1, le=ROWS_A_BLOCK_MAX)] | None = None
    seats: (
        SeatCount
        | Annotated[list[SeatCount], Meta(min_length=1, max_length=ROWS_A_BLOCK_MAX)]
        | None
    ) = None
    numbering: Numbering = Numbering()
    numbers: (
        Annotated[
            list[Annotated[list[Number], Meta(min_length=1, max_length=SEATS_A_ROW_MAX)]],
            Meta(min_length=1, max_length=ROWS_A_BLOCK_MAX),
        ]
        | None
    ) = None
    aisles: Annotated[list[Aisle], Meta(max_length=AISLES_A_BLOCK_MAX)] = []
    align: Literal["left", "centre", "right", "justify"] = "centre"
    row_spacing: Spacing = ROW_SPACING
    seat_spacing: Spacing = 1.0
    whole: bool = False


class StraightBlock(_Block, tag_field="shape", tag="straight", frozen=True, kw_only=True):
    """Straight rows. at: the middle of the front row. rotation: 0 looks towards smaller y; at 90 the
    audience sits left of the stage. skew: how far each row is moved to the right of the one before
    it, as an angle."""

    at: Place
    rotation: Angle = 0.0
    skew: Annotated[float, Meta(ge=-60, le=60)] = 0.0


class CurvedBlock(_Block, tag_field="shape", tag="curved", frozen=True, kw_only=True):
    """Rows on circles around one centre, which the audience looks at.

    radius: of the front row. start, end: angles of the left and the right end as the audience sees it,
    so start is larger: 120 and 60 lie behind each other below the centre.
    """

    centre: Place
    radius: Annotated[float, Meta(ge=1, le=COORDINATE_MAX)]
    start: Angle
    end: Angle


class Table(_Part, frozen=True, kw_only=True):
    """Seats around a table, numbered clockwise from 1. whole: sold as a whole only.

    A round table's first seat is at its rotation. A rectangular one has seats on its two long sides; the
    rotation is that of its long sides. label: unique among the section's rows and tables.
    """

    label: Label
    shape: Literal["round", "rectangle"]
    at: Place
    rotation: Angle = 0.0
    seats: Annotated[int, Meta(ge=1, le=SEATS_A_TABLE_MAX)]
    whole: bool = False


class Properties(_Part, frozen=True, kw_only=True):
    """What is special about some seats: those with these numbers in each of these rows, or all of the
    rows.

    accessible: places for wheelchairs. companion_of: the number of the accessible seat in the same row
    that these are beside. restricted: seats with a restricted view. blocked: never for sale. house: kept
    back.
    """

    rows: Annotated[list[Label], Meta(min_length=1, max_length=ROWS_A_BLOCK_MAX)]
    seats: Annotated[list[Number], Meta(min_length=1, max_length=SEATS_A_ROW_MAX)] | None = None
    accessible: bool = False
    companion_of: Number | None = None
    restricted: bool = False
    blocked: bool = False
    house: bool = False


class Section(_Part, frozen=True, kw_only=True):
    """A part of the hall that has one price in a session. Standing ones have an outline and a capacity.

    key: its name in files, unique in the plan. outline: without it, it is drawn around the seats.
    label_at: where its name is written. entrance: the door to go to. view: what to expect of the view.
    """

    key: Key
    name: Name
    kind: Literal["seated", "standing"] = "seated"
    level: Key | None = None
    outline: Corners | None = None
    label_at: Place | None = None
    entrance: Text | None = None
    view: Text | None = None
    capacity: Annotated[int, Meta(ge=1, le=SEATS_MAX)] | None = None
    blocks: Annotated[list[StraightBlock | CurvedBlock], Meta(max_length=BLOCKS_A_SECTION_MAX)] = []
    tables: Annotated[list[Table], Meta(max_length=TABLES_A_SECTION_MAX)] = []
    properties: Annotated[list[Properties], Meta(max_length=PROPERTIES_A_SECTION_MAX)] = []


class PlanDocument(_Part, frozen=True, kw_only=True):
    """A plan. Fields that have a default may be left out.

    focal_point: what the audience looks at, by default the middle of the stage. facing: from where the
    stage is seen from the front, in degrees; null in the round; by default as the stage's kind says.
    """

    version: Literal[1]
    name: Name
    stage: Stage | None = None
    focal_point: Place | None = None
    facing: Angle | UnsetType | None = UNSET
    levels: Annotated[list[Level], Meta(max_length=LEVELS_MAX)] = []
    sections: Annotated[list[Section], Meta(min_length=1, max_length=SECTIONS_MAX)]
