"""The two forms in which a hall is drawn say the same of every seat, and the compact one is small."""

import gzip
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest

from catalog.domain.plan import Row, place_areas
from catalog.halls.hall import (
    Hall,
    HallArea,
    HallLevel,
    HallRow,
    HallSegment,
    HallStage,
    HallTable,
    points_of,
)
from catalog.maps.compact import draw_hall
from catalog.maps.seat_map import draw_seat_map
from catalog.maps.standing import places_in
from catalog.seating import copy_of
from catalog.session_halls import stored_rows
from catalog.store import AreaRow, StoredHall
from contracts.halls import Arc, Line

SESSION = UUID(int=7)
SQUARE = ((-5.0, -5.0), (5.0, -5.0), (5.0, 5.0), (-5.0, 5.0))
CURVED = HallRow(
    "A",
    (
        HallSegment(7, 3, Arc(0.0, 0.0, 10.0, 120.0, -6.0), step=-2),
        HallSegment(0, 3, Arc(0.0, 0.0, 10.0, 80.0, -6.0), numbers=(2, 11, 4)),
    ),
    accessible=(11,),
    companions=((4, 11), (2, 11)),
    restricted=(7, 5),
    blocked=(3,),
    house=(2,),
)
TABLE = HallRow(
    "T1",
    (HallSegment(1, 4, Arc(20.0, 20.0, 1.5, 45.0, 90.0)),),
    whole=True,
    table=HallTable("round", 20.0, 20.0, 1.8, 1.8, 45.0),
)
HALL = Hall(
    name="Theatre",
    bounds=(-12.0, -5.0, 40.0, 60.0),
    focal_point=(0.0, -1.0),
    facing=90.0,
    stage=HallStage(((-4.0, -4.0), (4.0, -4.0), (4.0, 0.0)), "Stage"),
    levels=(HallLevel("up", "Balcony"),),
    areas=(
        HallArea("a", "Stalls", "seated", 6, SQUARE, (0.0, 9.0), (CURVED,), "up", "Door 3", "Near"),
        HallArea("t", "Tables", "seated", 4, SQUARE, (20.0, 20.0), (TABLE,)),
        HallArea("s", "Floor", "standing", 9, SQUARE, (0.0, 0.0)),
    ),
)


def stored(hall: Hall) -> StoredHall:
    copy = copy_of(UUID(int=1), hall)
    areas = copy.areas({area.key: 100 * index for index, area in enumerate(hall.areas, 1)})
    return StoredHall("published", "CNY", copy.hall, areas)


def decoded(drawn: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(drawn))


def compact_seats(area: Any) -> Iterator[tuple[int, str, int, float, float]]:
    """Each seat as a client reads it from the compact form: id, row, number, and its centre."""
    for row in area["rows"]:
        for one in row["segments"]:
            count, first = one["count"], one["first_number"]
            step = one.get("step", 1)
            numbers = one.get("numbers") or [first + step * index for index in range(count)]
            course = msgspec.convert(one["course"], Arc | Line)
            points = points_of(course, count)
            for index, (number, (x, y)) in enumerate(zip(numbers, points, strict=True)):
                yield one["first_seat_id"] + index, row["label"], number, x, y


def test_both_forms_place_and_name_every_seat_alike() -> None:
    seat_map = decoded(draw_seat_map(SESSION, stored(HALL)))
    compact = decoded(draw_hall(SESSION, stored(HALL)))
    left, top = compact["bounds"][:2]
    assert seat_map["seat_count"] == compact["seat_count"] == 19
    assert (seat_map["width"], seat_map["height"]) == tuple(compact["bounds"][2:])
    for area, drawn in zip(compact["areas"][:2], seat_map["areas"], strict=False):
        plain = [seat for row in drawn["rows"] for seat in row["seats"]]
        for (seat_id, row, number, x, y), seat in zip(compact_seats(area), plain, strict=True):
            assert (seat_id, row, number) == (seat["seat_id"], seat["row"], seat["number"])
            corner = (x - left - 0.5, y - top - 0.5)
            assert (seat["x"], seat["y"]) == pytest.approx(corner, abs=0.01)
    ids = [
        seat["seat_id"] for one in seat_map["areas"] for row in one["rows"] for seat in row["seats"]
    ]
    assert ids == [*range(1, 4), *range(5, 8), *range(9, 13), *range(14, 23)]


def test_special_seats_are_named_by_their_ids() -> None:
    stalls, tables, floor = decoded(draw_hall(SESSION, stored(HALL)))["areas"]
    (row,) = stalls["rows"]
    # numbers 7 5 3 | 2 11 4 have the ids 1 2 3 | 5 6 7
    assert row["accessible"] == [6]
    assert row["companions"] == [[7, 6], [5, 6]]
    assert row["restricted"] == [1, 2]
    assert row["blocked"] == [3, 5]  # never for sale, and kept back by the house
    assert tables["rows"][0]["whole"] is True
    assert tables["rows"][0]["table"]["shape"] == "round"
    assert "whole" not in row
    assert "table" not in row
    assert (floor["rows"], floor["first_seat_id"], floor["capacity"]) == ([], 14, 9)
    assert (stalls["level"], stalls["entrance"], stalls["view"]) == ("up", "Door 3", "Near")
    plain = {
        seat["number"]: seat
        for seat in decoded(draw_seat_map(SESSION, stored(HALL)))["areas"][0]["rows"][0]["seats"]
    }
    assert plain[11]["accessible"] is True
    assert [number for number, seat in plain.items() if seat.get("restricted")] == [7, 5]
    assert [number for number, seat in plain.items() if seat.get("blocked")] == [3, 2]
    assert {number: seat.get("companion_of") for number, seat in plain.items()} == {
        7: None, 5: None, 3: None, 2: 6, 11: None, 4: 6,
    }  # fmt: skip
    assert plain[7].keys() == {"seat_id", "row", "number", "x", "y", "accessible", "restricted"}


