"""Lays out a checked plan document: sections with their rows, outlines and labels, and the stage."""

import math
from collections.abc import Iterable, Iterator, Sequence

from msgspec import UNSET, structs

from catalog.halls.document import CurvedBlock, PlanDocument, Properties, Section, Stage
from catalog.halls.geometry import (
    MARGIN,
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
    HallSegment,
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
        return ring_around([run for row in rows for run in row.segments])
    tables = [row.table for row in rows if row.table is not None]
    points = [
        *_ends(rows),
        *((table.x, table.y) for table in tables),
    ]
    return hull_around(points), None


def ring_around(runs: Sequence[HallSegment]) -> tuple[Outline, Point]:
    """The part of a ring around runs of seats on circles around one centre, and its middle."""
    arcs = [(run.course, run.count) for run in runs if isinstance(run.course, Arc)]
    centre = arcs[0][0].x, arcs[0][0].y
    inner = max(0.0, min(arc.radius for arc, _ in arcs) - MARGIN)
    outer = max(arc.radius for arc, _ in arcs) + MARGIN
    angles = [
        angle
        for arc, count in arcs
        for margin in [math.degrees(MARGIN / arc.radius)]
        for end in (arc.start, arc.start + (count - 1) * arc.step)
        for angle in (end - margin, end + margin)
    ]
    start, end = max(angles), min(angles)
    middle = on_circle(centre, (inner + outer) / 2, (start + end) / 2)
    return sector(centre, inner, outer, start, end), middle


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
