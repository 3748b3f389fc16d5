"""The seat map: every seat with its place."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from catalog.halls.hall import Hall, HallArea, Outline, Point, points_of
from catalog.maps.standing import places_in
from catalog.maps.wire import AreaMap, Seat, SeatMap, SeatRow
from catalog.session_halls import NumberedRow, hall_of, number_rows
from catalog.store import AreaRow, StoredHall

DECIMALS = 3


def draw_seat_map(session_id: UUID, stored: StoredHall) -> SeatMap:
    """The map of a session's areas, in seat_id order. Its rows are already encoded."""
    hall = hall_of(stored)
    return SeatMap(
        session_id=session_id,
        seat_count=sum(area.capacity for area in stored.areas),
        width=round(hall.bounds[2], DECIMALS),
        height=round(hall.bounds[3], DECIMALS),
        areas=[
            _draw_area(area, form, stored.currency, hall)
            for area, form in zip(stored.areas, hall.areas, strict=True)
        ],
    )


def _draw_area(area: AreaRow, form: HallArea, currency: str, hall: Hall) -> AreaMap:
    """In the rectangle of the hall, which begins at (0, 0)."""
    left, top = hall.bounds[:2]
    x, y, width, height = rectangle_of(form.outline)
    return AreaMap(
        area_id=area.area_id,
        name=area.name,
        kind=form.kind,
        price=area.price,
        currency=currency,
        x=round(x - left, DECIMALS),
        y=round(y - top, DECIMALS),
        width=round(width, DECIMALS),
        height=round(height, DECIMALS),
        rows=list(_draw_rows(area, form, (left + 0.5, top + 0.5))),
    )


def rectangle_of(outline: Outline) -> tuple[float, float, float, float]:
    """x, y, width, height."""
    left, right = min(x for x, _ in outline), max(x for x, _ in outline)
    top, bottom = min(y for _, y in outline), max(y for _, y in outline)
    return left, top, right - left, bottom - top


def _draw_rows(area: AreaRow, form: HallArea, corner: Point) -> Iterator[Any]:
    """Encodes each row by itself: all seats of a large hall at once are 60 MB of objects, and encoding
    them in one step blocks every other thread. corner: where the seat map has (-0.5, -0.5)."""
    if form.kind == "standing":
        yield _encoded(SeatRow("", list(_places(area, form, corner))))
    else:
        for numbered in number_rows(form, area.first_seat_id):
            yield _encoded(SeatRow(numbered.row.label, list(_seats(numbered, corner))))


def _encoded(row: SeatRow) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(row))


def _places(area: AreaRow, form: HallArea, corner: Point) -> Iterator[Seat]:
    for index, (x, y) in enumerate(places_in(form.outline, area.capacity)):
        at = round(x - corner[0], DECIMALS), round(y - corner[1], DECIMALS)
        yield Seat(area.first_seat_id + index, "", index + 1, *at, accessible=False)


def _seats(numbered: NumberedRow, corner: Point) -> Iterator[Seat]:
    row, ids = numbered.row, numbered.seat_ids()
    companion_of = {companion: ids[seat] for companion, seat in row.companions}
    accessible, restricted = frozenset(row.accessible), frozenset(row.restricted)
    blocked = frozenset((*row.blocked, *row.house))
    points = (
        point for segment in row.segments for point in points_of(segment.course, segment.count)
    )
    for (number, seat_id), (x, y) in zip(ids.items(), points, strict=True):
        yield Seat(
            seat_id=seat_id,
            row=row.label,
            number=number,
            x=round(x - corner[0], DECIMALS),
            y=round(y - corner[1], DECIMALS),
            accessible=number in accessible,
            companion_of=companion_of.get(number, UNSET),
            restricted=number in restricted or UNSET,
            blocked=number in blocked or UNSET,
        )
