"""Areas without geometry, laid out as a hall: a stage at the top, and tiers of curved rows around it.

Areas fill the tiers in the organizer's order, from front to back and from left to right. Each tier is centred
on the stage's axis. A tier ends where it is wide enough, and rather at a new price than within one.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from catalog.domain.plan import Row
from catalog.halls.geometry import Edge, on_circle, sector
from catalog.halls.hall import Hall, HallArea, HallRow, HallSegment, HallStage, Point
from catalog.halls.layout import FACING_AN_END_STAGE, hall_of, ring_around
from contracts.halls import Arc

FAN = math.radians(130)  # the widest angle that a tier takes around the stage
FRONT = math.radians(60)  # the angle of the first area, unless others need a larger circle
HALL_RATIO = 2.2  # of width to depth that the tiers aim for
FILLED = 0.4  # of a tier's width, from which on it ends at a new price
RADIUS_MIN = 8.0  # of the front row: on a smaller circle neighbours would come too near
RADIUS_A_WIDTH = 0.15  # of the front row, at least, as a part of the hall's width
ROW_SPACING = 1.6
AISLE = 1.0
BETWEEN_AREAS = 3.0
BETWEEN_TIERS = 4.0
STANDING_RATIO = 1.6  # of width to depth of a standing area
STAGE_DEPTH, STAGE_DEPTH_MAX = 4.0, 12.0
TO_STAGE = 4.0  # from the front row to the stage


class PlainArea(Protocol):
    """What an area says of itself; `rows` is None for a standing area."""

    @property
    def name(self) -> str: ...
    @property
    def price(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def rows(self) -> Sequence[Row] | None: ...


class _Size(NamedTuple):
    width: float
    depth: float
    price: int


class _Tier(NamedTuple):
    """Areas first … end - 1 beside each other; radius: of their front rows."""

    first: int
    end: int
    radius: float


class _Place(NamedTuple):
    centre: Point
    radius: float
    middle: float  # the angle of the middle of each row, in radians


def lay_out_areas(areas: Sequence[PlainArea], name: str = "") -> Hall:
    """A hall of these areas, with their indices as keys. No two seats are nearer than a seat's width."""
    sizes = [_size(area) for area in areas]
    tiers = _tiers(sizes)
    centre = 0.0, TO_STAGE - tiers[0].radius
    laid: list[HallArea] = []
    for tier in tiers:
        some = sizes[tier.first : tier.end]
        angle = math.pi / 2 + _width_of(some) / tier.radius / 2
        for index, size in enumerate(some, tier.first):
            middle = angle - size.width / tier.radius / 2
            laid.append(_area(areas[index], index, size, _Place(centre, tier.radius, middle)))
            angle -= (size.width + BETWEEN_AREAS) / tier.radius
    stage = _stage(_width_of(sizes[: tiers[0].end]), tiers[0].radius)
    focal_point = 0.0, stage.outline[0][1] / 2
    return hall_of(
        name=name,
        stage=stage,
        focal_point=focal_point,
        facing=FACING_AN_END_STAGE,
        levels=(),
        areas=tuple(laid),
    )


def _size(area: PlainArea) -> _Size:
    """As if its rows were straight: from the left side of its first seats to the right one of its last."""
    if area.rows is None:
        columns = math.ceil(math.sqrt(area.capacity * STANDING_RATIO))
        return _Size(columns, area.capacity / columns, area.price)
    width = max(_row_length(row) for row in area.rows) + 1.0
    return _Size(width, (len(area.rows) - 1) * ROW_SPACING + 1.0, area.price)


def _row_length(row: Row) -> float:
    """From the first seat's centre to the last one's."""
    return row.seats - 1 + len(row.aisles) * AISLE


def _width_of(sizes: Sequence[_Size]) -> float:
    return sum(size.width for size in sizes) + BETWEEN_AREAS * (len(sizes) - 1)


