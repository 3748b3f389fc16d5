"""The sections of a plan as CSV: one line a row, a table or a standing section, for spreadsheets.

A line says where its row lies by itself, so blocks come back as blocks of one row. Stage, levels and focal
point are not in it: `from_csv` puts the sections into a document that has them. Columns: COLUMNS. Numbers are
written `1..20`, `15..1/2` (every second) or `7`, with spaces between; companions `2>1` (2 belongs to 1);
aisles `10+1.4` (after the tenth seat, so wide); corners `x,y`. UTF-8, with or without a byte order mark.

A text that a spreadsheet would take for a formula gets a `'` before it, which reading takes away.
"""

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from catalog.halls.document import (
    SEATS_A_ROW_MAX,
    SECTIONS_MAX,
    CurvedBlock,
    PlanDocument,
    Properties,
    Section,
    StraightBlock,
    Table,
)
from catalog.halls.hall import HallRow, HallSegment, Point, numbers_of
from catalog.halls.layout import with_properties
from catalog.halls.rows import rows_of
from chassis.http.bodies import field_error
from chassis.problems import FieldError, ValidationFailed
from contracts.halls import Arc

COLUMNS = (
    *("section", "name", "level", "kind", "entrance", "view", "capacity", "outline", "label_at"),
    *("row", "shape", "seats", "numbers", "x", "y", "rotation", "radius", "start", "end"),
    *("seat_spacing", "aisles", "whole"),
    *("accessible", "companions", "restricted", "blocked", "house"),
)
OF_A_SECTION = COLUMNS[:9]
BYTES_MAX = 1_048_576  # as of a document
ERRORS_MAX = 100
FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
END_SLACK = 0.001  # degrees that a row's angle is longer than its seats, against rounding

_RANGE = re.compile(r"(\d{1,6})(?:\.\.(\d{1,6})(?:/(\d{1,3}))?)?")
_MARKS = ("accessible", "restricted", "blocked", "house")


