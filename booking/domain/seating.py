"""A session's seat plan as booking needs it: which seat a position is, and the bytes of its layout."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

SEAT, ACCESSIBLE, AISLE, EDGE = ord("."), ord(":"), ord("/"), ord("|")


class Seat(msgspec.Struct, frozen=True, gc=False):
    """One seat as printed on a ticket."""

    seat_id: int
    area_id: UUID
    area: str
    row: str
    number: int
    accessible: bool


class Stretch(msgspec.Struct, frozen=True, gc=False):
    """Seats next to each other: positions first_seat_id … first_seat_id + count - 1 of one row."""

    first_seat_id: int
    count: int
    area_id: UUID
    area: str
    row: str
    first_number: int


class Seating:
    """Finds seats by their id in a plan of any size by bisection. Immutable.

    aisles: the positions of aisles; accessible: the ids of accessible seats.
    """

    def __init__(
        self,
        length: int,
        stretches: Iterable[Stretch],
        *,
        aisles: Iterable[int] = (),
        accessible: Iterable[int] = (),
    ) -> None:
        self._stretches = sorted(stretches, key=lambda one: one.first_seat_id)
        self._firsts = [one.first_seat_id for one in self._stretches]
        layout = bytearray([EDGE]) * length
        for one in self._stretches:
            start = one.first_seat_id - 1
            layout[start : start + one.count] = bytes([SEAT]) * one.count
        for position in aisles:
            layout[position - 1] = AISLE
        for seat_id in accessible:
            layout[seat_id - 1] = ACCESSIBLE
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
        number = found.first_number + ahead
        accessible = self.layout[seat_id - 1] == ACCESSIBLE
        return Seat(seat_id, found.area_id, found.area, found.row, number, accessible)

    def seat_ids(self) -> list[int]:
        """Of all seats, ascending."""
        return [place + 1 for place, what in enumerate(self.layout) if what in {SEAT, ACCESSIBLE}]

    def unknown(self, seat_ids: Sequence[int]) -> list[int]:
        """Which of these are no seats of this session."""
        return [seat_id for seat_id in seat_ids if self.seat(seat_id) is None]
