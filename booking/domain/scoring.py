"""How good the seats of a session are, from where they are. Pure arithmetic; booking/seats/lua ranks by it.

A score is 0 to TOP, two bytes, TOP the best seat of the session. It falls with the distance to the plan's
focal point, more so with the angle from which the stage is seen, and with a restricted view.
"""

import math
import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

TOP = 65_535
SIDE = 1.0  # a seat from which the stage is seen from the side is as one in front of it, twice as far away
RESTRICTED = 0.25  # of the whole scale: what a restricted view costs
BEHIND_MAX = 2.5  # how far the row behind may be, in pitches of seats
ASIDE_MAX = 0.75  # how far to the side the seat behind may be
NO_SEAT = b"/|"

Point = tuple[float, float]


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A row of seats as they lie: positions, and the point of each."""

    positions: list[int]
    points: list[Point]


def scores_of_places(
    areas: Sequence[Sequence[Placed]],
    restricted: Collection[int],
    focal_point: Point,
    facing: float | None,
    layout: bytes,
) -> bytes:
    """Two bytes a position: its score. Then two bytes a position: how many positions further on the seat
    behind it is, or 0. Big-endian.

    areas: the rows of each. restricted: positions with a restricted view. facing: from where the stage is
    seen from the front, in degrees; None in the round. layout: the bytes of its positions
    (booking/seats/bytes.py).
    """
    lags, behind = [0.0] * len(layout), [0] * len(layout)
    for rows in areas:
        for row in rows:
            for position, point in zip(row.positions, row.points, strict=True):
                lags[position - 1] = lag_at(point, focal_point, facing)
        for before, after in pairwise(rows):
            for position, other in _behind(before, after, focal_point):
                behind[position - 1] = other - position
    return _packed(_scaled(lags, _seats_of(layout), restricted)) + _packed(behind)


def lag_at(point: Point, focal_point: Point, facing: float | None) -> float:
    """How much worse a point is than the focal point, in pitches of seats."""
    x, y = point[0] - focal_point[0], point[1] - focal_point[1]
    distance = math.hypot(x, y)
    if facing is None or not distance:
        return distance
    front = math.radians(facing)
    cosine = (x * math.cos(front) + y * math.sin(front)) / distance
    return distance * (1.0 + SIDE * (1.0 - cosine))


def scores_of_rows(layout: bytes) -> bytes:
    """The same for a plan that does not say where seats are: rows in order, in each row from its middle, and
    rows one behind the other with their middles in line."""
    lags, behind = [0.0] * len(layout), [0] * len(layout)
    first, before = 0, (0, 0)
    for number, row in enumerate(layout.split(b"|")):
        length = len(row)
        for at in range(length):
            lags[first + at] = number + abs(2 * at + 1 - length) / (2 * length)
        shift = (length - before[1]) // 2
        for at in range(max(-shift, 0), min(before[1], length - shift)):
            if row[at + shift] not in NO_SEAT:
                behind[before[0] + at] = first + shift - before[0]
        before = (first, length)
        first += length + 1
    return _packed(_scaled(lags, _seats_of(layout), ())) + _packed(behind)


def _seats_of(layout: bytes) -> list[int]:
    return [place + 1 for place, byte in enumerate(layout) if byte not in NO_SEAT]


def _behind(row: Placed, other: Placed, focal_point: Point) -> Iterator[tuple[int, int]]:
    """Pairs of positions: a seat of a row, and the one of the next row that is behind it, seen from the focal
    point."""
    at = None
    for position, point in zip(row.positions, row.points, strict=True):
        at = _nearest(other.points, point, at)
        if at is None:
            return
        x, y = other.points[at][0] - point[0], other.points[at][1] - point[1]
        away_x, away_y = point[0] - focal_point[0], point[1] - focal_point[1]
        back = (x * away_x + y * away_y) / (math.hypot(away_x, away_y) or 1.0)
        aside = math.sqrt(max(x * x + y * y - back * back, 0.0))
        if 0 < back <= BEHIND_MAX and aside <= ASIDE_MAX and other.positions[at] > position:
            yield position, other.positions[at]


def _nearest(points: Sequence[Point], to: Point, start: int | None) -> int | None:
    """The place of the nearest point; near `start`, that of the neighbour's nearest, if there was one."""
    if start is None:
        return min(range(len(points)), key=lambda at: math.dist(points[at], to), default=None)
    at, distance = start, math.dist(points[start], to)
    for step in (1, -1):
        while (
            0 <= at + step < len(points)
            and (next_one := math.dist(points[at + step], to)) < distance
        ):
            at, distance = at + step, next_one
    return at


def _scaled(lags: Sequence[float], seats: Sequence[int], restricted: Collection[int]) -> list[int]:
    """Scores from lags: the best of the seats (positions) has TOP, the worst 0."""
    scores = [0] * len(lags)
    least = min((lags[one - 1] for one in seats), default=0.0)
    span = max((lags[one - 1] for one in seats), default=0.0) - least or 1.0
    worse = dict.fromkeys(restricted, RESTRICTED)
    whole = (
        max(((lags[one - 1] - least) / span + worse.get(one, 0.0) for one in seats), default=0.0)
        or 1.0
    )
    for one in seats:
        lag = (lags[one - 1] - least) / span + worse.get(one, 0.0)
        scores[one - 1] = round(TOP * (1.0 - lag / whole))
    return scores


def _packed(numbers: Iterable[int]) -> bytes:
    """Two bytes each; what does not fit is 0."""
    found = [number if 0 <= number <= TOP else 0 for number in numbers]
    return struct.pack(f">{len(found)}H", *found)
