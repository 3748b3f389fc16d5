"""Places in a standing area, spread evenly over its polygon."""

from collections.abc import Iterator
from math import sqrt

from catalog.halls.hall import Outline, Point

LINES_MAX = 1_000  # each looks at every side of the polygon


def places_in(outline: Outline, count: int) -> Iterator[Point]:
    """`count` points within the polygon, from front to back and left to right. No two are the same."""
    lines = list(_lines(outline, count))
    room = sum(right - left for _, spans in lines for left, right in spans)
    passed, placed = 0.0, 0
    for y, spans in lines:
        passed += sum(right - left for left, right in spans)
        until = round(count * passed / room)
        for x in _spread(spans, until - placed):
            yield x, y
        placed = until


def _spread(spans: list[tuple[float, float]], count: int) -> Iterator[float]:
    """`count` values at equal distances, if the spans lay side by side."""
    pitch = sum(right - left for left, right in spans) / max(1, count)
    at = pitch / 2
    for left, right in spans:
        width = right - left
        while count and at <= width:
            yield left + at
            at += pitch
            count -= 1
        at -= width


def _lines(outline: Outline, count: int) -> Iterator[tuple[float, list[tuple[float, float]]]]:
    """Lines across the polygon, about as far apart as the places on them: each one's y and what of it is
    within."""
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    top, height, width = min(ys), max(ys) - min(ys), max(xs) - min(xs)
    lines = min(LINES_MAX, count, max(1, round(sqrt(count * height / max(width, height / count)))))
    for line in range(lines):
        y = top + (line + 0.5) * height / lines
        sides = sorted(_crossings(outline, y))
        yield y, list(zip(sides[::2], sides[1::2], strict=True))


def _crossings(outline: Outline, y: float) -> Iterator[float]:
    """Where the polygon's sides cross this line. A corner on it counts for the side below."""
    for (x1, y1), (x2, y2) in zip(outline, (*outline[1:], outline[0]), strict=True):
        if (y1 <= y) != (y2 <= y):
            yield x1 + (y - y1) / (y2 - y1) * (x2 - x1)
