"""Polygons of a hall: outlines around seats, and what makes an outline a good one."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from catalog.halls.hall import Outline, Point
from contracts.halls import Arc, Course

MARGIN = 0.9  # from a seat's centre to the outline around it
SIDE_TURN_MAX = 4.0  # degrees between two corners of a sector's side
SAGITTA_MAX = 0.03  # how far a drawn outline may be from the circle that it stands for
AREA_MIN = 0.5  # of an outline, in square units
_EIGHTHS = [
    (math.cos(math.radians(angle)), math.sin(math.radians(angle))) for angle in range(0, 360, 45)
]


def opened(corners: Sequence[Point]) -> Outline:
    """An outline without its first corner again at the end, as many tools write it."""
    closed = len(corners) > 1 and corners[0] == corners[-1]
    return tuple(corners[:-1] if closed else corners)


def area_of(outline: Outline) -> float:
    """Signed: positive where corners go from the x axis to the y axis around the middle."""
    shifted = (*outline[1:], outline[0])
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(outline, shifted, strict=True)) / 2


def crosses_itself(outline: Outline) -> bool:
    """Whether two sides that are no neighbours meet. A side that goes back on its neighbour meets the one
    after that, but in a triangle, which then has no area.

    Sides are compared with those that begin before they end, from left to right.
    """
    count = len(outline)
    sides = sorted(
        (min(a[0], b[0]), max(a[0], b[0]), index, a, b)
        for index, a in enumerate(outline)
        for b in [outline[(index + 1) % count]]
    )
    active: list[tuple[float, float, int, Point, Point]] = []
    for side in sides:
        active = [other for other in active if other[1] >= side[0]]
        for other in active:
            neighbours = abs(side[2] - other[2]) in {1, count - 1}
            if not neighbours and _meet(side[3], side[4], other[3], other[4]):
                return True
        active.append(side)
    return False


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _between(a: Point, b: Point, c: Point) -> bool:
    """Whether c, which is on the line through a and b, is on the side from a to b."""
    return min(a[0], b[0]) <= c[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= c[1] <= max(a[1], b[1])


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    if max(a[1], b[1]) < min(c[1], d[1]) or max(c[1], d[1]) < min(a[1], b[1]):
        return False
    turns = _turn(a, b, c), _turn(a, b, d), _turn(c, d, a), _turn(c, d, b)
    if turns[0] * turns[1] < 0 and turns[2] * turns[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(turn == 0 and _between(*three) for turn, three in zip(turns, ends, strict=True))


def contains(outline: Outline, point: Point) -> bool:
    """Whether a point is inside; points on a side may be either."""
    x, y = point
    inside = False
    for (x1, y1), (x2, y2) in zip(outline, (*outline[1:], outline[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
            inside = not inside
    return inside


def middle_of(outline: Outline) -> Point:
    """A point inside to write a name at: the centroid, or if that is outside the middle of the widest
    stretch at some heights."""
    double = 2 * area_of(outline)
    x0, y0 = outline[0]  # near the origin, large coordinates cancel less
    pairs = list(zip(outline, (*outline[1:], outline[0]), strict=True))
    weights = [(a[0] - x0) * (b[1] - y0) - (b[0] - x0) * (a[1] - y0) for a, b in pairs]
    x = x0 + sum(w * (a[0] + b[0] - 2 * x0) for w, (a, b) in zip(weights, pairs, strict=True)) / (
        3 * double
    )
    y = y0 + sum(w * (a[1] + b[1] - 2 * y0) for w, (a, b) in zip(weights, pairs, strict=True)) / (
        3 * double
    )
    if contains(outline, (x, y)):
        return x, y
    low, high = min(p[1] for p in outline), max(p[1] for p in outline)
    stretches = [
        stretch
        for part in range(1, 16)
        for stretch in _stretches(outline, low + (high - low) * part / 16)
    ]
    left, right, at = max(stretches, key=lambda one: one[1] - one[0])
    return (left + right) / 2, at


def _stretches(outline: Outline, y: float) -> Iterator[tuple[float, float, float]]:
    """Where the line at this height is inside: from, to, y."""
    crossings = sorted(
        x1 + (y - y1) * (x2 - x1) / (y2 - y1)
        for (x1, y1), (x2, y2) in zip(outline, (*outline[1:], outline[0]), strict=True)
        if (y1 > y) != (y2 > y)
    )
    for left, right in zip(crossings[::2], crossings[1::2], strict=True):
        yield left, right, y


def hull_around(points: Iterable[Point], margin: float = MARGIN) -> Outline:
    """The convex hull of points, `margin` away from them and with its corners cut."""
    around = sorted(
        {
            (round(x + margin * dx, 3), round(y + margin * dy, 3))
            for x, y in _hull(sorted(set(points)))
            for dx, dy in _EIGHTHS
        }
    )
    return tuple(_hull(around))


def _hull(points: Sequence[Point]) -> list[Point]:
    """Andrew's monotone chain, of sorted points."""
    if len(points) < 3:
        return list(points)
    chains = []
    for ordered in (points, points[::-1]):
        chain: list[Point] = []
        for point in ordered:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        chains.append(chain[:-1])
    return chains[0] + chains[1]


