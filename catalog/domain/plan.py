"""The numbering of a session's seats.

All areas of a session share one line of positions that starts at 1. Adjacent seats have adjacent
positions. One position stays empty after each row and at each aisle, so a run of positions never crosses
an aisle or the end of a row or area.

    row of 4, aisle after seat 2, then a row of 2      . . | . . | . .
                                                       1 2 3 4 5 6 7 8
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence

import msgspec


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row of seats, counted from 1, with an aisle after each seat in `aisles`. Stored in this form.

    Of a row that is in a plan's hall this is only what its positions are; its hall has printed numbers.
    """

    label: str
    seats: int
    aisles: tuple[int, ...] = ()
    accessible: tuple[int, ...] = ()

    @property
    def runs(self) -> tuple[int, ...]:
        """How many seats are next to each other, from aisle to aisle."""
        ends = (0, *self.aisles, self.seats)
        return tuple(end - start for start, end in itertools.pairwise(ends))


class Range(msgspec.Struct, frozen=True):
    """The positions of an area, both ends included. `capacity` of them are seats."""

    first: int
    last: int
    capacity: int


def standing_row(capacity: int) -> Row:
    """A standing area is one row of places without a label."""
    return Row(label="", seats=capacity)


def number_runs(rows: Iterable[Sequence[int]], first_position: int) -> Iterator[tuple[int, ...]]:
    """The position of the first seat of each run. rows: of each row the numbers of seats of its runs."""
    position = first_position
    for runs in rows:
        firsts = []
        for count in runs:
            firsts.append(position)
            position += count + 1  # the aisle, or the end of the row
        yield tuple(firsts)


def place_areas(areas: Sequence[Sequence[Row]]) -> list[Range]:
    """The range of each area, in order. No area may be empty."""
    ranges = []
    first = 1
    for rows in areas:
        # no empty position after the last seat
        last = first + sum(row.seats + len(row.aisles) + 1 for row in rows) - 2
        ranges.append(Range(first, last, sum(row.seats for row in rows)))
        first = last + 2
    return ranges
