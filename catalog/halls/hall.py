"""A hall: a plan laid out, before seats have positions. Every list is in the order of positions.

Coordinates are of seats' centres; contracts/halls.py has units and axes.
"""

import math
from collections.abc import Iterator
from typing import Literal

import msgspec

from contracts.halls import Arc, Course

Point = tuple[float, float]
Outline = tuple[Point, ...]  # a simple polygon, without its first point again at the end


class HallSegment(msgspec.Struct, frozen=True):
    """Adjacent seats. Their printed numbers are first_number, first_number + step, …, or `numbers` where
    these are no such sequence."""

    first_number: int
    count: int
    course: Course
    step: int = 1
    numbers: tuple[int, ...] | None = None


class HallTable(msgspec.Struct, frozen=True):
    """The table that a row's seats stand around: its middle, its size, and its rotation in degrees."""

    shape: Literal["round", "rectangle"]
    x: float
    y: float
    width: float
    height: float
    rotation: float


class HallRow(msgspec.Struct, frozen=True):
    """A row, a table or a box. There is an aisle or a gap between two segments.

    Seats are named by their printed numbers, which are unique in a row. companions: pairs of a
    companion's seat and the accessible seat that it belongs to. whole: sold as a whole only.
    """

    label: str
    segments: tuple[HallSegment, ...]
    accessible: tuple[int, ...] = ()
    companions: tuple[tuple[int, int], ...] = ()
    restricted: tuple[int, ...] = ()
    blocked: tuple[int, ...] = ()
    house: tuple[int, ...] = ()
    whole: bool = False
    table: HallTable | None = None


class HallArea(msgspec.Struct, frozen=True):
    """A section. A standing area has a capacity and an outline, and no rows."""

    key: str
    name: str
    kind: Literal["seated", "standing"]
    capacity: int
    outline: Outline
    label_at: Point
    rows: tuple[HallRow, ...] = ()
    level: str | None = None
    entrance: str | None = None
    view: str | None = None


class HallStage(msgspec.Struct, frozen=True):
    outline: Outline
    label: str | None = None


class HallLevel(msgspec.Struct, frozen=True):
    key: str
    name: str


class Hall(msgspec.Struct, frozen=True):
    """bounds: x, y, width, height of everything that is drawn. focal_point: what the audience looks at.
    facing: from where the stage is seen from the front, in degrees; None in the round."""

    name: str
    bounds: tuple[float, float, float, float]
    focal_point: Point
    facing: float | None
    stage: HallStage | None
    levels: tuple[HallLevel, ...]
    areas: tuple[HallArea, ...]


def numbers_of(segment: HallSegment) -> tuple[int, ...] | range:
    """The printed numbers of a segment's seats, in order."""
    if segment.numbers is not None:
        return segment.numbers
    first, step = segment.first_number, segment.step
    return range(first, first + segment.count * step, step)


def points_of(course: Course, count: int) -> Iterator[Point]:
    """Where the first `count` seats of a course are."""
    if isinstance(course, Arc):
        start, step = math.radians(course.start), math.radians(course.step)
        for index in range(count):
            angle = start + index * step
            yield (
                course.x + course.radius * math.cos(angle),
                course.y + course.radius * math.sin(angle),
            )
        return
    for index in range(count):
        yield course.x + index * course.dx, course.y + index * course.dy


def seats_of(row: HallRow) -> Iterator[tuple[int, Point]]:
    """The printed number and the place of each seat of a row, in order of positions."""
    for segment in row.segments:
        yield from zip(numbers_of(segment), points_of(segment.course, segment.count), strict=True)
