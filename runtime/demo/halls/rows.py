"""Halls of the demo: areas as POST /shows/{id}/sessions accepts them. Prices in fen."""

from collections.abc import Sequence
from typing import Any

Area = dict[str, Any]


def seated(
    name: str,
    price: int,
    rows: int,
    seats: int,
    *,
    aisles: Sequence[int] = (),
    accessible: Sequence[int] = (),
) -> Area:
    """Equal rows numbered from 1. The first row has the accessible seats."""
    plan = [{"label": str(row), "seats": seats, "aisles": aisles} for row in range(1, rows + 1)]
    plan[0] = plan[0] | {"accessible": accessible}
    return {"name": name, "kind": "seated", "price": price, "rows": plan}


def standing(name: str, price: int, capacity: int) -> Area:
    return {"name": name, "kind": "standing", "price": price, "capacity": capacity}


def stadium(scale: int = 100) -> list[Area]:
    """22,800 numbered seats and 3,000 standing places. `scale`: per cent of the usual prices."""
    lower = [
        seated(f"看台 {block}区", 580 * scale, 25, 40, aisles=(20,), accessible=(1, 2, 39, 40))
        for block in range(101, 113)
    ]
    upper = [
        seated(f"看台 {block}区", 380 * scale, 30, 30, aisles=(15,)) for block in range(201, 211)
    ]
    return [
        seated("VIP A区", 1280 * scale, 20, 40, aisles=(10, 30), accessible=(1, 40)),
        seated("VIP B区", 980 * scale, 20, 50, aisles=(25,), accessible=(1, 50)),
        standing("内场站席", 680 * scale, 3_000),
        *lower,
        *upper,
    ]


def arena(scale: int = 100) -> list[Area]:
    """A sports hall of 4,400 seats."""
    courtside = seated("场边席", 880 * scale, 4, 50, aisles=(25,), accessible=(1, 50))
    stands = [
        seated(f"{side}看台", price * scale, 30, 35, aisles=(12, 24))
        for side, price in (("东", 280), ("西", 280), ("南", 180), ("北", 180))
    ]
    return [courtside, *stands]


def theatre(scale: int = 100) -> list[Area]:
    """Stalls, circle and boxes: 824 seats."""
    return [
        seated("池座 一等", 680 * scale, 10, 26, aisles=(8, 18), accessible=(1, 26)),
        seated("池座 二等", 480 * scale, 12, 26, aisles=(8, 18)),
        seated("楼座", 280 * scale, 9, 26, aisles=(13,)),
        seated("包厢", 880 * scale, 3, 6),
    ]


def club(scale: int = 100) -> list[Area]:
    """A small stage: 96 chairs, 60 places at the bar."""
    return [
        seated("前区", 280 * scale, 8, 12, aisles=(6,), accessible=(1,)),
        standing("吧台站席", 120 * scale, 60),
    ]


def gallery(scale: int = 100) -> list[Area]:
    """An exhibition: a number of visitors per day."""
    return [standing("单日票", 98 * scale, 800), standing("亲子双人票", 158 * scale, 200)]
