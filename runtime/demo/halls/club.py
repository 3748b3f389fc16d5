"""A club: tables in front of a small stage, booths that are sold as a whole, and a bar."""

from catalog.halls.document import Place, PlanDocument, Section, Stage, Table
from catalog.halls.geometry import Edge, on_circle, sector
from runtime.demo.halls.parts import DemoHall, wheelchairs

CENTRE = (0.0, -9.0)


def club() -> DemoHall:
    """140 chairs at tables, 60 places at the bar."""
    plan = PlanDocument(
        version=1,
        name="小剧场 · 桌位",
        stage=Stage(
            kind="thrust",
            outline=[(-8.0, -6.0), (8.0, -6.0), (8.0, -1.0), (4.5, 1.0), (-4.5, 1.0), (-8.0, -1.0)],
            label="舞台",
        ),
        sections=[
            Section(
                key="front",
                name="前排圆桌",
                view="紧邻舞台",
                outline=_crescent(16.5, (150, 30)),
                tables=_round(16.5, 5, (138, 42), 4),
                properties=wheelchairs("1", (1, 2)),
            ),
            Section(
                key="tables",
                name="圆桌",
                view="正对舞台",
                outline=_crescent(24.0, (154, 26)),
                tables=_round(24.0, 8, (146, 34), 6, first=6),
            ),
            Section(
                key="booths",
                name="卡座",
                view="稍远，私密",
                tables=[
                    Table(
                        label=f"K{index + 1}",
                        shape="rectangle",
                        at=(-19.5 + index * 7.8, 22.5),
                        rotation=0,
                        seats=8,
                        whole=True,
                    )
                    for index in range(6)
                ],
            ),
            Section(
                key="bar",
                name="吧台站席",
                kind="standing",
                capacity=60,
                view="站立，靠近吧台",
                outline=[(-23.0, 26.5), (23.0, 26.5), (23.0, 31.5), (-23.0, 31.5)],
            ),
        ],
    )
    return DemoHall(plan, {"front": 380, "tables": 280, "booths": 320, "bar": 120})


def _round(
    radius: float,
    count: int,
    angles: tuple[float, float],
    seats: int,
    *,
    first: int = 1,
) -> list[Table]:
    """Round tables on a circle around the stage, labelled from the left."""
    step = (angles[1] - angles[0]) / (count - 1)
    tables = []
    for index in range(count):
        angle = angles[0] + index * step
        x, y = on_circle(CENTRE, radius, angle)
        tables.append(
            Table(
                label=str(first + index),
                shape="round",
                at=(round(x, 2), round(y, 2)),
                rotation=round(angle + 180 + 180 / seats, 1),
                seats=seats,
            )
        )
    return tables


def _crescent(radius: float, angles: tuple[float, float]) -> list[Place]:
    """Around tables on a circle."""
    return list(sector(CENTRE, Edge(radius - 3, *angles), Edge(radius + 3, *angles)))
