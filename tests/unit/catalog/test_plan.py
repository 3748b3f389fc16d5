"""Seat numbering and drawing."""

from hypothesis import given
from hypothesis import strategies as st

from catalog.domain import hall
from catalog.domain.plan import Row, number_rows, place_areas, standing_row


def positions(rows: list[Row], first: int = 1) -> list[int]:
    return [
        position
        for numbered in number_rows(rows, first)
        for run in numbered.runs
        for position in range(run.first_position, run.first_position + run.count)
    ]


def test_an_aisle_and_a_row_end_each_leave_one_position_empty() -> None:
    rows = [Row("1", 4, aisles=(2,)), Row("2", 2)]
    assert positions(rows) == [1, 2, 4, 5, 7, 8]


def test_seat_numbers_go_on_across_an_aisle() -> None:
    (numbered,) = number_rows([Row("1", 5, aisles=(1, 3))], 10)
    runs = [(run.first_position, run.first_number, run.count) for run in numbered.runs]
    assert runs == [(10, 1, 1), (12, 2, 2), (15, 4, 2)]
    assert numbered.last_position == 16


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
        for numbered in number_rows(rows, 1):
            number = 0
            for run in numbered.runs:
                assert run.first_number == number + 1
                number += run.count
                assert number in (*numbered.row.aisles, numbered.row.seats)
            assert number == numbered.row.seats


@given(areas, st.integers(1, 900))
def test_no_two_seats_are_drawn_on_each_other(plan: list[list[Row]], standing: int) -> None:
    sizes = [hall.size_of(rows, standing=False) for rows in plan]
    sizes.append(hall.size_of([standing_row(standing)], standing=True))
    frames = hall.arrange(sizes)
    points = [
        point
        for rows, frame in zip(plan, frames, strict=False)
        for index, row in enumerate(rows)
        for point in hall.seats_of_row(frame, index, row)
    ]
    points += hall.places(frames[-1], standing)
    assert len(set(points)) == len(points) == sum(r.seats for rows in plan for r in rows) + standing


@given(areas)
def test_areas_do_not_overlap_and_seats_stay_in_their_areas_frame(plan: list[list[Row]]) -> None:
    frames = hall.arrange([hall.size_of(rows, standing=False) for rows in plan])
    for index, one in enumerate(frames):
        for other in frames[index + 1 :]:
            assert (
                one.x + one.width < other.x
                or other.x + other.width < one.x
                or one.y + one.height < other.y
                or other.y + other.height < one.y
            )
    for rows, frame in zip(plan, frames, strict=True):
        for index, row in enumerate(rows):
            for x, y in hall.seats_of_row(frame, index, row):
                assert frame.x <= x <= frame.x + frame.width - 1
                assert frame.y <= y <= frame.y + frame.height - 1


def test_an_aisle_can_be_seen() -> None:
    row = Row("1", 4, aisles=(2,))
    frame = hall.Frame(0, 0, 5, 1)
    assert [x for x, _ in hall.seats_of_row(frame, 0, row)] == [0, 1, 3, 4]
