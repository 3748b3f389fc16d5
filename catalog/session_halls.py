"""The hall of a session: its own copy of a plan's, or its rows laid out when somebody reads."""

from collections.abc import Iterator

import msgspec

from catalog.domain.plan import Row, number_runs, standing_row
from catalog.halls.hall import Hall, HallArea, HallRow, numbers_of
from catalog.halls.simple import lay_out_areas
from catalog.store import StoredHall


class NumberedRow(msgspec.Struct, frozen=True):
    """A row, and the seat id of the first seat of each of its segments."""

    row: HallRow
    first_seat_ids: tuple[int, ...]

    def seat_ids(self) -> dict[int, int]:
        """By printed number, in order of positions."""
        return {
            number: first + index
            for segment, first in zip(self.row.segments, self.first_seat_ids, strict=True)
            for index, number in enumerate(numbers_of(segment))
        }


def hall_of(stored: StoredHall) -> Hall:
    """The session's hall, an area for each of its areas. Old code replaces areas without a hall of their
    own, and then there is none."""
    areas = [area.hall for area in stored.areas]
    if stored.hall is None or not all(areas):
        return lay_out_areas(stored.areas)
    return msgspec.structs.replace(stored.hall, areas=tuple(areas))


def number_rows(area: HallArea, first_seat_id: int) -> Iterator[NumberedRow]:
    """The rows of an area, in order of positions. A standing area has none."""
    runs = ([segment.count for segment in row.segments] for row in area.rows)
    for row, firsts in zip(area.rows, number_runs(runs, first_seat_id), strict=True):
        yield NumberedRow(row, firsts)


def stored_rows(area: HallArea) -> list[Row]:
    """An area's rows in the form that positions are made of, which older code reads too."""
    if area.kind == "standing":
        return [standing_row(area.capacity)]
    return [_stored_row(row) for row in area.rows]


def _stored_row(row: HallRow) -> Row:
    ends, seats = [], 0
    for segment in row.segments:
        seats += segment.count
        ends.append(seats)
    numbers = [number for segment in row.segments for number in numbers_of(segment)]
    places = {number: place for place, number in enumerate(numbers, 1)}
    accessible = sorted(places[number] for number in row.accessible)
    return Row(row.label, seats, tuple(ends[:-1]), tuple(accessible))