def test_older_code_reads_the_same_positions() -> None:
    (row,) = stored_rows(HALL.areas[0])
    assert row == Row("A", 6, aisles=(3,), accessible=(5,))
    ranges = place_areas([stored_rows(area) for area in HALL.areas])
    assert [(one.first, one.last, one.capacity) for one in ranges] == [
        (1, 7, 6),
        (9, 12, 4),
        (14, 22, 9),
    ]


def curved_block(block: int) -> HallArea:
    def row(index: int) -> HallRow:
        radius, step = 31.7 + block % 9 * 37.3 + 1.613 * index, -1.7731 / (index + 1)
        return HallRow(
            str(index + 1),
            (
                HallSegment(1, 9, Arc(0.137, -3.211, radius, 170.123 - block, step)),
                HallSegment(10, 16, Arc(0.137, -3.211, radius, 150.77 - block, step)),
            ),
            accessible=(1,) if index == 0 else (),
            companions=((2, 1),) if index == 0 else (),
            restricted=(24, 25) if index > 15 else (),
        )

    corners = tuple((block * 3.337 + at * 1.19, block * 2.71 - at * 0.77) for at in range(24))
    return HallArea(
        key=f"{block}",
        name=f"Block {block}",
        kind="seated",
        capacity=500,
        outline=corners,
        label_at=corners[3],
        rows=tuple(map(row, range(20))),
        entrance=f"Gate {block}",
    )


@pytest.mark.parametrize(("rows", "bytes_max"), [(1_000, 100_000), (2_000, 200_000)])
def test_a_hall_of_fifty_thousand_seats_is_below_200_kilobytes(rows: int, bytes_max: int) -> None:
    """25,000 and 50,000 seats: blocks of 20 curved rows of 25, no two alike."""
    blocks = [curved_block(block) for block in range(rows // 20)]
    hall = msgspec.structs.replace(HALL, areas=tuple(blocks))
    body = msgspec.json.encode(draw_hall(SESSION, stored(hall)))
    packed = gzip.compress(body, 5, mtime=0)
    print(f"{25 * rows} seats: {len(body)} bytes, {len(packed)} compressed")
    assert len(packed) < bytes_max


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100, 5_000])
@pytest.mark.parametrize(
    "outline",
    [
        SQUARE,
        ((0.0, 0.0), (300.0, 0.0), (300.0, 2.0), (0.0, 2.0)),
        ((0.0, 0.0), (2.0, 0.0), (2.0, 300.0), (0.0, 300.0)),
        ((0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (6.0, 9.0), (6.0, 3.0), (3.0, 3.0), (3.0, 9.0), (0.0, 9.0)),
        ((0.0, 0.0), (10.0, 10.0), (0.0, 20.0), (-10.0, 10.0)),
    ],
)  # fmt: skip
def test_standing_places_are_apart_and_within_their_polygon(outline: Any, count: int) -> None:
    places = list(places_in(outline, count))
    assert len(set(places)) == len(places) == count
    assert all(within(place, outline) for place in places)


def within(place: tuple[float, float], outline: Any) -> bool:
    """Even-odd, by a ray to the left. A place on a side is within."""
    x, y = place
    sides = zip(outline, (*outline[1:], outline[0]), strict=True)
    crossings = [
        x1 + (y - y1) / (y2 - y1) * (x2 - x1)
        for (x1, y1), (x2, y2) in sides
        if (y1 <= y) != (y2 <= y)
    ]
    on_a_side = any(abs(crossing - x) < 1e-9 for crossing in crossings)
    return on_a_side or sum(crossing < x for crossing in crossings) % 2 == 1


def test_areas_without_a_hall_are_laid_out_on_the_fly() -> None:
    """As old code stores a session, also one whose draft had a plan's hall before."""
    rows = [Row("1", 6, aisles=(2,), accessible=(1, 6)), Row("2", 4)]
    areas = [
        AreaRow(UUID(int=1), "A", "seated", 5, 10, 1, 12, rows),
        AreaRow(UUID(int=2), "B", "standing", 3, 5, 14, 18, None),
    ]
    for hall in (None, msgspec.structs.replace(HALL, areas=())):
        drawn = decoded(draw_hall(SESSION, StoredHall("published", "CNY", hall, areas)))
        seated, standing = drawn["areas"]
        ids = [seat[0] for seat in compact_seats(seated)]
        assert ids == [1, 2, 4, 5, 6, 7, 9, 10, 11, 12]
        assert seated["rows"][0]["accessible"] == [1, 7]
        assert (standing["first_seat_id"], standing["capacity"], standing["rows"]) == (14, 5, [])