def to_csv(document: PlanDocument) -> str:
    """The sections of a document in which checks.check finds nothing."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for section in document.sections:
        about = _about(section)
        for line in _lines(section):
            writer.writerow(about | line)
            about = {"section": about["section"]}  # said once, in a section's first line
    return out.getvalue()


def _about(section: Section) -> dict[str, str]:
    texts = {name: getattr(section, name) for name in ("name", "level", "entrance", "view")}
    corners = section.outline or ()
    return {
        "section": _guarded(section.key),
        **{name: _guarded(text or "") for name, text in texts.items()},
        "kind": section.kind,
        "capacity": "" if section.capacity is None else str(section.capacity),
        "outline": " ".join(_corner(corner) for corner in corners),
        "label_at": "" if section.label_at is None else _corner(section.label_at),
    }


def _corner(corner: Point) -> str:
    return f"{corner[0]!r},{corner[1]!r}"


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _lines(section: Section) -> Iterator[dict[str, Any]]:
    if section.kind == "standing":
        yield {}
        return
    for row in with_properties((row for _, row in rows_of(section)), section.properties):
        numbers = [number for run in row.segments for number in numbers_of(run)]
        yield {
            "row": _guarded(row.label),
            "seats": str(len(numbers)),
            "whole": "yes" if row.whole else "",
            "companions": " ".join(f"{one}>{of}" for one, of in row.companions),
            **{name: _ranges(getattr(row, name)) for name in _MARKS},
            **(_table(row) if row.table else _course(row, numbers)),
        }


def _table(row: HallRow) -> dict[str, Any]:
    assert row.table is not None
    table = row.table
    return {"shape": table.shape, "x": table.x, "y": table.y, "rotation": table.rotation}


def _course(row: HallRow, numbers: Sequence[int]) -> dict[str, Any]:
    first, last = row.segments[0], row.segments[-1]
    course = first.course
    if isinstance(course, Arc):
        spacing = math.radians(-course.step) * course.radius
        half = -course.step / 2
        end = last.course.start + (last.count - 1) * course.step  # type: ignore[union-attr]
        where = {
            "shape": "curved",
            "x": course.x,
            "y": course.y,
            "radius": course.radius,
            "start": round(course.start + half, 6),
            "end": round(end - half - END_SLACK, 6),
        }
    else:
        spacing = math.hypot(course.dx, course.dy)
        (x1, y1), (x2, y2) = _place(first, 0), _place(last, last.count - 1)
        turned = math.degrees(math.atan2(course.dy, course.dx))
        where = {
            "shape": "straight",
            "x": round((x1 + x2) / 2, 6),
            "y": round((y1 + y2) / 2, 6),
            "rotation": round(turned, 6),
        }
    return where | {
        "numbers": _ranges(numbers),
        "seat_spacing": round(spacing, 6),
        "aisles": " ".join(_aisles(row.segments, spacing)),
    }


def _place(run: HallSegment, index: int) -> Point:
    course = run.course
    assert not isinstance(course, Arc)
    return course.x + index * course.dx, course.y + index * course.dy


def _aisles(runs: Sequence[HallSegment], spacing: float) -> Iterator[str]:
    after = 0
    for run, following in pairwise(runs):
        after += run.count
        here, there = run.course, following.course
        if isinstance(here, Arc) and isinstance(there, Arc):
            turned = here.start + (run.count - 1) * here.step - there.start
            apart = math.radians(turned) * here.radius
        else:
            apart = math.dist(_place(run, run.count - 1), _place(following, 0))
        yield f"{after}+{max(0.0, round(apart - spacing, 6))!r}"


def _ranges(numbers: Sequence[int]) -> str:
    """`1..20 22 31..21/2`: as few parts as follow each other at equal steps."""
    parts: list[list[int]] = []
    for number in numbers:
        part = parts[-1] if parts else []
        if len(part) == 1 or (len(part) > 1 and number - part[-1] == part[1] - part[0]):
            part.append(number)
        else:
            parts.append([number])
    return " ".join(_range(part) for part in parts)


def _range(part: Sequence[int]) -> str:
    if len(part) == 1:
        return str(part[0])
    step = abs(part[1] - part[0])
    return f"{part[0]}..{part[-1]}" + ("" if step == 1 else f"/{step}")


# Reading


def from_csv(body: bytes, into: PlanDocument) -> PlanDocument:
    """The document with the sections of the CSV instead of its own. Raises ValidationFailed with the line
    and column of what is no part of a plan; checks.check finds the rest."""
    errors: list[FieldError] = []
    sections: dict[str, dict[str, Any]] = {}
    for number, cells in _read(body):
        try:
            _take(cells, sections)
        except _WrongCell as wrong:
            errors.append(FieldError(f"lines.{number}.{wrong.column}", wrong.message))
        except msgspec.ValidationError as wrong:
            found = field_error(str(wrong))
            errors.append(FieldError(f"lines.{number}.{found.field}", found.message))
        if len(errors) == ERRORS_MAX:
            break
    if errors:
        raise ValidationFailed(errors=errors)
    if not 1 <= len(sections) <= SECTIONS_MAX:
        raise _refused("lines", f"must have 1 to {SECTIONS_MAX} sections")
    made = [Section(**fields) for fields in sections.values()]
    try:  # what many lines add up to has bounds too
        return msgspec.convert(
            msgspec.to_builtins(msgspec.structs.replace(into, sections=made)), PlanDocument
        )
    except msgspec.ValidationError as wrong:
        raise ValidationFailed(errors=[field_error(str(wrong))]) from None


class _WrongCell(Exception):
    def __init__(self, column: str, message: str) -> None:
        super().__init__(column, message)
        self.column = column
        self.message = message


def _refused(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(errors=[FieldError(field, message)])


def _read(body: bytes) -> Iterator[tuple[int, dict[str, str]]]:
    """Lines behind the header that say something, with their numbers in the file."""
    if len(body) > BYTES_MAX:
        raise _refused("csv", f"must be at most {BYTES_MAX} bytes")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused("csv", "must be in UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_header(header)
        for cells in reader:
            if len(cells) > len(header):
                raise _refused(f"lines.{reader.line_num}", "has more cells than there are columns")
            filled = {name: cell.strip(" ") for name, cell in zip(header, cells, strict=False)}
            if any(filled.values()):
                yield reader.line_num, {name: cell for name, cell in filled.items() if cell}
    except csv.Error as wrong:
        raise _refused(f"lines.{reader.line_num}", f"is no CSV: {wrong}") from None


def _check_header(header: Sequence[str]) -> None:
    for name in header:
        if name not in COLUMNS:
            raise _refused("lines.1", f"has an unknown column; columns are {', '.join(COLUMNS)}")
    if len(set(header)) < len(header):
        raise _refused("lines.1", "has a column twice")
    if "section" not in header:
        raise _refused("lines.1", "must have the column section")


def _take(cells: dict[str, str], sections: dict[str, dict[str, Any]]) -> None:
    """Adds what a line says to its section."""
    key = _text(cells.get("section", ""))
    if key is None:
        raise _WrongCell("section", "is needed")
    if key not in sections:
        sections[key] = _section(key, cells)
    elif said := next((name for name in OF_A_SECTION[1:] if name in cells), None):
        raise _WrongCell(said, "is said in the first line of a section")
    if "row" in cells:
        _add_row(cells, sections[key])


def _section(key: str, cells: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {"key": key}
    fields |= {
        name: _text(cells[name])
        for name in ("name", "level", "kind", "entrance", "view")
        if name in cells
    }
    fields.setdefault("name", key)
    if "capacity" in cells:
        fields["capacity"] = _integer("capacity", cells["capacity"])
    if "outline" in cells:
        fields["outline"] = [_pair("outline", one) for one in cells["outline"].split(" ")]
    if "label_at" in cells:
        fields["label_at"] = _pair("label_at", cells["label_at"])
    section = msgspec.convert(fields, Section)
    return msgspec.structs.asdict(section) | {"blocks": [], "tables": [], "properties": []}


def _add_row(cells: dict[str, str], section: dict[str, Any]) -> None:
    label = _text(cells["row"])
    shape = cells.get("shape", "straight")
    floats: dict[str, Any] = {
        name: _float(name, cells[name])
        for name in ("x", "y", "rotation", "radius", "start", "end", "seat_spacing")
        if name in cells
    }
    place = [floats.pop("x", 0.0), floats.pop("y", 0.0)]
    seats = _integer("seats", cells["seats"]) if "seats" in cells else None
    fields: dict[str, Any] = {"shape": shape, "whole": _yes(cells)} | dict(floats)
    if shape in {"round", "rectangle"}:
        table = fields | {"label": label, "at": place, "seats": seats}
        section["tables"].append(msgspec.convert(table, Table))
    elif shape in {"straight", "curved"}:
        fields["at" if shape == "straight" else "centre"] = place
        fields |= {
            "labels": [label],
            "seats": seats,
            "align": "left",
            "aisles": _read_aisles(cells),
        }
        if "numbers" in cells:
            fields["numbers"] = [_numbers("numbers", cells["numbers"])]
        section["blocks"].append(msgspec.convert(fields, StraightBlock | CurvedBlock))
    else:
        raise _WrongCell("shape", "must be straight, curved, round or rectangle")
    section["properties"] += _properties(label, cells)


def _properties(label: str | None, cells: dict[str, str]) -> Iterator[Properties]:
    for name in _MARKS:
        if name in cells:
            fields = {"rows": [label], "seats": _numbers(name, cells[name]), name: True}
            yield msgspec.convert(fields, Properties)
    for pair in cells.get("companions", "").split():
        one, _, of = pair.partition(">")
        fields = {
            "rows": [label],
            "seats": [_integer("companions", one)],
            "companion_of": _integer("companions", of),
        }
        yield msgspec.convert(fields, Properties)


def _text(cell: str) -> str | None:
    """A text cell; without the `'` that keeps it from being a formula."""
    return (cell[1:] if cell.startswith("'") else cell) or None


def _yes(cells: dict[str, str]) -> bool:
    if cells.get("whole", "") not in {"", "yes"}:
        raise _WrongCell("whole", "must be yes or empty")
    return "whole" in cells


def _float(column: str, cell: str) -> float:
    """The types' bounds refuse infinity, but not what is no number."""
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _WrongCell(column, "must be a number")
    return value


