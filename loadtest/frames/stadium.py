"""A stadium of about so many seats, as GET /sessions/{id}/hall and, for older storefronts, as its seat map.

A stage at the end of a floor with places to stand, and two tiers of curved stands around it.
"""

import math
from collections.abc import Iterator
from typing import Any

SESSION = "00000000-0000-7000-8000-000000000001"
GAP_DEG = 1.2  # between two sections
STAND_FROM_DEG, STAND_TO_DEG = -28.0, 208.0
Point = tuple[float, float]


def _on(centre: Point, radius: float, angle_deg: float) -> list[float]:
    angle = math.radians(angle_deg)
    x, y = centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle)
    return [round(x, 2), round(y, 2)]


def _sector(centre: Point, inner: float, outer: float, start: float, end: float) -> list[Any]:
    steps = 8
    angles = [start + (end - start) * step / steps for step in range(steps + 1)]
    ring = [_on(centre, outer, angle) for angle in angles]
    return ring + [_on(centre, inner, angle) for angle in reversed(angles)]


class Stadium:
    """Its plan as the API gives it. `seat_count` comes within a few per cent of `about`."""

    def __init__(self, about: int) -> None:
        self._scale = math.sqrt(about / 23_000)
        self._next_id = 1
        self._areas: list[dict[str, Any]] = []
        self._centre = (0.0, 62.0 * self._scale)
        self._floor()
        self._tier("lower", 24, 80.0, sections=18, first=100, price=68000)
        self._tier("upper", 30, 118.0, sections=24, first=200, price=38000)

    def _ids(self, count: int) -> int:
        first = self._next_id
        self._next_id += count + 1  # the position after a run is its end
        return first

    def _area(self, name: str, price: int, outline: list[Any], **more: Any) -> None:
        middle = [round(sum(axis) / len(outline), 2) for axis in zip(*outline, strict=True)]
        number = len(self._areas) + 1
        self._areas.append(
            {
                "area_id": f"00000000-0000-7000-8000-{number:012d}",
                "name": name,
                "kind": "seated",
                "price": price,
                "level": None,
                "entrance": None,
                "view": None,
                "outline": outline,
                "label_at": middle,
                "rows": [],
            }
            | more
        )

    def _floor(self) -> None:
        half, rows = round(17 * self._scale), round(20 * self._scale)
        for name, x, price in (("VIP A", -half - 2.0, 128000), ("VIP B", 2.0, 98000)):
            left = x if x > 0 else x - 4.0
            self._area(
                name,
                price,
                [[left - 1, 4], [left + half, 4], [left + half, rows + 5], [left - 1, rows + 5]],
                rows=[self._straight(row, left, half) for row in range(rows)],
                capacity=half * rows,
                level="floor",
            )
        top, deep = rows + 10.0, 34.0 * self._scale
        places = round(1500 * self._scale**2)
        wide = half + 4.0
        self._area(
            "Standing",
            48000,
            [[-wide, top], [wide, top], [wide * 0.8, top + deep], [-wide * 0.8, top + deep]],
            kind="standing",
            capacity=places,
            first_seat_id=self._ids(places),
            level="floor",
        )

    def _straight(self, row: int, left: float, count: int) -> dict[str, Any]:
        aisle = count // 2
        runs = ((1, aisle, left), (aisle + 1, count - aisle, left + aisle + 1.5))
        segments = [
            {
                "first_seat_id": self._ids(size),
                "first_number": first,
                "count": size,
                "course": ["line", x, 5.5 + row, 1, 0],
            }
            for first, size, x in runs
        ]
        return {"label": str(row + 1), "segments": segments}

    def _tier(
        self, level: str, rows: int, radius: float, *, sections: int, first: int, price: int
    ) -> None:
        inner = radius * self._scale
        rows = round(rows * self._scale)
        width = (STAND_TO_DEG - STAND_FROM_DEG) / sections
        for number in range(sections):
            start = STAND_FROM_DEG + width * number + GAP_DEG / 2
            end = start + width - GAP_DEG
            made = [self._curved(row, inner, start, end) for row in range(rows)]
            far = abs(number - (sections - 1) / 2) > sections / 3
            self._area(
                str(first + number + 1),
                price - (20000 if far else 0),
                _sector(self._centre, inner - 1, inner + rows, start - 0.3, end + 0.3),
                rows=made,
                capacity=sum(segment["count"] for row in made for segment in row["segments"]),
                level=level,
            )

    def _curved(self, row: int, inner: float, start: float, end: float) -> dict[str, Any]:
        radius = inner + row
        step = math.degrees(1 / radius)
        count = int((end - start) / step)
        first = start + (end - start - (count - 1) * step) / 2
        segment: dict[str, Any] = {
            "first_seat_id": self._ids(count),
            "first_number": 1,
            "count": count,
            "course": [
                "arc",
                *(round(axis, 2) for axis in self._centre),
                round(radius, 2),
                round(first + step * (count - 1), 3),
                -round(step, 4),
            ],
        }
        made: dict[str, Any] = {"label": str(row + 1), "segments": [segment]}
        at = segment["first_seat_id"]
        if row == 0:
            made |= {"accessible": [at, at + 2], "companions": [[at + 1, at], [at + 3, at + 2]]}
        if row == 3:
            made["restricted"] = [at, at + count - 1]
        return made

    def hall(self) -> dict[str, Any]:
        points = [point for area in self._areas for point in area["outline"]]
        stage = [[-20, -10], [20, -10], [20, 0], [4, 2], [-4, 2], [-20, 0]]
        left, top = (min(point[axis] for point in points + stage) for axis in (0, 1))
        right, bottom = (max(point[axis] for point in points + stage) for axis in (0, 1))
        names = (("floor", "Floor"), ("lower", "Lower tier"), ("upper", "Upper tier"))
        return {
            "session_id": SESSION,
            "version": 1,
            "seat_count": sum(area["capacity"] for area in self._areas),
            "currency": "CNY",
            "bounds": [left, top, round(right - left, 2), round(bottom - top, 2)],
            "focal_point": [0, 0],
            "facing": 90,
            "stage": {"outline": stage, "label": None},
            "levels": [{"key": key, "name": name} for key, name in names],
            "areas": self._areas,
        }


