"""A stadium of two tiers: for a concert with the stage at its open end, and closed around a pitch."""

import math
from collections.abc import Iterator
from typing import Literal

import msgspec

from catalog.halls.document import (
    CurvedBlock,
    Level,
    Place,
    PlanDocument,
    Properties,
    Section,
    Stage,
    StraightBlock,
)
from catalog.halls.geometry import arc_points
from runtime.demo.halls.parts import DemoHall, around, beside, rows_named, wheelchairs

FLOOR, LOWER, UPPER = (
    Level(key="floor", name="内场"),
    Level(key="lower", name="一层看台"),
    Level(key="upper", name="二层看台"),
)
BETWEEN = 2.4  # units between two sections, where people walk
GATES = 8
STAGE: list[Place] = [
    *((-30.0, -20.0), (30.0, -20.0), (30.0, -5.0), (12.0, -5.0)),
    *((8.0, 0.0), (-8.0, 0.0), (-12.0, -5.0), (-30.0, -5.0)),
]


class Tier(msgspec.Struct, frozen=True, kw_only=True):
    """One storey of stands: its front row's distance from the pitch's axis and from its ends, and into how
    many sections a side and a curve are divided."""

    level: Level
    first_number: int
    radius: float
    rows: int
    in_a_side: int
    in_a_curve: int


class Stand(msgspec.Struct, frozen=True):
    """A section to be: its block and where it lies."""

    block: StraightBlock | CurvedBlock
    place: Literal["left", "curve", "right", "top"]


def stands_of(tier: Tier, top: float, bottom: float, *, closed: bool) -> Iterator[Stand]:
    """From the upper left corner down, around the lower curve and up again; then the upper curve."""
    length = (bottom - top) / tier.in_a_side
    middles = [top + (index + 0.5) * length for index in range(tier.in_a_side)]
    seats = math.floor(length - BETWEEN) // 2 * 2
    for middle in middles:
        yield Stand(beside((-tier.radius, middle), 90, tier.rows, seats), "left")
    for block in _curve(tier, (0.0, bottom), 180):
        yield Stand(block, "curve")
    for middle in reversed(middles):
        yield Stand(beside((tier.radius, middle), -90, tier.rows, seats), "right")
    if closed:
        for block in _curve(tier, (0.0, top), 360):
            yield Stand(block, "top")


def _curve(tier: Tier, centre: Place, start: float) -> Iterator[CurvedBlock]:
    angle = 180 / tier.in_a_curve
    inset = math.degrees(BETWEEN / 2 / tier.radius)
    for index in range(tier.in_a_curve):
        left = start - index * angle
        yield around(centre, tier.radius, (left - inset, left - angle + inset), tier.rows)


def _section(
    tier: Tier, index: int, stand: Stand, view: str, properties: list[Properties]
) -> Section:
    number = tier.first_number + index
    sections = 2 * tier.in_a_side + tier.in_a_curve
    return Section(
        key=str(number),
        name=f"看台 {number}区",
        level=tier.level.key,
        entrance=f"{index * GATES // sections % GATES + 1} 号门",
        view=view,
        blocks=[stand.block],
        properties=[*wheelchairs("1", (1, 2), (4, 3)), *properties]
        if tier.level is LOWER
        else properties,
    )


def concert() -> DemoHall:
    """About 25,000: stands of two tiers around three sides, VIP seats in the middle, a standing floor."""
    sections, prices = _floor()
    for tier, price in (
        (Tier(level=LOWER, first_number=101, radius=64, rows=26, in_a_side=3, in_a_curve=8), 580),
        (Tier(level=UPPER, first_number=201, radius=110, rows=24, in_a_side=3, in_a_curve=10), 380),
    ):
        stands = list(stands_of(tier, -6.0, 60.0, closed=False))
        for index, stand in enumerate(stands):
            beside_stage = index in {0, len(stands) - 1}
            view = {"left": "舞台左侧", "curve": "正对舞台", "right": "舞台右侧"}[stand.place]
            all_rows = Properties(rows=rows_named(1, tier.rows), restricted=True)
            made = _section(
                tier,
                index,
                stand,
                f"{view}，部分视线受侧台遮挡" if beside_stage else view,
                [all_rows] if beside_stage else [],
            )
            sections.append(made)
            prices[made.key] = price - 200 if beside_stage else price
    plan = PlanDocument(
        version=1,
        name="演唱会 · 单面舞台",
        stage=Stage(kind="end", outline=STAGE, label="舞台"),
        focal_point=(0.0, -6.0),
        levels=[FLOOR, LOWER, UPPER],
        sections=sections,
    )
    return DemoHall(plan, prices)


def _floor() -> tuple[list[Section], dict[str, int]]:
    """The VIP seats in front of the stage, and the standing floor behind them in the curve's half circle."""
    centre = (0.0, -42.0)
    vip_a = Section(
        key="vip-a",
        name="VIP A区",
        level=FLOOR.key,
        entrance="内场通道 A",
        view="舞台正前方",
        blocks=[around(centre, 48, (121, 59), 14)],
        properties=wheelchairs("1", (1, 2), (4, 3)),
    )
    vip_b = Section(
        key="vip-b",
        name="VIP B区",
        level=FLOOR.key,
        entrance="内场通道 B",
        view="舞台正前方，稍远",
        blocks=[around(centre, 74, (127, 53), 12)],
        properties=wheelchairs("1", (1, 2), (4, 3)),
    )
    curve = [(round(x, 2), round(y, 2)) for x, y in arc_points((0.0, 60.0), 57.0, 180, 0)]
    standing = Section(
        key="floor",
        name="内场站席",
        level=FLOOR.key,
        kind="standing",
        capacity=3_000,
        entrance="内场通道 C",
        view="站立观看",
        outline=curve,
    )
    return [vip_a, vip_b, standing], {"vip-a": 1280, "vip-b": 980, "floor": 680}


def match() -> DemoHall:
    """Two tiers all around a pitch; cheaper behind the goals."""
    sections: list[Section] = []
    prices: dict[str, int] = {}
    for tier, price in (
        (Tier(level=LOWER, first_number=101, radius=62, rows=14, in_a_side=3, in_a_curve=6), 580),
        (Tier(level=UPPER, first_number=201, radius=90, rows=12, in_a_side=3, in_a_curve=8), 380),
    ):
        for index, stand in enumerate(stands_of(tier, -36.0, 36.0, closed=True)):
            at_goal = stand.place in {"curve", "top"}
            made = _section(tier, index, stand, "球门后方" if at_goal else "边线正对", [])
            sections.append(made)
            prices[made.key] = price - 150 if at_goal else price
    pitch: list[Place] = [(-46.0, -70.0), (46.0, -70.0), (46.0, 70.0), (-46.0, 70.0)]
    plan = PlanDocument(
        version=1,
        name="足球比赛",
        stage=Stage(kind="round", outline=pitch, label="球场"),
        levels=[LOWER, UPPER],
        sections=sections,
    )
    return DemoHall(plan, prices)