def _integer(column: str, cell: str) -> int:
    if not (cell.isascii() and cell.isdigit() and len(cell) <= 6):
        raise _WrongCell(column, "must be a whole number")
    return int(cell)


def _pair(column: str, cell: str) -> tuple[float, float]:
    x, _, y = cell.partition(",")
    return _float(column, x), _float(column, y)


def _read_aisles(cells: dict[str, str]) -> list[dict[str, Any]]:
    aisles = []
    for cell in cells.get("aisles", "").split():
        after, _, width = cell.partition("+")
        aisles.append({"after": _integer("aisles", after), "width": _float("aisles", width or "2")})
    return aisles


def _numbers(column: str, cell: str) -> list[int]:
    numbers: list[int] = []
    for part in cell.split():
        found = _RANGE.fullmatch(part)
        if found is None:
            raise _WrongCell(column, "must be numbers such as 1..20, 15..1/2 or 7")
        first, step = int(found[1]), int(found[3] or 1)
        last = int(found[2] or first)
        if step == 0 or abs(last - first) // step >= SEATS_A_ROW_MAX:
            raise _WrongCell(column, f"must be at most {SEATS_A_ROW_MAX} numbers")
        towards = step if last >= first else -step
        numbers += range(first, last + (1 if towards > 0 else -1), towards)
        if len(numbers) > SEATS_A_ROW_MAX:
            raise _WrongCell(column, f"must be at most {SEATS_A_ROW_MAX} numbers")
    return numbers