def places(hall: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Every place's id and its area's, in seat_id order."""
    for area in hall["areas"]:
        runs = [
            (segment["first_seat_id"], segment["count"])
            for row in area["rows"]
            for segment in row["segments"]
        ] or [(area["first_seat_id"], area["capacity"])]
        for first, count in runs:
            for seat_id in range(first, first + count):
                yield seat_id, area["area_id"]


def seat_map(hall: dict[str, Any]) -> dict[str, Any]:
    """The same hall as GET /sessions/{id}/seat-map gives it: every seat with its corner."""
    areas = []
    for area in hall["areas"]:
        rows = [{"label": row["label"], "seats": list(_seats(row))} for row in area["rows"]] or [
            {"label": "", "seats": list(_standing(area))}
        ]
        areas.append({**area, "rows": rows} | _box(area["outline"]))
    return {
        "session_id": SESSION,
        "currency": hall["currency"],
        "width": hall["bounds"][2],
        "height": hall["bounds"][3],
        "areas": [area | {"currency": hall["currency"]} for area in areas],
    }


def _seats(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    special = set(row.get("accessible", []))
    for segment in row["segments"]:
        kind, *course = segment["course"]
        for at in range(segment["count"]):
            if kind == "line":
                x, y, dx, dy = course
                centre = [x + at * dx, y + at * dy]
            else:
                cx, cy, radius, start, step = course
                centre = _on((cx, cy), radius, start + at * step)
            seat_id = segment["first_seat_id"] + at
            yield {
                "seat_id": seat_id,
                "row": row["label"],
                "number": segment["first_number"] + at,
                "x": round(centre[0] - 0.5, 2),
                "y": round(centre[1] - 0.5, 2),
                "accessible": seat_id in special,
            }


def _standing(area: dict[str, Any]) -> Iterator[dict[str, Any]]:
    x, y = area["outline"][0]
    for at in range(area["capacity"]):
        place = {"seat_id": area["first_seat_id"] + at, "row": "", "number": at + 1}
        yield place | {"x": x, "y": y, "accessible": False}


def _box(outline: list[list[float]]) -> dict[str, float]:
    (left, right), (top, bottom) = ((min(axis), max(axis)) for axis in zip(*outline, strict=True))
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}
