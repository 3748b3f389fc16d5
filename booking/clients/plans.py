"""A session's plan, as catalog gives it, in booking's words: which seats, of which kind, how good."""

import cmath
import math
from collections.abc import Iterable, Sequence
from functools import partial

from booking.domain.scoring import Placed, Point, scores_of_places, scores_of_rows
from booking.domain.seating import Seating, Stretch
from contracts.catalog import RowPlan, SeatPlan, Segment
from contracts.halls import Arc, Course


def seating_of(plan: SeatPlan) -> Seating:
    stretches: list[Stretch] = []
    aisles: list[int] = []
    accessible: list[int] = []
    companions: list[int] = []
    kept: list[int] = []
    tables: list[list[int]] = []
    for area in plan.areas:
        for row in area.rows:
            for part in row.segments:
                where = (part.first_seat_id, part.count, area.area_id, area.name, row.label)
                numbers = (part.first_number, part.step, part.numbers)
                stretches.append(Stretch(*where, *numbers))
            aisles += (part.first_seat_id - 1 for part in row.segments[1:])
            accessible += positions_of(row, row.accessible)
            companions += positions_of(row, [one for one, _ in row.companions])
            kept += positions_of(row, [*row.blocked, *row.house])
            if row.whole:
                tables.append([at for one in row.segments for at in positions_in(one)])
    return Seating(
        plan.length,
        stretches,
        aisles=aisles,
        accessible=accessible,
        companions=companions,
        kept=kept,
        tables=tables,
        scores=partial(scores_of, plan),
    )


def scores_of(plan: SeatPlan, layout: bytes) -> bytes:
    """As scoring.scores_of_places; of a plan that says no places, as scoring.scores_of_rows."""
    rows = [row for area in plan.areas for row in area.rows]
    if all(segment.course is None for row in rows for segment in row.segments):
        return scores_of_rows(layout)
    restricted = {seat for row in rows for seat in positions_of(row, row.restricted)}
    areas = [[_placed(row) for row in area.rows] for area in plan.areas]
    return scores_of_places(areas, restricted, complex(*plan.focal_point), plan.facing, layout)


def positions_of(row: RowPlan, numbers: Iterable[int]) -> list[int]:
    """The positions of the seats with these printed numbers. A number that the row does not have is left
    out."""
    wanted = list(numbers)
    if not wanted:
        return []
    found = {
        number: segment.first_seat_id + ahead
        for segment in row.segments
        for ahead, number in enumerate(numbers_of(segment))
    }
    return [found[number] for number in wanted if number in found]


def positions_in(segment: Segment) -> range:
    return range(segment.first_seat_id, segment.first_seat_id + segment.count)


def numbers_of(segment: Segment) -> Sequence[int]:
    """The printed numbers of a segment's seats."""
    if segment.numbers is not None:
        return segment.numbers
    first, step, count = segment.first_number, segment.step, segment.count
    return [first] * count if not step else range(first, first + step * count, step)


def points_of(course: Course, count: int) -> list[Point]:
    """The points of a segment's seats."""
    if isinstance(course, Arc):
        centre, start, step = complex(course.x, course.y), course.start, course.step
        angles = [math.radians(start + ahead * step) for ahead in range(count)]
        return [centre + cmath.rect(course.radius, angle) for angle in angles]
    begin, pitch = complex(course.x, course.y), complex(course.dx, course.dy)
    return [begin + ahead * pitch for ahead in range(count)]


def _placed(row: RowPlan) -> Placed:
    seats = Placed([], [])
    for segment in row.segments:
        if segment.course is not None:
            seats.positions.extend(positions_in(segment))
            seats.points.extend(points_of(segment.course, segment.count))
    return seats
