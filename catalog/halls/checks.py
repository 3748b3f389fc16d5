"""What a plan document may not say. Each finding names its field (`sections.3.blocks.0.seats`).

Findings come in three passes, and a pass with findings is the last: counts, which bound what the next ones
cost; each part by itself; and seats as they are laid out, which may not overlap. All of it takes time that
grows with the number of seats, rows and corners, whatever the document says.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from catalog.halls.document import (
    COORDINATE_MAX,
    CORNERS_A_PLAN_MAX,
    MARKED_SEATS_MAX,
    SEATS_A_ROW_MAX,
    SEATS_MAX,
    CurvedBlock,
    LabelRule,
    Numbering,
    PlanDocument,
    Section,
    Stage,
    StraightBlock,
)
from catalog.halls.geometry import AREA_MIN, area_of, crosses_itself, opened
from catalog.halls.hall import Hall, HallRow, Point, seats_of
from catalog.halls.layout import lay_out
from catalog.halls.marks import check_properties
from catalog.halls.naming import first_place
from catalog.halls.overlaps import overlapping
from catalog.halls.rows import (
    Block,
    aisles_of,
    gaps_of,
    labels_of,
    length_of,
    row_count,
    row_sizes,
    rows_of,
    span_of,
)
from chassis.problems import FieldError, ValidationFailed

ERRORS_MAX = 100  # errors in one answer

Findings = Iterator[FieldError]


def checked_hall(document: PlanDocument) -> Hall:
    """The document, laid out. Raises ValidationFailed with its errors, and then nothing is laid out."""
    errors = list(islice(check(document), ERRORS_MAX))
    if errors:
        raise ValidationFailed(errors=errors)
    return lay_out(document)


def check(document: PlanDocument) -> Findings:
    """All that is wrong with a document, in the order of its fields within each pass."""
    for one_pass in (_counts, _parts, _seats):
        found = False
        for error in one_pass(document):
            found = True
            yield error
        if found:
            return


# What it costs to look further


def effort_of(document: PlanDocument) -> int:
    """An upper bound of the seats and marks of seats that check looks at one by one, found without counting
    them."""
    effort = 0
    for section in document.sections:
        effort += sum(len(some.rows) * len(some.seats or (0,)) for some in section.properties)
        effort += sum(table.seats for table in section.tables)
        for block in section.blocks:
            rows = row_count(block) or 0
            effort += rows * _row_at_most(block, rows)
    return effort


def _row_at_most(block: Block, rows: int) -> int:
    if block.seats is not None:
        return max(block.seats) if isinstance(block.seats, list) else block.seats
    if block.numbers is not None:
        return max(map(len, block.numbers))
    if isinstance(block, StraightBlock):  # which is refused
        return 0
    fitting = span_of(block, rows) / block.seat_spacing  # the last row is the longest
    return int(max(0, min(SEATS_A_ROW_MAX, fitting)))


def _counts(document: PlanDocument) -> Findings:
    """Corners, rows and marked seats, which the document says itself; then seats, which rows decide."""
    rows = corners = marks = wrong = 0
    for path, section in _each("sections", document.sections):
        corners += len(section.outline or ())
        marks += sum(len(some.rows) * len(some.seats or (0,)) for some in section.properties)
        rows += len(section.tables)
        for inner, block in _each(f"{path}.blocks", section.blocks):
            for error in _block_counts(inner, block):
                wrong += 1
                yield error
            rows += row_count(block) or 0
    for name, count, most in (
        ("corners", corners, CORNERS_A_PLAN_MAX),
        ("marks of seats", marks, MARKED_SEATS_MAX),
        ("seats", rows, SEATS_MAX),  # each row has one
    ):
        if count > most:
            wrong += 1
            yield _too_many(name, count, most)
    if not wrong:
        yield from _seat_counts(document)


def _too_many(name: str, count: int, most: int) -> FieldError:
    return FieldError("sections", f"have at least {count} {name}; a plan has at most {most}")


def _each(path: str, items: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    for index, item in enumerate(items):
        yield f"{path}.{index}", item


def _block_counts(path: str, block: Block) -> Findings:
    """Whether a block says how many rows it has, and says the same everywhere."""
    yield from _numbers(path, block)
    if isinstance(block.labels, LabelRule) and first_place(block.labels) is None:
        letters = block.labels.style == "letters"
        yield FieldError(
            f"{path}.labels.from",
            "must be letters without I and O" if letters else "must be a number",
        )
    count = row_count(block)
    if count is None:
        yield FieldError(f"{path}.rows", "is needed without a list of labels")
        return
    if block.rows is not None and block.rows != count:
        yield FieldError(f"{path}.rows", f"must be {count}, as there are {count} labels")
    if isinstance(block.seats, list) and len(block.seats) != count:
        yield FieldError(f"{path}.seats", f"must be one number, or {count}, one for each row")
    elif block.numbers is not None:
        yield from _explicit_numbers(path, block, count)
    elif block.seats is None and not isinstance(block, CurvedBlock):
        yield FieldError(f"{path}.seats", "is needed in straight rows")
    for inner, aisle in _each(f"{path}.aisles", block.aisles):
        yield from _numbers(inner, aisle)
        if aisle.after == 0:
            yield FieldError(f"{inner}.after", "must not be 0")
    if isinstance(block, CurvedBlock) and not 0 < block.start - block.end <= 360:
        yield FieldError(f"{path}.start", "must be above end, by at most 360 degrees")


def _explicit_numbers(path: str, block: Block, count: int) -> Findings:
    assert block.numbers is not None
    if block.numbering != Numbering():
        yield FieldError(f"{path}.numbering", "must not be given beside numbers")
    if len(block.numbers) not in {1, count}:
        yield FieldError(f"{path}.numbers", f"must be one list, or {count}, one for each row")
        return
    for index, numbers in enumerate(block.numbers):
        if len(set(numbers)) < len(numbers):
            yield FieldError(f"{path}.numbers.{index}", "must not have a number twice")
        seats = block.seats[index] if isinstance(block.seats, list) else block.seats
        if seats is not None and seats != len(numbers):
            yield FieldError(f"{path}.numbers.{index}", f"must be {seats}, one for each seat")


def _numbers(path: str, part: Any) -> Findings:
    """Documents made by code may hold NaN or infinity, which no JSON can."""
    for name in part.__struct_fields__:
        value = getattr(part, name)
        coordinates = value if isinstance(value, tuple) else (value,)
        if any(isinstance(one, float) and not abs(one) <= COORDINATE_MAX for one in coordinates):
            yield FieldError(
                f"{path}.{name}".lstrip("."), f"must be a number of at most {COORDINATE_MAX:g}"
            )


def _seat_counts(document: PlanDocument) -> Findings:
    total = 0
    for path, section in _each("sections", document.sections):
        total += section.capacity or 0
        total += sum(table.seats for table in section.tables)
        for inner, block in _each(f"{path}.blocks", section.blocks):
            sizes = row_sizes(block)
            yield from _row_sizes(f"{inner}.seats", block, sizes)
            total += sum(sizes)
    if total > SEATS_MAX:
        yield FieldError("sections", f"have {total} seats; a plan has at most {SEATS_MAX}")


def _row_sizes(path: str, block: Block, sizes: Sequence[int]) -> Findings:
    """The first row whose seats are none, too many, or more than fit on its circle."""
    aisles = aisles_of(block)
    for index, (label, seats) in enumerate(zip(labels_of(block), sizes, strict=True)):
        if not 1 <= seats <= SEATS_A_ROW_MAX:
            yield FieldError(
                path, f'row "{label}" has {seats} seats; a row has 1 to {SEATS_A_ROW_MAX}'
            )
            return
        if isinstance(block, CurvedBlock):
            length = length_of(seats, block.seat_spacing, gaps_of(aisles, label, seats))
            if length + block.seat_spacing > span_of(block, index) + 1e-6:
                yield FieldError(
                    path, f'row "{label}" is too short between start and end for {seats} seats'
                )
                return


# Each part by itself


def _parts(document: PlanDocument) -> Findings:
    if document.stage is not None:
        yield from _stage(document.stage)
    elif document.focal_point is None:
        yield FieldError("focal_point", "is needed without a stage")
    yield from _numbers("", document)
    yield from _unique("levels", document.levels, "key", lambda level: level.key)
    levels = {level.key for level in document.levels}
    for path, section in _each("sections", document.sections):
        if section.level is not None and section.level not in levels:
            yield FieldError(f"{path}.level", "is no level of this plan")
        if section.outline is not None:
            yield from _outline(f"{path}.outline", section.outline)
        yield from _numbers(path, section)
        yield from (
            _standing(path, section) if section.kind == "standing" else _seated(path, section)
        )
    yield from _unique("sections", document.sections, "key", lambda section: section.key)
    yield from _unique("sections", document.sections, "name", lambda section: section.name)


def _unique(path: str, items: Iterable[Any], name: str, key: Callable[[Any], str]) -> Findings:
    seen: set[str] = set()
    for inner, item in _each(path, items):
        if key(item) in seen:
            yield FieldError(f"{inner}.{name}", "is used twice")
        seen.add(key(item))


def _stage(stage: Stage) -> Findings:
    corners = {"point": 1, "line": 2}.get(stage.kind)
    if corners is None:
        yield from _outline("stage.outline", stage.outline)
    elif len(stage.outline) != corners:
        yield FieldError("stage.outline", f"must have {corners} corners for a {stage.kind}")
    else:
        yield from _corners("stage.outline", stage.outline)


def _outline(path: str, corners: Sequence[Point]) -> Findings:
    """The first reason why this is no simple polygon."""
    unusable = list(_corners(path, corners))
    if unusable:
        yield unusable[0]
        return
    outline = opened(corners)
    if len(outline) < 3:
        yield FieldError(path, "must have at least 3 corners")
    elif crosses_itself(outline):
        yield FieldError(path, "must not cross or touch itself")
    elif abs(area_of(outline)) < AREA_MIN:
        yield FieldError(path, "must enclose an area")


def _corners(path: str, corners: Sequence[Point]) -> Findings:
    for inner, corner in _each(path, corners):
        if not all(abs(one) <= COORDINATE_MAX for one in corner):
            yield FieldError(inner, f"must be two numbers of at most {COORDINATE_MAX:g}")


def _standing(path: str, section: Section) -> Findings:
    for name in ("blocks", "tables", "properties"):
        if getattr(section, name):
            yield FieldError(f"{path}.{name}", "must not be given for a standing section")
    for name in ("capacity", "outline"):
        if getattr(section, name) is None:
            yield FieldError(f"{path}.{name}", "is needed for a standing section")


def _seated(path: str, section: Section) -> Findings:
    if section.capacity is not None:
        yield FieldError(f"{path}.capacity", "must not be given for a seated section")
    if not section.blocks and not section.tables:
        yield FieldError(f"{path}.blocks", "must have at least one, or tables, in a seated section")
    for inner, table in _each(f"{path}.tables", section.tables):
        yield from _numbers(inner, table)
    rows: dict[str, HallRow] = {}
    for inner, row in rows_of(section):
        if row.label in rows:
            name = "label" if inner.startswith("tables") else "labels"
            yield FieldError(f"{path}.{inner}.{name}", f'have "{row.label}" twice in this section')
        rows[row.label] = row
    yield from check_properties(f"{path}.properties", section.properties, rows)


# Seats where they are laid out


class _Seat(NamedTuple):
    path: str
    section: str
    row: str
    number: int

    def __str__(self) -> str:
        return f'seat {self.number} of row "{self.row}" in "{self.section}"'


def _seats(document: PlanDocument) -> Findings:
    for seat, other in overlapping(_places(document)):
        yield FieldError(seat.path, f"{seat} overlaps {other}")


def _places(document: PlanDocument) -> Iterator[tuple[_Seat, Point]]:
    for path, section in _each("sections", document.sections):
        for inner, row in rows_of(section):
            for number, point in seats_of(row):
                yield _Seat(f"{path}.{inner}", section.name, row.label, number), point
