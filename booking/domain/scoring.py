"""How good the seats of a session are, from where they are. Pure arithmetic; booking/seats/lua ranks by it.

A score is 0 to TOP, two bytes, TOP the best seat of the session. It falls with the distance to the plan's
focal point, more so with the angle from which the stage is seen, and with a restricted view.
"""

import cmath
import math
import struct
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import msgspec

TOP = 65_535
SIDE = 1.0  # a seat from which the stage is seen from the side is as one in front of it, twice as far away
RESTRICTED = 0.25  # of the whole scale: what a restricted view costs
BEHIND_MAX = 2.5  # how far the row behind may be, in pitches of seats
ASIDE_MAX = 0.75  # how far to the side the seat behind may be
REACH = math.hypot(BEHIND_MAX, ASIDE_MAX)
NO_SEAT = b"/|"

Point = complex  # x + y i


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
            found = lags_at(row.points, focal_point, facing)
            for position, lag in zip(row.positions, found, strict=True):
                lags[position - 1] = lag
        for before, after in pairwise(rows):
            for position, ahead in _behind(before, after, focal_point):
                behind[position - 1] = ahead
    return _packed(_scaled(lags, layout, restricted)) + _packed(behind)


def lags_at(points: Sequence[Point], focal_point: Point, facing: float | None) -> list[float]:
    """How much worse each point is than the focal point, in pitches of seats."""
    if facing is None:
        return [abs(point - focal_point) for point in points]
    to_side = SIDE * cmath.rect(1.0, -math.radians(facing))  # turns the front to the real axis
    return [
        (1.0 + SIDE) * abs(away := point - focal_point) - (away * to_side).real for point in points
    ]


def scores_of_rows(layout: bytes) -> bytes:
    """The same for a plan that does not say where seats are: rows in order, in each row from its middle, and
    rows one behind the other with their middles in line."""
    lags: list[float] = []
    behind, before = b"", b""
    for number, row in enumerate(layout.split(b"|")):
        lags += [number + aside for aside in _from_middle(len(row))]
        lags.append(0.0)  # of the row's end
        if number:
            behind += _behind_in_line(before, row)
        before = row
    behind += bytes(2 * len(before))
    return _packed(_scaled(lags[:-1], layout, ())) + behind


@lru_cache(maxsize=64)
def _from_middle(seats: int) -> list[float]:
    """For each seat of a row: 0 in its middle, a half at its ends."""
    return [abs(2 * at + 1 - seats) / (2 * seats) for at in range(seats)]


@lru_cache(maxsize=64)
def _behind_in_line(row: bytes, after: bytes) -> bytes:
    """Of a row and its end: two bytes a position, as `scores_of_places` gives them."""
    shift = (len(after) - len(row)) // 2
    ahead = len(row) + 1 + shift
    return _packed(
        [
            ahead if 0 <= at + shift < len(after) and after[at + shift] not in NO_SEAT else 0
            for at in range(len(row))
        ]
        + [0]
    )


def _behind(row: Placed, other: Placed, focal_point: Point) -> Iterator[tuple[int, int]]:
    """Of the seats of a row that have one of the next row behind them, seen from the focal point: their
    position, and how many positions further on that one is."""
    points, last = other.points, len(other.points) - 1
    at = min(range(last + 1), key=lambda one: abs(points[one] - row.points[0]), default=-1)
    if at < 0:
        return
    for position, point in zip(row.positions, row.points, strict=True):
        distance = abs(points[at] - point)  # from the one behind the neighbour on
        step = 1
        while step:
            while 0 <= at + step <= last and (nearer := abs(points[at + step] - point)) < distance:
                at, distance = at + step, nearer
            step = -1 if step == 1 else 0
        if distance > REACH:
            continue
        away = point - focal_point
        across = (points[at] - point) * away.conjugate() / (abs(away) or 1.0)
        ahead = other.positions[at] - position
        if (
            0 < across.real <= BEHIND_MAX
            and -ASIDE_MAX <= across.imag <= ASIDE_MAX
            and 0 < ahead <= TOP
        ):
            yield position, ahead


def _scaled(lags: Sequence[float], layout: bytes, restricted: Collection[int]) -> list[int]:
    """Scores from lags: the best of the seats has TOP, the worst 0; what is no seat has 0."""
    of_seats = [lag for lag, byte in zip(lags, layout, strict=True) if byte not in NO_SEAT]
    least = min(of_seats, default=0.0)
    span = max(of_seats, default=0.0) - least or 1.0
    if restricted:
        lags = list(lags)
        for one in restricted:
            lags[one - 1] += RESTRICTED * span
        of_seats = [lag for lag, byte in zip(lags, layout, strict=True) if byte not in NO_SEAT]
        least = min(of_seats, default=0.0)
        span = max(of_seats, default=0.0) - least or 1.0
    most, scale = least + span, TOP / span
    return [
        int((most - lag) * scale + 0.5) if byte not in NO_SEAT else 0
        for lag, byte in zip(lags, layout, strict=True)
    ]


def _packed(numbers: Sequence[int]) -> bytes:
    """Two bytes each."""
    return struct.pack(f">{len(numbers)}H", *numbers)
