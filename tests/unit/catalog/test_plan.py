"""Seat numbering."""

from hypothesis import given
from hypothesis import strategies as st

from catalog.domain.plan import Row, number_runs, place_areas, standing_row


def positions(rows: list[Row], first: int = 1) -> list[int]:
    return [
        position
        for row, firsts in zip(rows, number_runs((row.runs for row in rows), first), strict=True)
        for start, count in zip(firsts, row.runs, strict=True)
        for position in range(start, start + count)
    ]


def test_an_aisle_and_a_row_end_each_leave_one_position_empty() -> None:
    rows = [Row("1", 4, aisles=(2,)), Row("2", 2)]
    assert positions(rows) == [1, 2, 4, 5, 7, 8]


def test_each_run_begins_behind_an_aisle() -> None:
    row = Row("1", 5, aisles=(1, 3))
    assert row.runs == (1, 2, 2)
    assert list(number_runs([row.runs, (4,)], 10)) == [(10, 12, 15), (18,)]


def test_areas_are_parted_by_a_gap_and_tell_their_capacity() -> None:
    ranges = place_areas([[Row("1", 2), Row("2", 2)], [standing_row(3)], [Row("1", 1)]])
    assert [(one.first, one.last, one.capacity) for one in ranges] == [
        (1, 5, 4),
        (7, 9, 3),
        (11, 11, 1),
    ]


@st.composite
def a_row(draw: st.DrawFn) -> Row:
    seats = draw(st.integers(1, 60))
    aisles = draw(st.sets(st.integers(1, max(1, seats - 1)), max_size=4)) if seats > 1 else set()
    return Row("r", seats, aisles=tuple(sorted(aisles)))


areas = st.lists(st.lists(a_row(), min_size=1, max_size=8), min_size=1, max_size=6)


@given(areas)
def test_every_seat_has_a_position_of_its_own_within_its_areas_range(
    plan: list[list[Row]],
) -> None:
    ranges = place_areas(plan)
    taken: list[int] = []
    for rows, room in zip(plan, ranges, strict=True):
        own = positions(rows, room.first)
        assert (own[0], own[-1], len(own)) == (room.first, room.last, room.capacity)
        if taken:
            assert own[0] > taken[-1] + 1  # a run of seats never crosses into the next area
        taken += own
    assert taken == sorted(set(taken))


@given(areas)
def test_a_gap_is_exactly_where_a_row_or_an_aisle_ends(plan: list[list[Row]]) -> None:
    for rows in plan:
        for row in rows:
            ends, seats = [], 0
            for count in row.runs:
                seats += count
                ends.append(seats)
            assert ends == [*row.aisles, row.seats]
