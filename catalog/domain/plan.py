"""The numbering of a session's seats.

All areas of a session share one line of positions that starts at 1. Adjacent seats have adjacent
positions. One position stays empty after each row and at each aisle, so a run of positions never crosses
an aisle or the end of a row or area.

    row of 4, aisle after seat 2, then a row of 2      . . | . . | . .
                                                       1 2 3 4 5 6 7 8
"""

from collections.abc import Iterator, Sequence

import msgspec


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """A row: seats numbered from 1, with an aisle after each seat in `aisles`. Stored in this form."""

    label: str
    seats: int
    aisles: tuple[int, ...] = ()
    accessible: tuple[int, ...] = ()


class Run(msgspec.Struct, frozen=True):
    """Adjacent seats: their numbers and positions ascend together."""

    first_position: int
    first_number: int
    count: int


class NumberedRow(msgspec.Struct, frozen=True):
    row: Row
    runs: tuple[Run, ...]

    @property
    def last_position(self) -> int:
        return self.runs[-1].first_position + self.runs[-1].count - 1


class Range(msgspec.Struct, frozen=True):
    """The positions of an area, both ends included. `capacity` of them are seats."""

    first: int
    last: int
    capacity: int


def standing_row(capacity: int) -> Row:
    """A standing area is one row of places without a label."""
    return Row(label="", seats=capacity)


def number_rows(rows: Sequence[Row], first_position: int) -> Iterator[NumberedRow]:
    """Gives each row its positions, starting at `first_position`."""
    position = first_position
    for row in rows:
        runs = []
        number = 1
        for end in (*row.aisles, row.seats):
            count = end - number + 1
            runs.append(Run(position, number, count))
            position += count + 1  # the aisle, or the end of the row
            number = end + 1
        yield NumberedRow(row, tuple(runs))


def length_of(row: Row) -> int:
    """Positions from the row's first seat to its last, including aisles."""
    return row.seats + len(row.aisles)


def place_areas(areas: Sequence[Sequence[Row]]) -> list[Range]:
    """The range of each area, in order. No area may be empty."""
    ranges = []
    first = 1
    for rows in areas:
        # no empty position after the last seat
        last = first + sum(length_of(row) + 1 for row in rows) - 2
        ranges.append(Range(first, last, sum(row.seats for row in rows)))
        first = last + 2
    return ranges
