"""Outlines of sections from an SVG drawing, as drawing programs write them.

Polygons, closed paths of straight lines and rectangles, in groups with transforms. An element's
`data-section`, its program's label or its id becomes the section's key. One unit is `scale` units of the
drawing.
What has no meaning as an outline is an error that names it; metadata, text and styles are left out.

The parser is expat without entities: a document type is refused, as are documents that are long or deep.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.parsers import expat

from catalog.halls.document import CORNERS_MAX, SECTIONS_MAX
from catalog.halls.geometry import opened
from catalog.halls.hall import Outline, Point
from chassis.problems import FieldError, ValidationFailed

BYTES_MAX = 1_048_576
DEPTH_MAX = 50
ELEMENTS_MAX = 20_000
ERRORS_MAX = 100
SVG = "http://www.w3.org/2000/svg"
LABEL = "http://www.inkscape.org/namespaces/inkscape label"

_GROUPS = {"svg", "g", "a", "switch"}
_LEFT_OUT = {"title", "desc", "metadata", "style", "text", "defs", "namedview", "script"}
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_SEPARATOR = re.compile(r"[\s,]*")
_TRANSFORM = re.compile(r"(matrix|translate|scale|rotate|skewX|skewY)[\s,]*\(([^()]*)\)[\s,]*")


class Matrix(NamedTuple):
    """x' = a x + c y + e; y' = b x + d y + f."""

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 1.0
    e: float = 0.0
    f: float = 0.0

    def then(self, inner: "Matrix") -> "Matrix":
        """This one after `inner`."""
        a, b, c, d, e, f = self
        return Matrix(
            a * inner.a + c * inner.b,
            b * inner.a + d * inner.b,
            a * inner.c + c * inner.d,
            b * inner.c + d * inner.d,
            a * inner.e + c * inner.f + e,
            b * inner.e + d * inner.f + f,
        )

    def at(self, point: Point) -> Point:
        x, y = point
        return self.a * x + self.c * y + self.e, self.b * x + self.d * y + self.f


class _Wrong(Exception):
    """An element that is no outline, and why."""


def outlines_of(body: bytes, *, scale: float = 1.0) -> dict[str, Outline]:
    """The outlines of a drawing by their keys, in its order. Raises ValidationFailed with an error for each
    element that is none. Whether an outline crosses itself, checks.check says of the plan it is put into."""
    if len(body) > BYTES_MAX:
        raise _refused("svg", f"must be at most {BYTES_MAX} bytes")
    drawing = _Drawing(scale)
    try:
        drawing.read(body)
    except expat.ExpatError as wrong:
        raise _refused(
            "svg", f"is no XML: {expat.ErrorString(wrong.code)} in line {wrong.lineno}"
        ) from None
    except _Wrong as wrong:
        raise _refused("svg", str(wrong)) from None
    if drawing.errors:
        raise ValidationFailed(errors=drawing.errors[:ERRORS_MAX])
    if not drawing.outlines:
        raise _refused("svg", "has no polygons, paths or rectangles")
    return drawing.outlines


def _refused(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(errors=[FieldError(field, message)])


class _Drawing:
    def __init__(self, scale: float) -> None:
        self.outlines: dict[str, Outline] = {}
        self.errors: list[FieldError] = []
        self._matrices = [Matrix(1 / scale, 0, 0, 1 / scale, 0, 0)]
        self._skipping = 0  # how deep inside of an element that is left out
        self._elements = 0

    def read(self, body: bytes) -> None:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        parser.Parse(body, True)

    def _doctype(self, *_declaration: object) -> None:
        raise _Wrong("must not have a document type")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > ELEMENTS_MAX:
            raise _Wrong(f"must have at most {ELEMENTS_MAX} elements")
        depth = len(self._matrices) + self._skipping
        if depth > DEPTH_MAX:
            raise _Wrong(f"must be at most {DEPTH_MAX} elements deep")
        namespace, _, local = name.rpartition(" ")
        if depth == 1 and local != "svg":
            raise _Wrong("must be an SVG drawing")
        if self._skipping or local in _LEFT_OUT or namespace not in {SVG, ""}:
            self._skipping += 1
            return
        key = attributes.get("data-section") or attributes.get(LABEL) or attributes.get("id") or ""
        try:
            self._matrices.append(
                self._matrices[-1].then(_transform(attributes.get("transform", "")))
            )
            if local not in _GROUPS:
                self._add(key, _corners(local, attributes))
        except _Wrong as wrong:
            if len(self._matrices) == depth:
                self._matrices.append(self._matrices[-1])
            if len(self.errors) < ERRORS_MAX:
                self.errors.append(FieldError(f"svg.{key or local}"[:200], str(wrong)))

    def _end(self, _name: str) -> None:
        if self._skipping:
            self._skipping -= 1
        else:
            self._matrices.pop()

    def _add(self, key: str, corners: list[Point]) -> None:
        if not key:
            raise _Wrong("needs an id or a label, which becomes its section's key")
        if key in self.outlines:
            raise _Wrong("is there twice")
        if len(self.outlines) == SECTIONS_MAX:
            raise _Wrong(f"is more than {SECTIONS_MAX} outlines")
        matrix = self._matrices[-1]
        outline = opened([matrix.at(corner) for corner in corners])
        if not 3 <= len(outline) <= CORNERS_MAX:
            raise _Wrong(f"has {len(outline)} corners; an outline has 3 to {CORNERS_MAX}")
        if not all(math.isfinite(one) for corner in outline for one in corner):
            raise _Wrong("has coordinates that are too large")
        self.outlines[key] = tuple((round(x, 4), round(y, 4)) for x, y in outline)


def _numbers(text: str) -> Iterator[float]:
    at = _SEPARATOR.match(text).end()  # type: ignore[union-attr]
    while at < len(text):
        found = _NUMBER.match(text, at)
        if found is None:
            raise _Wrong(f'has "{text[at : at + 20]}" where a number should be')
        yield float(found[0])
        at = _SEPARATOR.match(text, found.end()).end()  # type: ignore[union-attr]


def _transform(text: str) -> Matrix:
    matrix, at = Matrix(), len(text) - len(text.lstrip())
    while at < len(text):
        found = _TRANSFORM.match(text, at)
        if found is None:
            raise _Wrong("has a transform that is not understood")
        matrix = matrix.then(_one_transform(found[1], list(_numbers(found[2]))))
        at = found.end()
    return matrix


def _one_transform(name: str, numbers: list[float]) -> Matrix:
    match name, numbers:
        case "matrix", [a, b, c, d, e, f]:
            matrix = Matrix(a, b, c, d, e, f)
        case "translate", [x, *y] if len(y) < 2:
            matrix = Matrix(e=x, f=y[0] if y else 0.0)
        case "scale", [x, *y] if len(y) < 2:
            matrix = Matrix(a=x, d=y[0] if y else x)
        case "rotate", [angle]:
            matrix = _rotation(angle)
        case "rotate", [angle, x, y]:
            matrix = Matrix(e=x, f=y).then(_rotation(angle)).then(Matrix(e=-x, f=-y))
        case "skewX", [angle]:
            matrix = Matrix(c=math.tan(math.radians(angle)))
        case "skewY", [angle]:
            matrix = Matrix(b=math.tan(math.radians(angle)))
        case _:
            raise _Wrong(f"has a {name} with {len(numbers)} numbers")
    return matrix


def _rotation(angle: float) -> Matrix:
    turned = math.radians(angle)
    return Matrix(math.cos(turned), math.sin(turned), -math.sin(turned), math.cos(turned))


def _corners(element: str, attributes: dict[str, str]) -> list[Point]:
    if element in {"polygon", "polyline"}:
        return _pairs(list(_numbers(attributes.get("points", ""))))
    if element == "rect":
        return _rectangle(attributes)
    if element == "path":
        return _path(attributes.get("d", ""))
    raise _Wrong(
        f"is a {element[:40]}; outlines are polygons, rectangles and paths of straight lines"
    )


def _pairs(numbers: list[float]) -> list[Point]:
    if len(numbers) % 2:
        raise _Wrong("has an odd number of coordinates")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _rectangle(attributes: dict[str, str]) -> list[Point]:
    if attributes.get("rx", "0") != "0" or attributes.get("ry", "0") != "0":
        raise _Wrong("has round corners")
    sizes = []
    for name in ("x", "y", "width", "height"):
        numbers = list(_numbers(attributes.get(name, "0").removesuffix("px")))
        if len(numbers) != 1:
            raise _Wrong(f"has no number as its {name}")
        sizes += numbers
    x, y, width, height = sizes
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


_COMMAND = re.compile(r"[\s,]*([A-Za-z])([^A-DF-Za-df-z]*)")


def _path(text: str) -> list[Point]:
    """The corners of a path of straight lines. It has one part, which is closed at its end."""
    corners: list[Point] = []
    at, closed = 0, False
    while at < len(text.rstrip()):
        found = _COMMAND.match(text, at)
        if found is None:
            raise _Wrong(f'has "{text[at : at + 20]}" where a command of a path should be')
        at = found.end()
        command, numbers = found[1], list(_numbers(found[2]))
        if closed or (command in "Mm" and corners):
            raise _Wrong("has more than one part")
        if not corners and command not in "Mm":
            raise _Wrong("does not begin with M")
        if command in "Zz":
            closed = True
        else:
            corners += _stretch(command, numbers, corners[-1] if corners else (0.0, 0.0))
    return corners


def _stretch(command: str, numbers: list[float], here: Point) -> Iterator[Point]:
    """The corners that a command adds; small letters count from where the path is."""
    relative = command.islower()
    x, y = here
    steps: list[tuple[float | None, float | None]]
    match command.upper():
        case "M" | "L":
            steps = list(_pairs(numbers))
        case "H":
            steps = [(number, None) for number in numbers]
        case "V":
            steps = [(None, number) for number in numbers]
        case _:
            raise _Wrong(
                f'has the command "{command}"; paths are of straight lines (M, L, H, V, Z)'
            )
    for to_x, to_y in steps:
        x = x if to_x is None else to_x + (x if relative else 0.0)
        y = y if to_y is None else to_y + (y if relative else 0.0)
        yield x, y