def _tiers(sizes: Sequence[_Size]) -> list[_Tier]:
    """Tiers from front to back. The front row's circle is large enough for tiers to follow each other."""
    space = sum((size.width + BETWEEN_AREAS) * (size.depth + BETWEEN_TIERS) for size in sizes)
    hall_width = max(math.sqrt(space * HALL_RATIO), *(size.width for size in sizes))
    radius = max(RADIUS_MIN, hall_width * RADIUS_A_WIDTH, sizes[0].width / FRONT)
    while True:
        tiers = list(_packed(sizes, radius, hall_width))
        # an area that is too wide for its place pushes all before it outwards as well
        lacking = max(_width_of(sizes[tier.first : tier.end]) / FAN - tier.radius for tier in tiers)
        if lacking <= 0:
            return tiers
        radius += lacking + 1e-6


def _packed(sizes: Sequence[_Size], radius: float, hall_width: float) -> Iterator[_Tier]:
    """Tiers on circles from `radius` on. A tier of one area may be wider than FAN allows."""
    first = 0
    while first < len(sizes):
        end = _end_of_tier(sizes, first, min(hall_width, radius * FAN))
        yield _Tier(first, end, radius)
        depth = max(size.depth for size in sizes[first:end])
        radius += depth + BETWEEN_TIERS
        first = end


def _end_of_tier(sizes: Sequence[_Size], first: int, width: float) -> int:
    """The first area that is not in the tier. Areas of one price that need several tiers are divided
    evenly among them."""
    alike = first + 1
    while alike < len(sizes) and sizes[alike].price == sizes[first].price:
        alike += 1
    of_them = _width_of(sizes[first:alike])
    share = of_them / math.ceil(of_them / width) + sizes[first].width / 2
    end, taken = first + 1, sizes[first].width
    while end < len(sizes):
        wider = taken + BETWEEN_AREAS + sizes[end].width
        if wider > width or (end < alike and wider > share):
            break
        if taken >= width * FILLED and sizes[end].price != sizes[end - 1].price:
            break
        end, taken = end + 1, wider
    return end


def _area(area: PlainArea, index: int, size: _Size, place: _Place) -> HallArea:
    centre, radius, middle = place
    if area.rows is None:
        across = math.degrees(middle)
        front, back = (
            Edge(one, across + half, across - half)
            for one in (radius, radius + size.depth)
            for half in [math.degrees(size.width / one / 2)]
        )
        outline = sector(centre, front, back)
        label_at = on_circle(centre, radius + size.depth / 2, across)
        return HallArea(str(index), area.name, "standing", area.capacity, outline, label_at)
    rows = tuple(
        _row(row, _Place(centre, radius + behind * ROW_SPACING, middle))
        for behind, row in enumerate(area.rows)
    )
    outline, label_at = ring_around(rows)
    return HallArea(str(index), area.name, "seated", area.capacity, outline, label_at, rows)


def _row(row: Row, place: _Place) -> HallRow:
    centre, radius, middle = place
    at = -_row_length(row) / 2
    step = -round(math.degrees(1 / radius), 6)
    runs = []
    number = 1
    for end in (*row.aisles, row.seats):
        start = round(math.degrees(middle - at / radius), 6)
        count = end - number + 1
        runs.append(HallSegment(number, count, Arc(*centre, radius, start, step)))
        at += count + AISLE
        number = end + 1
    return HallRow(row.label, tuple(runs), accessible=row.accessible)


def _stage(front: float, radius: float) -> HallStage:
    """In front of the first tier, as wide as it may be without reaching the ends of its curve."""
    beside = math.sqrt((radius - TO_STAGE / 2) ** 2 - (radius - TO_STAGE) ** 2)
    half = max(STAGE_DEPTH, min(front * 0.35, beside))
    depth = min(STAGE_DEPTH_MAX, max(STAGE_DEPTH, half / 2))
    return HallStage(((-half, -depth), (half, -depth), (half, 0.0), (-half, 0.0)))
