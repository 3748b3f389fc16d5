"""Finds seats that are drawn on each other, in one look at each seat."""

import math
from collections.abc import Iterable, Iterator
from typing import TypeVar

from catalog.halls.document import SEAT_DISTANCE_MIN
from catalog.halls.hall import Point

Seat = TypeVar("Seat")

_COLUMNS = 1 << 32  # more than there are cells side by side


def overlapping(seats: Iterable[tuple[Seat, Point]]) -> Iterator[tuple[Seat, Seat]]:
    """Each seat that is too near to one before it, with that one.

    Space is divided into square cells as wide as the least distance, so only nine of them are near. A seat
    that overlaps another is not remembered, so no cell holds more than four, however many seats lie there.
    """
    cells: dict[int, list[tuple[Seat, Point]]] = {}
    for seat, (x, y) in seats:
        here = math.floor(x / SEAT_DISTANCE_MIN) * _COLUMNS + math.floor(y / SEAT_DISTANCE_MIN)
        near = _near(cells, here, x, y)
        if near is not None:
            yield seat, near
        else:
            cells.setdefault(here, []).append((seat, (x, y)))


def _near(cells: dict[int, list[tuple[Seat, Point]]], here: int, x: float, y: float) -> Seat | None:
    for column in (here - _COLUMNS, here, here + _COLUMNS):
        for cell in (column - 1, column, column + 1):
            for seat, (other_x, other_y) in cells.get(cell, ()):
                if (x - other_x) ** 2 + (y - other_y) ** 2 < SEAT_DISTANCE_MIN**2:
                    return seat
    return None
