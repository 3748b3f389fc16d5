"""Seats on each other are found in one look at each seat."""

import math

from hypothesis import given
from hypothesis import strategies as st

from catalog.halls.document import SEAT_DISTANCE_MIN
from catalog.halls.overlaps import overlapping

coordinates = st.floats(-2, 2)


@given(st.lists(st.tuples(coordinates, coordinates), max_size=25))
def test_the_grid_finds_what_a_look_at_all_pairs_finds(places: list[tuple[float, float]]) -> None:
    kept: list[tuple[float, float]] = []
    found = []
    for index, place in enumerate(places):
        if any(math.dist(place, other) < SEAT_DISTANCE_MIN for other in kept):
            found.append(index)
        else:
            kept.append(place)
    assert [seat for seat, _ in overlapping(enumerate(places))] == found
    for seat, other in overlapping(enumerate(places)):
        assert math.dist(places[seat], places[other]) < SEAT_DISTANCE_MIN


def test_no_place_is_compared_with_more_than_a_few_however_many_seats_are_there() -> None:
    """Two corners of one cell, farther from each other than seats must be, with 5,000 seats each."""
    compared = 0

    class Coordinate(float):
        def __sub__(self, other: float) -> float:
            nonlocal compared
            compared += 1
            assert compared <= 80_000, "a seat that overlaps is compared with more than a few"
            return float(self) - float(other)

    corners = [(Coordinate(at), Coordinate(at)) for at in (0.01, 0.74)]
    seats = [(index, corners[index // 5_000]) for index in range(10_000)]
    assert sum(1 for _ in overlapping(seats)) == 9_998
