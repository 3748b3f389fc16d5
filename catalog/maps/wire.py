"""Answers that show a hall. contracts/halls.py has units and axes."""

from typing import Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from contracts.catalog import Kind
from contracts.halls import Course

Point = tuple[float, float]
Bounds = tuple[float, float, float, float]


class Seat(msgspec.Struct, frozen=True):
    """x and y are in units of one seat, of the upper left corner of the seat's square.

    companion_of: the accessible seat that this one belongs to. restricted: its view is restricted. blocked:
    it is not for sale. These three are there only where they say something.
    """

    seat_id: int
    row: str
    number: int
    x: float
    y: float
    accessible: bool
    companion_of: int | UnsetType = UNSET
    restricted: Literal[True] | UnsetType = UNSET
    blocked: Literal[True] | UnsetType = UNSET


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
    """All seats in seat_id order: the n-th seat here is the n-th character of the live seat state. The hall
    fills the rectangle from (0, 0) to (width, height)."""

    session_id: UUID
    seat_count: int
    width: float
    height: float
    areas: list[AreaMap]


class SegmentForm(msgspec.Struct, frozen=True, omit_defaults=True):
    """Adjacent seats: ids first_seat_id, first_seat_id + 1, …, and printed numbers first_number,
    first_number + step, …, or `numbers` where these are no such sequence.

    course: where they are: ["line", x, y, dx, dy] has seat i (from 0) at (x + i dx, y + i dy), and
    ["arc", x, y, radius, start, step] on the circle around (x, y) at the angle start + i step, in degrees.
    """

    first_seat_id: int
    first_number: int
    count: int
    course: Course
    step: int = 1
    numbers: tuple[int, ...] | None = None


class TableForm(msgspec.Struct, frozen=True):
    """The table that a row's seats are at: its middle, its size, and its rotation in degrees."""

    shape: Literal["round", "rectangle"]
    x: float
    y: float
    width: float
    height: float
    rotation: float


class RowForm(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row, a table or a box. There is an aisle between two segments. Seats are named by their ids.

    companions: pairs of a companion's seat and the accessible seat that it belongs to. restricted: seats
    with a restricted view. blocked: not for sale. whole: sold as a whole only.
    """

    label: str
    segments: list[SegmentForm]
    accessible: list[int] = []
    companions: list[tuple[int, int]] = []
    restricted: list[int] = []
    blocked: list[int] = []
    whole: bool = False
    table: TableForm | None = None


class AreaShape(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a hall. The places of a standing one, which has no rows, have the ids from first_seat_id on.

    level: the key of its level. entrance: the door to go to. view: what to expect of the view.
    label_at: where its name is written.
    """

    name: str
    kind: Kind
    capacity: int
    first_seat_id: int
    level: str | None
    entrance: str | None
    view: str | None
    outline: list[Point]
    label_at: Point
    rows: list[RowForm]


class AreaForm(AreaShape, frozen=True, kw_only=True):
    """An area of a session."""

    area_id: UUID
    price: int


class StageForm(msgspec.Struct, frozen=True):
    """outline: its corners; two are a line, and one is a point."""

    outline: list[Point]
    label: str | None


class LevelForm(msgspec.Struct, frozen=True):
    key: str
    name: str


class HallShape(msgspec.Struct, frozen=True, kw_only=True):
    """Coordinates are of seats' centres; 1 is the usual distance of two neighbours. y grows away from an end
    stage.

    bounds: x, y, width and height of all of it. focal_point: what the audience looks at. facing: from where
    the stage is seen from the front, in degrees; null in the round.
    """

    version: Literal[1]
    seat_count: int
    bounds: Bounds
    focal_point: Point
    facing: float | None
    stage: StageForm | None
    levels: list[LevelForm]


class HallForm(HallShape, frozen=True, kw_only=True):
    """A session's hall. Seats in seat_id order are the characters of the live seat state."""

    session_id: UUID
    currency: str
    areas: list[AreaForm]
