"""Polygons: which are simple, and what is in them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.halls.geometry import (
    Edge,
    area_of,
    bounds_of,
    contains,
    crosses_itself,
    hull_around,
    middle_of,
    opened,
    outermost,
    sector,
)
from catalog.halls.hall import points_of
from contracts.halls import Arc

SQUARE = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0))


@pytest.mark.parametrize(
    "corners",
    [
        [(0, 0), (4, 4), (4, 0), (0, 4)],  # a bow tie
        [(0, 0), (4, 0), (4, 4), (2, 0), (0, 4)],  # a corner on a side
        [(0, 0), (4, 0), (2, 0), (2, 4)],  # a side that goes back on the one before
        [(0, 0), (4, 0), (4, 0), (4, 4)],  # a corner twice
        [(0, 0), (2, 2), (4, 0), (4, 4), (2, 2), (0, 4)],  # touches itself in a corner
        [(0, 0), (9, 0), (9, 5), (6, 5), (6, -1), (3, -1), (3, 5), (0, 5)],  # far from neighbours
    ],
)
def test_outlines_that_cross_or_touch_themselves(corners: list[tuple[float, float]]) -> None:
    for turn in range(len(corners)):
        turned = (*corners[turn:], *corners[:turn])
        assert crosses_itself(turned)
        assert crosses_itself(turned[::-1])


@pytest.mark.parametrize(
    "corners",
    [
        SQUARE,
        ((0, 0), (2, 0), (4, 0), (4, 4), (0, 4)),  # a corner within a straight side
        ((0, 0), (2, 0), (2, 8), (10, 8), (10, 0), (12, 0), (12, 10), (0, 10)),  # a U
        sector((0, 0), Edge(5, 350, 0), Edge(9, 350, 0)),
    ],
)
def test_simple_outlines(corners: tuple[tuple[float, float], ...]) -> None:
    assert not crosses_itself(corners)


points = st.tuples(st.floats(-100, 100), st.floats(-100, 100))


@given(st.lists(points, min_size=1, max_size=30))
def test_a_hull_is_simple_and_around_all_points(some: list[tuple[float, float]]) -> None:
    hull = hull_around(some)
    assert not crosses_itself(hull)
    assert area_of(hull) > 0
    assert all(contains(hull, point) for point in some)
    assert contains(hull, middle_of(hull))


@given(st.lists(st.floats(0.5, 9), min_size=3, max_size=40))
def test_stars_are_simple_and_have_their_label_inside(radii: list[float]) -> None:
    """Corners at growing angles around a point, at any distance."""
    count = len(radii)
    star = tuple(
        (radius * math.cos(2 * math.pi * i / count), radius * math.sin(2 * math.pi * i / count))
        for i, radius in enumerate(radii)
    )
    assert not crosses_itself(star)
    assert contains(star, middle_of(star))


@given(st.floats(1, 50), st.floats(-360, 360), st.floats(-20, 20).filter(bool), st.integers(1, 60))
def test_the_outermost_points_of_an_arc_bound_all_of_its_seats(
    radius: float, start: float, step: float, count: int
) -> None:
    arc = Arc(3, 4, radius, start, step)
    x, y, width, height = bounds_of(outermost(arc, count))
    for px, py in points_of(arc, count):
        assert x - 1e-6 <= px <= x + width + 1e-6
        assert y - 1e-6 <= py <= y + height + 1e-6


def test_a_closed_outline_is_opened() -> None:
    assert opened([*SQUARE, SQUARE[0]]) == SQUARE
    assert opened(SQUARE) == SQUARE
