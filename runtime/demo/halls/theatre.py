"""A theatre: stalls, boxes along both walls, and two balconies, with odd and even numbers."""

import msgspec

from catalog.halls.document import (
    Aisle,
    CurvedBlock,
    LabelRule,
    Level,
    Numbering,
    PlanDocument,
    Properties,
    Section,
    Stage,
    StraightBlock,
)
from catalog.halls.geometry import on_circle
from runtime.demo.halls.parts import ODD_AND_EVEN, DemoHall, around, rows_named, wheelchairs

STALLS, FIRST, SECOND = (
    Level(key="stalls", name="池座"),
    Level(key="first", name="二楼楼座"),
    Level(key="second", name="三楼楼座"),
)
CENTRE = (0.0, -34.0)  # of all curved rows
TWO_AISLES = (Aisle(after=7, width=1.4), Aisle(after=-7, width=1.4))
BOXES_A_SIDE = 6


def theatre() -> DemoHall:
    """About 1,500 seats. Boxes are sold as a whole."""
    plan = PlanDocument(
        version=1,
        name="镜框舞台",
        stage=Stage(
            kind="end",
            outline=[(-17.0, -12.0), (17.0, -12.0), (15.0, 0.0), (0.0, 1.6), (-15.0, 0.0)],
            label="舞台",
        ),
        focal_point=(0.0, -3.0),
        levels=[STALLS, FIRST, SECOND],
        sections=[
            *_stalls(),
            _boxes("左", -1),
            _boxes("右", 1),
            *_balcony(FIRST, 80.0, 8),
            *_balcony(SECOND, 98.0, 7),
        ],
    )
    return DemoHall(
        plan,
        {
            "stalls-1": 680,
            "stalls-2": 480,
            "boxes-left": 880,
            "boxes-right": 880,
            "first-middle": 380,
            "first-left": 320,
            "first-right": 320,
            "second-middle": 280,
            "second-left": 180,
            "second-right": 180,
        },
    )


def _stalls() -> list[Section]:
    best = Section(
        key="stalls-1",
        name="池座 一等",
        level=STALLS.key,
        entrance="一楼 1、2 号门",
        view="正对舞台，近",
        blocks=[_curved(40.0, (115, 65), 1, 10)],
        properties=[Properties(rows=["6"], seats=[1, 2, 3, 4], house=True)],
    )
    good = Section(
        key="stalls-2",
        name="池座 二等",
        level=STALLS.key,
        entrance="一楼 3、4 号门",
        view="正对舞台",
        blocks=[_curved(58.5, (115, 65), 11, 19)],
        properties=wheelchairs("11", (35, 37), (41, 39), (36, 38), (42, 40)),
    )
    return [best, good]


def _curved(radius: float, angles: tuple[float, float], first: int, last: int) -> CurvedBlock:
    """Rows that are numbered on from those before them."""
    block = around(
        CENTRE, radius, angles, last - first + 1, aisles=TWO_AISLES, numbering=ODD_AND_EVEN
    )
    return msgspec.structs.replace(block, labels=LabelRule(start=first))


def _boxes(side: str, towards: int) -> Section:
    """Boxes of four along a wall; the two nearest to the stage see only a part of it."""
    blocks: list[StraightBlock | CurvedBlock] = []
    for index in range(BOXES_A_SIDE):
        angle = 90 - towards * (31 + index * 0.4)
        x, y = on_circle(CENTRE, 40 + index * 5.6, angle)
        blocks.append(
            StraightBlock(
                at=(round(x, 2), round(y, 2)),
                rotation=-towards * (66 - index * 5),
                labels=[f"{side}{index + 1}"],
                seats=4,
                whole=True,
            )
        )
    return Section(
        key="boxes-left" if towards < 0 else "boxes-right",
        name=f"{side}侧包厢",
        level=FIRST.key,
        entrance=f"二楼 {side}侧门",
        view="侧面，居高",
        blocks=blocks,
        properties=[Properties(rows=[f"{side}1", f"{side}2"], restricted=True)],
    )


def _balcony(level: Level, radius: float, rows: int) -> list[Section]:
    """Three sections of one balcony; the outer seats of its wings see the stage from the side."""
    sections = []
    for key, name, angles, numbering in (
        ("left", "左", (119.0, 104.0), Numbering()),
        ("middle", "中", (103.0, 77.0), ODD_AND_EVEN),
        ("right", "右", (76.0, 61.0), Numbering(direction="right-to-left")),
    ):
        wing = key != "middle"
        outer = Properties(rows=rows_named(1, rows), seats=[1, 2, 3], restricted=True)
        sections.append(
            Section(
                key=f"{level.key}-{key}",
                name=f"{level.name} {name}",
                level=level.key,
                entrance=f"{level.name[:2]} {name}门",
                view="侧面，居高" if wing else "正面，居高",
                blocks=[around(CENTRE, radius, angles, rows, aisles=(), numbering=numbering)],
                properties=[outer] if wing else [],
            )
        )
    return sections
