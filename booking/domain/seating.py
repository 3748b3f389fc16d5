"""A session's seat plan as booking needs it: which seat a position is, and the bytes of its layout."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

import msgspec

from booking.domain.scoring import scores_of_rows

SEAT, ACCESSIBLE, COMPANION, WHOLE, KEPT, AISLE, EDGE = b".:;,x/|"  # as in booking/seats/bytes.py


class Seat(msgspec.Struct, frozen=True, gc=False):
    """One seat as printed on a ticket."""

    seat_id: int
    area_id: UUID
    area: str
    row: str
    number: int
    accessible: bool


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """Seats next to each other: positions first_seat_id … first_seat_id + count - 1 of one row.

    Their printed numbers are first_number, first_number + step, …, or `numbers` where these are given.
    """

    first_seat_id: int
    count: int
    area_id: UUID
    area: str
    row: str
    first_number: int
    step: int = 1
    numbers: list[int] | None = None

    def number(self, ahead: int) -> int:
        """The printed number of the seat so many positions after the first."""
        if self.numbers is not None:
            return self.numbers[ahead]
        return self.first_number + ahead * self.step


class Seating:
    """Finds seats by their id in a plan of any size by bisection. Immutable.

    aisles: the positions of aisles; accessible, companions, kept: the ids of accessible seats, of
    companions' seats, and of those that are never for sale; tables: the ids of each row that is sold as a
    whole. A seat's byte in `layout` says the first of these that it is: kept, of a table, accessible, a
    companion's.
    scores: see booking/domain/scoring.py; None: those of a plan that says no places.
    """

    def __init__(
        self,
        length: int,
        stretches: Iterable[Stretch],
        *,
        aisles: Iterable[int] = (),
        accessible: Iterable[int] = (),
        companions: Iterable[int] = (),
        kept: Iterable[int] = (),
        tables: Iterable[Sequence[int]] = (),
        scores: Callable[[bytes], bytes] = scores_of_rows,
    ) -> None:
        self._stretches = sorted(stretches, key=lambda one: one.first_seat_id)
        self._firsts = [one.first_seat_id for one in self._stretches]
        self._accessible = frozenset(accessible)
        self._tables = {seat: tuple(table) for table in tables for seat in table}
        self.scores = scores
        layout = bytearray([EDGE]) * length
        for one in self._stretches:
            start = one.first_seat_id - 1
            layout[start : start + one.count] = bytes([SEAT]) * one.count
        marks = [(AISLE, aisles), (COMPANION, companions), (ACCESSIBLE, self._accessible)]
        for byte, positions in [*marks, (WHOLE, self._tables), (KEPT, kept)]:
            for position in positions:
                layout[position - 1] = byte
        self.layout = bytes(layout)

    def seat(self, seat_id: int) -> Seat | None:
        """The seat at this position; None for an aisle, a row's end, or nothing at all."""
        place = bisect_right(self._firsts, seat_id) - 1
        if place < 0:
            return None
        found = self._stretches[place]
        ahead = seat_id - found.first_seat_id
        if ahead >= found.count:
            return None
        number = found.number(ahead)
        accessible = seat_id in self._accessible
        return Seat(seat_id, found.area_id, found.area, found.row, number, accessible)

    def seat_ids(self) -> list[int]:
        """Of all seats that are for sale, ascending."""
        nothing = {AISLE, EDGE, KEPT}
        return [place + 1 for place, what in enumerate(self.layout) if what not in nothing]

    def unknown(self, seat_ids: Sequence[int]) -> list[int]:
        """Which of these are no seats of this session."""
        return [seat_id for seat_id in seat_ids if self.seat(seat_id) is None]

    def is_kept(self, seat_id: int) -> bool:
        """Whether this seat is never for sale."""
        return self.layout[seat_id - 1] == KEPT

    def table_of(self, seat_id: int) -> tuple[int, ...]:
        """All seats of the table or box that this one is of; empty if it is sold by itself."""
        return self._tables.get(seat_id, ())
