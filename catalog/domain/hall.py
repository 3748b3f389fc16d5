"""Coordinates of every seat, in units of one seat, so that any client can draw the hall.

The stage is above y = 0. Areas stand on shelves, filled from left to right and front to back in the
organizer's order. Each row of an area is one unit behind the last; an aisle leaves one unit free.
"""

import math
from collections.abc import Iterator, Sequence

import msgspec

from catalog.domain.plan import Row, length_of

BETWEEN_AREAS = 3.0  # space for an area's name
HALL_RATIO = 1.6  # the ratio of width to depth that the shelves aim for


class Frame(msgspec.Struct, frozen=True):
    """An area's rectangle: its left front corner and its size."""

    x: float
    y: float
    width: float
    height: float


def standing_columns(capacity: int) -> int:
    """A standing area is drawn as a block that is somewhat wider than deep."""
    return max(1, math.ceil(math.sqrt(capacity * HALL_RATIO)))


def size_of(rows: Sequence[Row], *, standing: bool) -> tuple[float, float]:
    """Width and height of one area."""
    if standing:
        columns = standing_columns(rows[0].seats)
        return float(columns), float(math.ceil(rows[0].seats / columns))
    return float(max(length_of(row) for row in rows)), float(len(rows))


def arrange(sizes: Sequence[tuple[float, float]]) -> list[Frame]:
    """Frames for areas of these sizes. No two overlap."""
    space = sum((width + BETWEEN_AREAS) * (height + BETWEEN_AREAS) for width, height in sizes)
    hall_width = max(math.sqrt(space * HALL_RATIO), *(width for width, _ in sizes), 1.0)
    frames: list[Frame] = []
    x = y = depth = 0.0
    for width, height in sizes:
        if x > 0 and x + width > hall_width:
            x, y, depth = 0.0, y + depth + BETWEEN_AREAS, 0.0
        frames.append(Frame(x, y, width, height))
        x += width + BETWEEN_AREAS
        depth = max(depth, height)
    return frames


def seats_of_row(frame: Frame, index: int, row: Row) -> Iterator[tuple[float, float]]:
    """x and y of each seat in the area's row `index`, in seat order. Rows are centred."""
    x = frame.x + (frame.width - length_of(row)) / 2
    y = frame.y + index
    aisles = frozenset(row.aisles)
    for number in range(1, row.seats + 1):
        yield x, y
        x += 2.0 if number in aisles else 1.0


def places(frame: Frame, capacity: int) -> Iterator[tuple[float, float]]:
    """x and y of each place of a standing area."""
    columns = standing_columns(capacity)
    for index in range(capacity):
        yield frame.x + index % columns, frame.y + index // columns
