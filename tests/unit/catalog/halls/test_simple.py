"""Areas without geometry become a proper hall."""

import math
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.domain.plan import Row
from catalog.halls.geometry import contains, crosses_itself
from catalog.halls.hall import Hall, HallArea, numbers_of, seats_of
from catalog.halls.overlaps import overlapping
from catalog.halls.simple import lay_out_areas
from contracts.halls import Arc


class Area(msgspec.Struct, frozen=True):
    name: str
    price: int
    capacity: int
    rows: Sequence[Row] | None


def area(rows: int, seats: int, *, price: int = 100, aisles: tuple[int, ...] = ()) -> Area:
    made = [Row(str(index + 1), seats, aisles) for index in range(rows)]
    return Area("Area", price, rows * seats, made)


def points(laid: HallArea) -> list[tuple[float, float]]:
    return [point for row in laid.rows for _, point in seats_of(row)]


def all_points(hall: Hall) -> list[tuple[float, float]]:
    return [point for laid in hall.areas for point in points(laid)]


@st.composite
def areas(draw: st.DrawFn) -> list[Area]:
    made = []
    for _ in range(draw(st.integers(1, 6))):
        price = draw(st.integers(0, 2))
        if draw(st.integers(0, 4)) == 0:
            made.append(Area("Floor", price, draw(st.integers(1, 900)), None))
            continue
        rows = []
        for index in range(draw(st.integers(1, 8))):
            seats = draw(st.integers(1, 40))
            aisles = draw(st.sets(st.integers(1, seats), max_size=3)) - {seats}
            rows.append(Row(str(index), seats, tuple(sorted(aisles))))
        made.append(Area("Seats", price, sum(row.seats for row in rows), rows))
    return made


@settings(deadline=None, max_examples=60)
@given(areas())
def test_no_two_seats_are_nearer_than_a_seat_and_each_lies_in_its_area(some: list[Area]) -> None:
    hall = lay_out_areas(some)
    places = all_points(hall)
    for index, one in enumerate(places[::7]):
        for other in places[7 * index + 1 :]:
            assert math.dist(one, other) > 0.99
    for laid in hall.areas:
        assert all(contains(laid.outline, point) for point in points(laid))
        assert contains(laid.outline, laid.label_at)
        assert not crosses_itself(laid.outline)


@settings(deadline=None, max_examples=60)
@given(areas())
def test_areas_do_not_reach_into_each_other_or_onto_the_stage(some: list[Area]) -> None:
    hall = lay_out_areas(some)
    outlines = [laid.outline for laid in hall.areas]
    assert hall.stage is not None
    outlines.append(hall.stage.outline)
    for index, one in enumerate(outlines):
        for other in outlines[index + 1 :]:
            assert not any(contains(one, corner) for corner in other)
            assert not any(contains(other, corner) for corner in one)


@settings(deadline=None, max_examples=60)
@given(areas())
def test_rows_keep_their_seats_numbers_and_aisles(some: list[Area]) -> None:
    for given_area, laid in zip(some, lay_out_areas(some).areas, strict=True):
        assert (laid.name, laid.capacity) == (given_area.name, given_area.capacity)
        for row, made in zip(given_area.rows or (), laid.rows, strict=True):
            numbers = [list(numbers_of(run)) for run in made.segments]
            assert [number for run in numbers for number in run] == list(range(1, row.seats + 1))
            assert tuple(run[-1] for run in numbers[:-1]) == row.aisles


def test_one_area_is_symmetric_behind_the_stage() -> None:
    hall = lay_out_areas([area(10, 20, aisles=(10,))])
    places = {(round(x, 3), round(y, 3)) for x, y in all_points(hall)}
    assert places == {(-x, y) for x, y in places}
    assert hall.facing == 90
    assert hall.stage is not None
    assert max(y for _, y in hall.stage.outline) < min(y for _, y in places)


def test_areas_of_one_price_lie_beside_each_other_and_the_next_price_behind_them() -> None:
    """In the organizer's order: from the front, and from the left."""
    hall = lay_out_areas([area(5, 20, price=2)] * 2 + [area(5, 20, price=1)] * 2)
    (x1, y1), (x2, y2), *behind = [laid.label_at for laid in hall.areas]
    assert x1 < 0 < x2
    assert y1 == pytest.approx(y2)
    assert all(y > y1 for _, y in behind)
    assert [x for x, _ in behind] == sorted(x for x, _ in behind)


def test_a_wide_area_behind_a_narrow_one_leaves_no_ring_of_nothing() -> None:
    hall = lay_out_areas([area(2, 4, price=2), area(3, 500, price=1)])
    front, back = (points(laid) for laid in hall.areas)
    middle = [y for x, y in back if abs(x) < 1]
    assert min(middle) - max(y for _, y in front) < 10
    assert list(overlapping((None, point) for point in all_points(hall))) == []


@pytest.mark.parametrize(
    "some",
    [
        [area(20, 20, price=index % 7) for index in range(500)],  # 200,000 seats in 500 areas
        [area(400, 500)],
        [area(2000, 100)],
        [Area("Floor", 1, 200_000, None)],
        [area(1, 1, price=index) for index in range(500)],
    ],
    ids=["500 areas", "500 wide", "2,000 deep", "standing", "500 seats"],
)
def test_the_largest_halls_have_no_seat_on_another(some: list[Area]) -> None:
    hall = lay_out_areas(some)
    assert sum(laid.capacity for laid in hall.areas) == sum(one.capacity for one in some)
    assert list(overlapping((None, point) for point in all_points(hall))) == []
    assert all(math.isfinite(one) for one in hall.bounds)


TURN_MAX = 130.0 + 1e-3  # degrees, FAN; angles have six digits


def turns(hall: Hall) -> list[float]:
    """The angle that each tier takes around the stage, between the left sides of its first seats and the
    right ones of its last."""
    tiers: dict[float, list[float]] = {}
    for laid in hall.areas:
        for run in (run for row in laid.rows[:1] for run in row.segments):
            assert isinstance(run.course, Arc)
            half = math.degrees(0.5 / run.course.radius)
            last = run.course.start + (run.count - 1) * run.course.step
            radius = round(run.course.radius, 3)
            tiers.setdefault(radius, []).extend((run.course.start + half, last - half))
    return [max(ends) - min(ends) for ends in tiers.values()]


@pytest.mark.parametrize(
    "some",
    [
        [area(1, 8), area(1, 60)],
        [area(2, 4, price=2), area(1, 500, price=1)],
        [area(1, 4, price=3), area(1, 30, price=2), area(1, 300, price=1)],
    ],
    ids=["one", "much wider", "three"],
)
def test_no_tier_reaches_further_around_the_stage_than_130_degrees(some: list[Area]) -> None:
    assert max(turns(lay_out_areas(some))) <= TURN_MAX
