"""Rows of one section: how many seats each has, where they are and what is printed on them."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from catalog.halls.document import CurvedBlock, Section, StraightBlock, Table
from catalog.halls.hall import HallRow, HallSegment, HallTable, Point
from catalog.halls.naming import labels_by, left_half, numbers_by
from contracts.halls import Arc, Course, Line

Block = StraightBlock | CurvedBlock
ROUNDED = 6  # digits of a course

# Tables, in units: how far seats are from a table's edge, and the place that one seat needs along it.
SEAT_TO_EDGE = 0.7
ROUND_RADIUS_MIN, ROUND_RADIUS, ROUND_RADIUS_A_SEAT = 1.3, 1.1, 0.12
ALONG_A_TABLE = 1.2
TABLE_DEPTH = 1.6


class Gap(NamedTuple):
    """Space after a seat, counted from the left from 1."""

    after: int
    width: float


class RowsAisle(NamedTuple):
    """An aisle of a block; `rows`: the labels of those that have it, None for all."""

    after: int | Literal["middle"]
    width: float
    rows: frozenset[str] | None


def row_count(block: Block) -> int | None:
    """How many rows a block has; None if it does not say."""
    if isinstance(block.labels, list):
        return len(block.labels)
    if block.rows is not None:
        return block.rows
    if isinstance(block.seats, list):
        return len(block.seats)
    return len(block.numbers) if block.numbers is not None and len(block.numbers) > 1 else None


def labels_of(block: Block) -> list[str]:
    if isinstance(block.labels, list):
        return block.labels
    return labels_by(block.labels, row_count(block) or 0)


def radius_of(block: CurvedBlock, row: int) -> float:
    return block.radius + row * block.row_spacing


def span_of(block: CurvedBlock, row: int) -> float:
    """The length of a row's circle between the block's two ends. A seat fills its spacing of it."""
    return math.radians(block.start - block.end) * radius_of(block, row)


def row_sizes(block: Block) -> list[int]:
    """Seats of each row, front to back; 0 where not one fits. The block's counts agree with each other."""
    count = row_count(block) or 0
    if isinstance(block.seats, list):
        return block.seats
    if block.seats is not None:
        return [block.seats] * count
    if block.numbers is not None:
        sizes = [len(numbers) for numbers in block.numbers]
        return sizes if len(sizes) == count else sizes * count
    assert isinstance(block, CurvedBlock)
    aisles = aisles_of(block)
    return [_fitting(block, row, label, aisles) for row, label in enumerate(labels_of(block))]


def _fitting(block: CurvedBlock, row: int, label: str, aisles: Sequence[RowsAisle]) -> int:
    """As many seats as fit beside a row's aisles: an even number around one in the middle. Fewer seats move
    aisles, so this goes down until they fit."""
    span = span_of(block, row) + 1e-9
    even = any(aisle.after == "middle" for aisle in aisles)
    seats = math.floor(span / block.seat_spacing)
    while seats > 0:
        seats -= seats % 2 if even else 0
        free = span - sum(gap.width for gap in gaps_of(aisles, label, seats))
        fitting = math.floor(free / block.seat_spacing)
        if seats <= fitting:
            return seats
        seats = min(seats - 1, fitting)
    return 0


def aisles_of(block: Block) -> list[RowsAisle]:
    return [
        RowsAisle(aisle.after, aisle.width, None if aisle.rows is None else frozenset(aisle.rows))
        for aisle in block.aisles
    ]


def gaps_of(aisles: Sequence[RowsAisle], label: str, seats: int) -> list[Gap]:
    """A row's aisles from the left; where two are at the same seat, the wider one."""
    widths: dict[int, float] = {}
    for aisle in aisles:
        after = left_half(seats) if aisle.after == "middle" else aisle.after
        after = after if after > 0 else seats + after
        if 0 < after < seats and (aisle.rows is None or label in aisle.rows):
            widths[after] = max(aisle.width, widths.get(after, 0.0))
    return [Gap(after, widths[after]) for after in sorted(widths)]


def length_of(seats: int, spacing: float, gaps: Sequence[Gap]) -> float:
    """From the first seat's centre to the last one's."""
    return (seats - 1) * spacing + sum(gap.width for gap in gaps)


def rows_of(section: Section) -> Iterator[tuple[str, HallRow]]:
    """A section's rows in order, without their properties, each with the path of what it comes from."""
    for index, block in enumerate(section.blocks):
        for row in rows_of_block(block):
            yield f"blocks.{index}", row
    for index, table in enumerate(section.tables):
        yield f"tables.{index}", row_of_table(table)


def rows_of_block(block: Block) -> Iterator[HallRow]:
    labels, sizes, aisles = labels_of(block), row_sizes(block), aisles_of(block)
    gaps = [gaps_of(aisles, label, seats) for label, seats in zip(labels, sizes, strict=True)]
    lengths = [
        length_of(seats, block.seat_spacing, some) for seats, some in zip(sizes, gaps, strict=True)
    ]
    longest = max(lengths)
    numbers = _numbers_of_rows(block, sizes)
    for index, label in enumerate(labels):
        place: _Straight | _Curved
        if isinstance(block, StraightBlock):
            place = _straight(block, index, longest)
        else:
            place = _curved(block, index)
        at, spacing = _begin(block, sizes[index], place.width - lengths[index])
        runs = _runs(numbers[index], gaps[index], place, at, spacing)
        yield HallRow(label=label, segments=tuple(runs), whole=block.whole)


