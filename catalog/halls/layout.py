"""Lays out a checked plan document: sections with their rows, outlines and labels, and the stage."""

import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec import UNSET, structs

from catalog.halls.document import CurvedBlock, PlanDocument, Properties, Section, Stage
from catalog.halls.geometry import (
    MARGIN,
    Edge,
    bounds_of,
    hull_around,
    middle_of,
    on_circle,
    opened,
    outermost,
    sector,
)
from catalog.halls.hall import (
    Hall,
    HallArea,
    HallLevel,
    HallRow,
    HallStage,
    Outline,
    Point,
    numbers_of,
)
from catalog.halls.rows import rows_of
from contracts.halls import Arc

FACING_AN_END_STAGE = 90.0
POINT_STAGE_RADIUS = 1.0
LINE_STAGE_DEPTH = 0.5
RING_MAX = 359.5  # degrees


def lay_out(document: PlanDocument) -> Hall:
    """The hall of a document in which checks.check finds nothing."""
    stage = None if document.stage is None else _stage(document.stage)
    return hall_of(
        name=document.name,
        stage=stage,
        focal_point=document.focal_point or (middle_of(stage.outline) if stage else (0.0, 0.0)),
        facing=_facing(document),
        levels=tuple(HallLevel(level.key, level.name) for level in document.levels),
        areas=tuple(_area(section) for section in document.sections),
    )


def hall_of(
    *,
    name: str,
    stage: HallStage | None,
    focal_point: Point,
    facing: float | None,
    levels: tuple[HallLevel, ...],
    areas: tuple[HallArea, ...],
) -> Hall:
    """A hall of these parts, with its bounds."""
    corners = [corner for area in areas for corner in area.outline]
    corners += stage.outline if stage else ()
    for area in areas:
        corners += (
            (x + side, y + side)
            for x, y in _ends(area.rows)
            for side in (-0.5, 0.5)  # a seat is one unit wide
        )
    return Hall(name, bounds_of(corners), focal_point, facing, stage, levels, areas)


def _facing(document: PlanDocument) -> float | None:
    if document.facing is not UNSET:
        return document.facing
    in_the_round = document.stage is not None and document.stage.kind == "round"
    return None if in_the_round else FACING_AN_END_STAGE


def _stage(stage: Stage) -> HallStage:
    corners = opened(stage.outline)
    if len(corners) < 3:
        margin = POINT_STAGE_RADIUS if len(corners) == 1 else LINE_STAGE_DEPTH
        return HallStage(hull_around(corners, margin), stage.label)
    return HallStage(corners, stage.label)


def _area(section: Section) -> HallArea:
    rows = tuple(with_properties((row for _, row in rows_of(section)), section.properties))
    drawn, middle = (
        outline_around(section, rows)
        if section.outline is None
        else (opened(section.outline), None)
    )
    return HallArea(
        key=section.key,
        name=section.name,
        kind=section.kind,
        capacity=section.capacity or sum(run.count for row in rows for run in row.segments),
        outline=drawn,
        label_at=section.label_at or middle or middle_of(drawn),
        rows=rows,
        level=section.level,
        entrance=section.entrance,
        view=section.view,
    )


def _ends(rows: Iterable[HallRow]) -> Iterator[Point]:
    for row in rows:
        for run in row.segments:
            yield from outermost(run.course, run.count)


def outline_around(section: Section, rows: Sequence[HallRow]) -> tuple[Outline, Point | None]:
    """An outline around a section's seats, and where its label is if that is not the outline's middle:
    the part of a ring where all rows are on circles around one centre, else the seats' hull."""
    centres = {block.centre if isinstance(block, CurvedBlock) else None for block in section.blocks}
    if len(centres) == 1 and None not in centres and not section.tables:
        return ring_around(rows)
    tables = [row.table for row in rows if row.table is not None]
    points = [
        *_ends(rows),
        *((table.x, table.y) for table in tables),
    ]
    return hull_around(points), None


def ring_around(rows: Sequence[HallRow]) -> tuple[Outline, Point]:
    """The part of a ring around rows on circles around one centre, and its middle.

    It reaches as far as the first row and the last one do; where rows between them reach further, all of it
    reaches as far as the longest.
    """
    edges = sorted(_edges(rows))
    front, back = edges[0], edges[-1]
    left, right = max(edge.left for edge in edges), min(edge.right for edge in edges)
    if any(_sticks_out(edge, front, back) for edge in edges):
        front, back = Edge(front.radius, left, right), Edge(back.radius, left, right)
    middle = (left + right) / 2
    course = rows[0].segments[0].course
    centre = course.x, course.y
    margin = min(MARGIN, front.radius / 2)
    outline = sector(centre, _opened_ring(front), _opened_ring(back), margin)
    return outline, on_circle(centre, (front.radius + back.radius) / 2, middle)


def _edges(rows: Iterable[HallRow]) -> Iterator[Edge]:
    """Each row's circle with its ends, which have the margin of an outline."""
    for row in rows:
        arcs = [(run.course, run.count) for run in row.segments if isinstance(run.course, Arc)]
        first, (last, count) = arcs[0][0], arcs[-1]
        margin = math.degrees(MARGIN / first.radius)
        right = last.start + (count - 1) * last.step
        yield Edge(first.radius, first.start + margin, right - margin)


def _sticks_out(edge: Edge, front: Edge, back: Edge) -> bool:
    """Whether a row between two others reaches beyond what leads from one to the other, by more than half
    of its margin."""
    part = (edge.radius - front.radius) / max(back.radius - front.radius, 1.0)
    left = front.left + part * (back.left - front.left)
    right = front.right + part * (back.right - front.right)
    allowed = math.degrees(MARGIN / edge.radius) / 2
    return edge.left > left + allowed or edge.right < right - allowed


def _opened_ring(edge: Edge) -> Edge:
    """A full circle stays a little open, as outlines have no holes."""
    over = max(0.0, (edge.left - edge.right - RING_MAX) / 2)
    return Edge(edge.radius, edge.left - over, edge.right + over)


def with_properties(rows: Iterable[HallRow], properties: Sequence[Properties]) -> Iterator[HallRow]:
    """Rows with what a section says of their seats."""
    of_row: dict[str, list[Properties]] = {}
    for some in properties:
        for label in some.rows:
            of_row.setdefault(label, []).append(some)
    for row in rows:
        yield _with(row, of_row[row.label]) if row.label in of_row else row


def _with(row: HallRow, properties: Sequence[Properties]) -> HallRow:
    everybody = [number for run in row.segments for number in numbers_of(run)]

    def marked(name: str) -> tuple[int, ...]:
        seats = [some.seats for some in properties if getattr(some, name)]
        if None in seats:  # all of the row
            return tuple(sorted(everybody))
        return tuple(sorted({number for numbers in seats for number in numbers or ()}))

    companions = {
        (number, some.companion_of)
        for some in properties
        if some.companion_of is not None
        for number in some.seats or ()
    }
    return structs.replace(
        row,
        accessible=marked("accessible"),
        companions=tuple(sorted(companions)),
        restricted=marked("restricted"),
        blocked=marked("blocked"),
        house=marked("house"),
    )