def on_circle(centre: Point, radius: float, angle: float) -> Point:
    turned = math.radians(angle)
    return centre[0] + radius * math.cos(turned), centre[1] + radius * math.sin(turned)


def arc_points(centre: Point, radius: float, start: float, end: float) -> Iterator[Point]:
    """Corners along a circle, as few as its sagitta allows."""
    step = 2 * math.degrees(math.acos(max(0.0, 1 - SAGITTA_MAX / max(radius, SAGITTA_MAX))))
    count = max(1, math.ceil(abs(end - start) / max(step, 1.0)))
    for index in range(count + 1):
        yield on_circle(centre, radius, start + (end - start) * index / count)


class Edge(NamedTuple):
    """An end of a sector: its radius, and the angles of its left and right corner, left above right."""

    radius: float
    left: float
    right: float


def sector(centre: Point, front: Edge, back: Edge, margin: float = 0.0) -> Outline:
    """The part of a ring between two edges, which may be of different angles, and `margin` before and
    behind them."""
    turn = max(abs(front.left - back.left), abs(front.right - back.right))
    parts = 1 + math.floor(turn / SIDE_TURN_MAX)
    between = [_between_edges(front, back, part / parts) for part in range(parts + 1)]
    edges = [front._replace(radius=front.radius - margin)] if margin else []
    edges += between
    edges += [back._replace(radius=back.radius + margin)] if margin else []
    first, *inner, last = edges
    corners = (
        *arc_points(centre, first.radius, first.left, first.right),
        *(on_circle(centre, edge.radius, edge.right) for edge in inner),
        *arc_points(centre, last.radius, last.right, last.left),
        *(on_circle(centre, edge.radius, edge.left) for edge in reversed(inner)),
    )
    # both edges may be one
    return tuple(dict.fromkeys((round(x, 3), round(y, 3)) for x, y in corners))


def _between_edges(front: Edge, back: Edge, part: float) -> Edge:
    return Edge(
        *(one + part * (other - one) for one, other in zip(front, back, strict=True)),
    )


def outermost(course: Course, count: int) -> Iterator[Point]:
    """Points of a run of seats that decide its bounds: its ends, and of an arc where it turns."""
    if not isinstance(course, Arc):
        yield course.x, course.y
        yield course.x + (count - 1) * course.dx, course.y + (count - 1) * course.dy
        return
    last = course.start + (count - 1) * course.step
    low, high = min(course.start, last), max(course.start, last)
    centre = course.x, course.y
    quarters = range(math.ceil(low / 90), math.floor(high / 90) + 1)
    for angle in (low, *(90.0 * quarter for quarter in quarters), high):
        yield on_circle(centre, course.radius, angle)


def bounds_of(points: Iterable[Point]) -> tuple[float, float, float, float]:
    """x, y, width, height of points."""
    xs, ys = zip(*points, strict=True)
    left, top = min(xs), min(ys)
    return left, top, max(xs) - left, max(ys) - top
