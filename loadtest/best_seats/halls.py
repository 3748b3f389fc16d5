"""Five halls to measure in, as the plans that catalog gives to booking."""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

from contracts.catalog import AreaPlan, RowPlan, SeatPlan, Segment
from contracts.halls import Arc, Course, Line

AREA = UUID(int=1)
Rows = Sequence[Sequence[tuple[int, Course]]]  # segments: number of seats, and where they are


def theatre() -> SeatPlan:
    """Twenty curved rows around the stage, with an aisle in the middle."""
    rows = []
    for row in range(20):
        radius, seats = 14 + 2 * row, 10 + row // 3
        step = math.degrees(1 / radius)
        rows.append(
            [
                (seats, Arc(0, 0, radius, 90 - (seats + 0.5) * step, step)),
                (seats, Arc(0, 0, radius, 90 + 1.5 * step, step)),
            ]
        )
    return _plan(rows, restricted={19: [1, 2, 3, 20, 21]})


def stadium_section() -> SeatPlan:
    """Thirty straight rows, far away and to one side."""
    return _plan([[(18, Line(20, 30 + 2 * row, 1, 0))] for row in range(30)])


def round_arena() -> SeatPlan:
    """Six rows in each of four blocks around the middle, which is seen as well from everywhere."""
    rows = [
        [(12 + row, Arc(0, 0, radius := 12 + 2 * row, turn - 30, 57 / radius))]
        for turn in (0, 90, 180, 270)
        for row in range(6)
    ]
    return _plan(rows, facing=None)


def club() -> SeatPlan:
    """Forty tables of eight seats, four a side; each side is a row of its own."""
    rows = []
    for table in range(40):
        x, y = 8 * (table % 5) - 18, 6 + 5 * (table // 5)
        rows += [[(4, Line(x, y, 1, 0))], [(4, Line(x, y + 2, 1, 0))]]
    return _plan(rows)


def odd_shapes() -> SeatPlan:
    """Rows of one to three pieces of any length, anywhere, some with a restricted view."""
    dice, rows = random.Random(13), []
    for row in range(24):
        x, pieces = -20.0 + dice.uniform(-5, 5), []
        for _ in range(dice.randint(1, 3)):
            seats = dice.randint(1, 14)
            pieces.append((seats, Line(x, 5 + 1.8 * row, 1, dice.uniform(-0.2, 0.2))))
            x += seats + dice.uniform(1, 3)
        rows.append(pieces)
    return _plan(rows, restricted={row: [1, 2] for row in range(0, 24, 3)})


HALLS: dict[str, Callable[[], SeatPlan]] = {
    "theatre": theatre,
    "stadium section": stadium_section,
    "round arena": round_arena,
    "club with tables": club,
    "odd shapes": odd_shapes,
}


def _plan(
    rows: Rows,
    *,
    facing: float | None = 90.0,
    restricted: dict[int, Iterable[int]] | None = None,
) -> SeatPlan:
    position, found = 1, []
    for place, pieces in enumerate(rows):
        segments, number = [], 1
        for seats, course in pieces:
            segments.append(Segment(position, number, seats, course=course))
            position, number = position + seats + 1, number + seats
        found.append(
            RowPlan(str(place + 1), segments, restricted=list((restricted or {}).get(place, ())))
        )
    areas = [AreaPlan(AREA, "A", found)]
    return SeatPlan(UUID(int=2), position - 2, areas, (0.0, 0.0), facing)
