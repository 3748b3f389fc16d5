"""The hall in its compact form: rows as courses instead of seats."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from catalog.halls.hall import Hall, HallArea, HallSegment, HallTable
from catalog.maps.wire import (
    AreaForm,
    HallForm,
    LevelForm,
    Point,
    RowForm,
    SegmentForm,
    StageForm,
    TableForm,
)
from catalog.session_halls import NumberedRow, hall_of, number_rows
from catalog.store import StoredHall
from contracts.halls import Arc, Course

DECIMALS = 2  # half a centimetre
STEP_DECIMALS = 5  # a step is taken some hundred times


def draw_hall(session_id: UUID, stored: StoredHall) -> HallForm:
    hall = hall_of(stored)
    return HallForm(
        session_id=session_id,
        currency=stored.currency,
        areas=[
            AreaForm(area_id=area.area_id, price=area.price, **area_shape(form, area.first_seat_id))
            for area, form in zip(stored.areas, hall.areas, strict=True)
        ],
        **hall_shape(hall),
    )


def hall_shape(hall: Hall) -> dict[str, Any]:
    """The fields of a HallShape."""
    x, y, width, height = hall.bounds
    stage = hall.stage
    return {
        "version": 1,
        "seat_count": sum(area.capacity for area in hall.areas),
        "bounds": (*_point((x, y)), *_point((width, height))),
        "focal_point": _point(hall.focal_point),
        "facing": hall.facing,
        "stage": None if stage is None else StageForm(_points(stage.outline), stage.label),
        "levels": [LevelForm(level.key, level.name) for level in hall.levels],
    }


def area_shape(area: HallArea, first_seat_id: int) -> dict[str, Any]:
    """The fields of an AreaShape."""
    return {
        "name": area.name,
        "kind": area.kind,
        "capacity": area.capacity,
        "first_seat_id": first_seat_id,
        "level": area.level,
        "entrance": area.entrance,
        "view": area.view,
        "outline": _points(area.outline),
        "label_at": _point(area.label_at),
        "rows": [_row(numbered) for numbered in number_rows(area, first_seat_id)],
    }


def _row(numbered: NumberedRow) -> RowForm:
    row, ids = numbered.row, numbered.seat_ids()
    return RowForm(
        label=row.label,
        segments=[
            _segment(segment, first)
            for segment, first in zip(row.segments, numbered.first_seat_ids, strict=True)
        ],
        accessible=[ids[number] for number in row.accessible],
        companions=[(ids[number], ids[seat]) for number, seat in row.companions],
        restricted=[ids[number] for number in row.restricted],
        blocked=sorted(ids[number] for number in {*row.blocked, *row.house}),
        whole=row.whole,
        table=None if row.table is None else _table(row.table),
    )


def _segment(segment: HallSegment, first_seat_id: int) -> SegmentForm:
    return SegmentForm(
        first_seat_id=first_seat_id,
        first_number=segment.first_number,
        count=segment.count,
        course=rounded_course(segment.course),
        step=segment.step,
        numbers=segment.numbers,
    )


def rounded_course(course: Course) -> Course:
    """A course that is as good to draw by and to measure by, in fewer digits."""
    x, y = _point((course.x, course.y))
    if isinstance(course, Arc):
        return Arc(
            x,
            y,
            round(course.radius, DECIMALS),
            round(course.start, STEP_DECIMALS),
            round(course.step, STEP_DECIMALS),
        )
    dx, dy = round(course.dx, STEP_DECIMALS), round(course.dy, STEP_DECIMALS)
    return msgspec.structs.replace(course, x=x, y=y, dx=dx, dy=dy)


def _table(table: HallTable) -> TableForm:
    x, y = _point((table.x, table.y))
    width, height = _point((table.width, table.height))
    return TableForm(table.shape, x, y, width, height, round(table.rotation, DECIMALS))


def _points(outline: Iterable[Point]) -> list[Point]:
    return [_point(corner) for corner in outline]


def _point(point: Point) -> Point:
    return round(point[0], DECIMALS), round(point[1], DECIMALS)