def _numbers_of_rows(block: Block, sizes: Sequence[int]) -> list[Sequence[int]]:
    if block.numbers is None:
        known = {size: numbers_by(block.numbering, size) for size in set(sizes)}
        return [known[size] for size in sizes]
    return [block.numbers[index if len(block.numbers) > 1 else 0] for index in range(len(sizes))]


def _begin(block: Block, seats: int, free: float) -> tuple[float, float]:
    """Where a row's first seat is, from the left end of its width, and the distance between its seats.
    `free`: what the row leaves of that width."""
    if block.align == "justify" and seats > 1:
        return 0.0, block.seat_spacing + free / (seats - 1)
    if block.align == "left":
        return 0.0, block.seat_spacing
    return (free if block.align == "right" else free / 2), block.seat_spacing


class _Straight(NamedTuple):
    left: Point  # the left end
    along: Point  # one unit to the right
    width: float

    def course(self, at: float, spacing: float) -> Course:
        (x, y), (dx, dy) = self.left, self.along
        return Line(
            round(x + at * dx, ROUNDED),
            round(y + at * dy, ROUNDED),
            round(spacing * dx, ROUNDED),
            round(spacing * dy, ROUNDED),
        )


class _Curved(NamedTuple):
    centre: Point
    radius: float
    left: float  # the angle of the left end
    width: float

    def course(self, at: float, spacing: float) -> Course:
        return Arc(
            *self.centre,
            round(self.radius, ROUNDED),
            round(self.left - math.degrees(at / self.radius), ROUNDED),
            round(-math.degrees(spacing / self.radius), ROUNDED),
        )


def _straight(block: StraightBlock, row: int, width: float) -> _Straight:
    turned = math.radians(block.rotation)
    along = math.cos(turned), math.sin(turned)
    back = row * block.row_spacing
    right = back * math.tan(math.radians(block.skew)) - width / 2
    return _Straight(
        (
            block.at[0] + right * along[0] - back * along[1],
            block.at[1] + right * along[1] + back * along[0],
        ),
        along,
        width,
    )


def _curved(block: CurvedBlock, row: int) -> _Curved:
    radius = radius_of(block, row)
    inset = math.degrees(block.seat_spacing / 2 / radius)
    return _Curved(
        block.centre, radius, block.start - inset, span_of(block, row) - block.seat_spacing
    )


def _runs(
    numbers: Sequence[int],
    gaps: Sequence[Gap],
    place: _Straight | _Curved,
    at: float,
    spacing: float,
) -> Iterator[HallSegment]:
    """A row's runs of seats. `at`: where its first seat is, from the left end of the row's width."""
    begin = 0
    for end, width in (*gaps, Gap(len(numbers), 0.0)):
        yield run_of(numbers[begin:end], place.course(at, spacing))
        at += (end - begin) * spacing + width
        begin = end


def run_of(numbers: Sequence[int], course: Course) -> HallSegment:
    """Adjacent seats with these numbers, which are kept as a sequence where they are one."""
    if isinstance(numbers, range):
        return HallSegment(numbers[0], len(numbers), course, step=numbers.step)
    steps = {after - before for before, after in pairwise(numbers)}
    if len(steps) > 1:
        return HallSegment(numbers[0], len(numbers), course, numbers=tuple(numbers))
    return HallSegment(numbers[0], len(numbers), course, step=steps.pop() if steps else 1)


def row_of_table(table: Table) -> HallRow:
    x, y = table.at
    if table.shape == "round":
        radius = max(ROUND_RADIUS_MIN, ROUND_RADIUS + table.seats * ROUND_RADIUS_A_SEAT)
        size = round(2 * (radius - SEAT_TO_EDGE), ROUNDED)
        course = Arc(x, y, radius, table.rotation, round(360 / table.seats, ROUNDED))
        return HallRow(
            label=table.label,
            segments=(HallSegment(1, table.seats, course),),
            whole=table.whole,
            table=HallTable("round", x, y, size, size, table.rotation),
        )
    near = (table.seats + 1) // 2
    width = near * ALONG_A_TABLE
    turned = math.radians(table.rotation)
    return HallRow(
        label=table.label,
        segments=tuple(_sides(table, near, (math.cos(turned), math.sin(turned)))),
        whole=table.whole,
        table=HallTable("rectangle", x, y, width, TABLE_DEPTH, table.rotation),
    )


def _sides(table: Table, near: int, along: Point) -> Iterator[HallSegment]:
    """The seats on the two long sides of a rectangular table, clockwise."""
    x, y = table.at
    away = TABLE_DEPTH / 2 + SEAT_TO_EDGE
    for first, count, side in ((1, near, 1.0), (near + 1, table.seats - near, -1.0)):
        if count == 0:
            continue
        dx, dy = side * along[0], side * along[1]
        left = -(count - 1) / 2 * ALONG_A_TABLE
        course = Line(
            round(x + left * dx + away * dy, ROUNDED),
            round(y + left * dy - away * dx, ROUNDED),
            round(ALONG_A_TABLE * dx, ROUNDED),
            round(ALONG_A_TABLE * dy, ROUNDED),
        )
        yield HallSegment(first, count, course)
