"""Where seats come to lie, and what is printed on them."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings

from catalog.halls.checks import checked_hall
from catalog.halls.document import PlanDocument
from catalog.halls.geometry import contains
from catalog.halls.hall import Hall, HallArea, HallRow, numbers_of, points_of, seats_of
from catalog.halls.layout import lay_out
from contracts.halls import Arc

from .plans import curve, document, documents, plan, rows, seated, standing


def only_area(*blocks: Any, **fields: Any) -> HallArea:
    (area,) = checked_hall(document(seated("a", *blocks, **fields))).areas
    return area


def numbers(row: HallRow) -> list[list[int]]:
    return [list(numbers_of(run)) for run in row.segments]


def points(row: HallRow) -> list[tuple[float, float]]:
    return [(round(x, 3), round(y, 3)) for _, (x, y) in seats_of(row)]


def test_straight_rows_are_centred_one_behind_the_other() -> None:
    front, back = only_area(rows(seats=[3, 2], at=[10, 5], row_spacing=2)).rows
    assert points(front) == [(9, 5), (10, 5), (11, 5)]
    assert points(back) == [(9.5, 7), (10.5, 7)]


def test_rotated_rows_look_to_the_right_at_90_degrees_and_go_back_to_the_left() -> None:
    front, back = only_area(rows(seats=2, rotation=90, row_spacing=2, at=[0, 0])).rows
    assert points(front) == [(0, -0.5), (0, 0.5)]  # the audience's left hand is at the stage
    assert points(back) == [(-2, -0.5), (-2, 0.5)]


def test_skew_moves_each_row_to_the_right_of_the_one_before() -> None:
    front, back = only_area(rows(seats=1, skew=45, row_spacing=2, at=[0, 0])).rows
    assert (points(front), points(back)) == ([(0, 0)], [(2, 2)])


@pytest.mark.parametrize(
    ("align", "xs"),
    [("left", [-2, -1]), ("right", [1, 2]), ("centre", [-0.5, 0.5]), ("justify", [-2, 2])],
)
def test_shorter_rows_are_aligned_with_the_longest(align: str, xs: list[float]) -> None:
    _, short = only_area(rows(seats=[5, 2], align=align)).rows
    assert [x for x, _ in points(short)] == xs


def test_curved_rows_run_from_left_to_right_around_their_centre() -> None:
    area = only_area(curve(seats=5, radius=10, centre=[0, 0], start=120, end=60))
    run = area.rows[0].segments[0]
    assert isinstance(run.course, Arc)
    assert (run.course.radius, run.course.step) == (10, pytest.approx(-math.degrees(0.1)))
    xs = [x for x, _ in points(area.rows[0])]
    assert xs == sorted(xs)
    assert xs[0] == pytest.approx(-xs[-1])
    assert area.rows[1].segments[0].course.radius == 11.6  # type: ignore[union-attr]


def test_a_curved_block_without_seats_is_as_full_as_it_can_be() -> None:
    first, _, third = only_area(curve(radius=10, centre=[0, 0], start=180, end=0)).rows
    assert sum(run.count for run in first.segments) == math.floor(10 * math.pi)
    assert sum(run.count for run in third.segments) == math.floor(13.2 * math.pi)


def test_seats_around_an_aisle_in_the_middle_are_even() -> None:
    aisle = {"after": "middle", "width": 1.5}
    for row in only_area(curve(aisles=[aisle], rows=8)).rows:
        left, right = row.segments
        assert left.count == right.count


def test_an_aisle_divides_a_row_and_adds_its_width() -> None:
    (row,) = only_area(rows(rows=1, seats=4, aisles=[{"after": 1, "width": 2}])).rows
    assert [run.count for run in row.segments] == [1, 3]
    assert [x for x, _ in points(row)] == [-2.5, 0.5, 1.5, 2.5]


def test_an_aisle_is_counted_from_the_right_if_negative_and_only_where_seats_are_on_both_sides() -> (
    None
):
    aisles = [{"after": -1}, {"after": 7}]
    assert [
        [run.count for run in row.segments]
        for row in only_area(rows(seats=[4, 8], aisles=aisles)).rows
    ] == [[3, 1], [7, 1]]


def test_a_gap_is_only_in_the_rows_that_it_names() -> None:
    aisles = [{"after": 2, "width": 1, "rows": ["2"]}]
    assert [len(row.segments) for row in only_area(rows(rows=3, aisles=aisles)).rows] == [1, 2, 1]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, ["1", "2", "3"]),
        ({"from": 9}, ["9", "10", "11"]),
        ({"back_to_front": True}, ["3", "2", "1"]),
        ({"style": "letters", "from": "H"}, ["H", "J", "K"]),
        ({"style": "letters", "from": "Y"}, ["Y", "Z", "AA"]),
        (["前", "中", "后"], ["前", "中", "后"]),
    ],
)
def test_labels_of_rows(labels: Any, expected: list[str]) -> None:
    assert [row.label for row in only_area(rows(rows=3, labels=labels)).rows] == expected


@pytest.mark.parametrize(
    ("numbering", "expected"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"from": 101, "step": 2}, [101, 103, 105, 107, 109]),
        ({"direction": "right-to-left", "from": 3}, [7, 6, 5, 4, 3]),
        ({"direction": "odd-left"}, [5, 3, 1, 2, 4]),
        ({"direction": "odd-right"}, [6, 4, 2, 1, 3]),
        ({"direction": "odd-left", "from": 10}, [15, 13, 11, 10, 12]),
    ],
)
def test_numbers_of_seats(numbering: Any, expected: list[int]) -> None:
    (row,) = only_area(rows(rows=1, seats=5, numbering=numbering)).rows
    assert numbers(row) == [expected]


def test_explicit_numbers_go_on_across_an_aisle() -> None:
    (row,) = only_area(
        rows(rows=1, seats=None, numbers=[[7, 5, 3, 1, 4]], aisles=[{"after": 2}])
    ).rows
    assert numbers(row) == [[7, 5], [3, 1, 4]]
    assert row.segments[0].numbers is None  # 7, 5 is a sequence
    assert row.segments[1].numbers == (3, 1, 4)


def test_a_round_table_has_its_seats_around_it() -> None:
    table = {"label": "T", "shape": "round", "at": [5, 5], "seats": 6, "whole": True}
    area = only_area(tables=[table])
    (row,) = area.rows
    assert row.whole
    assert row.table is not None
    assert (row.label, numbers(row)) == ("T", [[1, 2, 3, 4, 5, 6]])
    distances = {round(math.dist(point, (5, 5)), 6) for _, point in seats_of(row)}
    assert len(distances) == 1
    assert distances.pop() > row.table.width / 2


def test_a_rectangular_table_has_its_seats_on_both_long_sides_clockwise() -> None:
    table = {"label": "T", "shape": "rectangle", "at": [0, 0], "seats": 5}
    (row,) = only_area(tables=[table]).rows
    assert numbers(row) == [[1, 2, 3], [4, 5]]
    assert [x for x, _ in points(row)] == [-1.2, 0, 1.2, 0.6, -0.6]
    assert {y for _, y in points(row)} == {-1.5, 1.5}


def test_properties_of_seats_and_whole_rows() -> None:
    said = [
        {"rows": ["1"], "seats": [1, 4], "accessible": True},
        {"rows": ["1"], "seats": [2], "companion_of": 1},
        {"rows": ["2"], "restricted": True},
        {"rows": ["1", "2"], "seats": [3], "house": True},
    ]
    first, second = only_area(rows(), properties=said).rows
    assert (first.accessible, first.companions, first.house) == ((1, 4), ((2, 1),), (3,))
    assert (second.restricted, second.house, second.accessible) == ((1, 2, 3, 4), (3,), ())


def test_a_standing_area_has_its_outline_and_no_rows() -> None:
    area = checked_hall(document(standing("a", capacity=70))).areas[0]
    assert (area.kind, area.capacity, area.rows) == ("standing", 70, ())
    assert area.outline == ((0, 0), (9, 0), (9, 9), (0, 9))
    assert area.label_at == (4.5, 4.5)


@pytest.mark.parametrize(
    ("fields", "focal_point", "facing"),
    [
        ({}, (0, -3), 90),
        ({"focal_point": [1, 2]}, (1, 2), 90),
        ({"facing": None}, (0, -3), None),
        ({"stage": {"kind": "round", "outline": plan()["stage"]["outline"]}}, (0, -3), None),
        ({"stage": {"kind": "point", "outline": [[3, 3]]}}, (3, 3), 90),
        ({"stage": {"kind": "line", "outline": [[-2, 0], [2, 0]]}}, (0, 0), 90),
        ({"stage": None, "focal_point": [7, 7], "facing": 45}, (7, 7), 45),
    ],
)
def test_what_the_audience_looks_at(fields: Any, focal_point: Any, facing: Any) -> None:
    hall = checked_hall(document(seated("a", rows()), **fields))
    assert hall.focal_point == pytest.approx(focal_point)
    assert hall.facing == facing


@pytest.mark.parametrize("shape", ["u", "ring"])
def test_a_label_is_inside_of_an_outline_whose_centroid_is_not(shape: str) -> None:
    u_shaped = [[0, 0], [2, 0], [2, 8], [10, 8], [10, 0], [12, 0], [12, 10], [0, 10]]
    blocks = {
        "u": standing("a", outline=u_shaped),
        "ring": seated("a", curve(start=360, end=0)),
    }
    area = checked_hall(document(blocks[shape])).areas[0]
    assert contains(area.outline, area.label_at)


def every_point(hall: Hall) -> list[tuple[float, float]]:
    return [point for area in hall.areas for row in area.rows for _, point in seats_of(row)]


@settings(deadline=None, max_examples=60)
@given(documents())
def test_seats_lie_in_their_areas_and_in_the_halls_bounds(drawn: PlanDocument) -> None:
    hall = lay_out(drawn)
    x, y, width, height = hall.bounds
    for area in hall.areas:
        for row in area.rows:
            for _, point in seats_of(row):
                assert contains(area.outline, point)
                assert x <= point[0] - 0.5
                assert point[0] + 0.5 <= x + width
                assert y <= point[1] - 0.5
                assert point[1] + 0.5 <= y + height


@settings(deadline=None, max_examples=60)
@given(documents())
def test_neighbours_in_a_run_are_neighbours_in_the_hall(drawn: PlanDocument) -> None:
    """Of all seats of a row, none is between two of one run; the distance along a run is the same."""
    for area, section in zip(lay_out(drawn).areas, drawn.sections, strict=True):
        for row in area.rows:
            for run in row.segments:
                places = list(points_of(run.course, run.count))
                apart = [math.dist(one, other) for one, other in pairwise(places)]
                assert all(gap == pytest.approx(apart[0], abs=1e-4) for gap in apart)
                if section.blocks[0].align != "justify" and apart:
                    assert apart[0] <= section.blocks[0].seat_spacing + 1e-4
            every = [number for run in row.segments for number in numbers_of(run)]
            assert len(set(every)) == len(every)


@settings(deadline=None, max_examples=60)
@given(documents())
def test_laid_out_halls_have_no_seat_on_another(drawn: PlanDocument) -> None:
    """Checked here against every other seat of the section, without the grid that `check` looks in."""
    checked_hall(drawn)
    for area in lay_out(drawn).areas:
        places = [point for row in area.rows for _, point in seats_of(row)]
        for index, one in enumerate(places):
            assert all(math.dist(one, other) > 0.74 for other in places[index + 1 :])


def test_seats_fit_beside_aisles_that_move_as_they_become_fewer() -> None:
    """With ten seats both aisles are at one place; with eight they are two, for which there is no room."""
    aisles = [{"after": "middle", "width": 1}, {"after": 5, "width": 3}]
    area = only_area(curve(radius=8, start=108, end=0, rows=1, seat_spacing=1.5, aisles=aisles))
    assert [run.count for run in area.rows[0].segments] == [3, 2, 1]
