"""How good seats are, from where a plan says that they are."""

import struct

import pytest

from booking.clients.plans import seating_of
from booking.domain.scoring import TOP, lags_at, scores_of_rows
from loadtest.best_seats.halls import HALLS


def halves(scores: bytes) -> tuple[list[int], list[int]]:
    """Scores, and positions to the seat behind, by position."""
    numbers = struct.unpack(f">{len(scores) // 2}H", scores)
    return list(numbers[: len(numbers) // 2]), list(numbers[len(numbers) // 2 :])


def test_a_seat_is_worse_the_farther_it_is_and_the_more_from_the_side() -> None:
    front, side, near, aside, here = lags_at([10j, 10, 3 + 9j, 6 + 9j, 0], 0, 90)
    assert front == pytest.approx(10)
    assert side == pytest.approx(2 * front)
    assert near < aside
    assert here == 0
    assert lags_at([1 + 10j], 1, None) == [pytest.approx(10)]


def test_rows_without_places_are_in_order_and_better_in_their_middles() -> None:
    scores, behind = halves(scores_of_rows(b"...|./.|...."))
    assert scores[1] == TOP
    assert scores[0] == scores[2] < scores[1]
    assert min(scores[0:3]) > max(scores[4], scores[6])
    assert behind[0] == 4
    assert behind[1] == 0  # behind it is an aisle
    assert scores_of_rows(b".") == struct.pack(">2H", TOP, 0)


@pytest.mark.parametrize("name", HALLS)
def test_every_hall_has_a_best_seat_and_seats_behind_lie_behind(name: str) -> None:
    seating = seating_of(HALLS[name]())
    scores, behind = halves(seating.scores(seating.layout))
    seats = seating.seat_ids()
    assert max(scores) == TOP
    assert min(scores[seat - 1] for seat in seats) == 0
    assert {scores[seat - 1] for seat in range(1, len(scores) + 1)} - {0}
    for seat in seats:
        if behind[seat - 1]:
            other = seating.seat(seat + behind[seat - 1])
            here = seating.seat(seat)
            assert here is not None
            assert other is not None
            assert int(other.row) == int(here.row) + 1
