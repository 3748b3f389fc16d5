"""An arena in the round: a court in the middle, two rings of stands, the front rows straight along it."""

from collections.abc import Iterator

from catalog.halls.document import Level, PlanDocument, Section, Stage
from runtime.demo.halls.parts import DemoHall, around, beside, wheelchairs

COURTSIDE, LOWER, UPPER = (
    Level(key="court", name="场边"),
    Level(key="lower", name="一层看台"),
    Level(key="upper", name="二层看台"),
)
IN_THE_MIDDLE = (0.0, 0.0)
BETWEEN = 1.4  # degrees between two sections


def arena() -> DemoHall:
    """About 6,000 seats. Those along the court's long sides cost more."""
    sections: list[Section] = []
    prices: dict[str, int] = {}
    for key, name, at, rotation, seats in (
        ("north", "北", (0.0, -18.5), 180.0, 40),
        ("south", "南", (0.0, 18.5), 0.0, 40),
        ("west", "西", (-31.0, 0.0), 90.0, 24),
        ("east", "东", (31.0, 0.0), -90.0, 24),
    ):
        sections.append(
            Section(
                key=f"court-{key}",
                name=f"场边席 {name}",
                level=COURTSIDE.key,
                entrance=f"{name}门",
                view="紧邻场地",
                blocks=[beside(at, rotation, 3, seats)],
                properties=wheelchairs("1", (1, 2), (4, 3)),
            )
        )
        prices[f"court-{key}"] = 880
    for section, long_side in (*_ring(LOWER, 101, 12, 42.0, 10), *_ring(UPPER, 201, 16, 63.0, 9)):
        sections.append(section)
        prices[section.key] = (380 if section.level == LOWER.key else 240) - (
            0 if long_side else 100
        )
    plan = PlanDocument(
        version=1,
        name="四面看台",
        stage=Stage(
            kind="round",
            outline=[(-28.0, -15.0), (28.0, -15.0), (28.0, 15.0), (-28.0, 15.0)],
            label="场地",
        ),
        levels=[COURTSIDE, LOWER, UPPER],
        sections=sections,
    )
    return DemoHall(plan, prices)


def _ring(
    level: Level, first: int, count: int, radius: float, rows: int
) -> Iterator[tuple[Section, bool]]:
    """Sections around the court, clockwise from its upper left corner as seen from above; whether each
    is along one of its long sides."""
    angle = 360 / count
    for index in range(count):
        middle = 225 + (index + 0.5) * angle
        along = abs((middle % 180) - 90) < 50
        block = around(
            IN_THE_MIDDLE,
            radius,
            (middle + angle / 2 - BETWEEN / 2, middle - angle / 2 + BETWEEN / 2),
            rows,
        )
        section = Section(
            key=str(first + index),
            name=f"看台 {first + index}区",
            level=level.key,
            entrance=f"{'北东南西'[int((middle - 225) // 90) % 4]}门",
            view="边线一侧" if along else "底线后方",
            blocks=[block],
            properties=wheelchairs("1", (1, 2), (4, 3)) if level is LOWER else [],
        )
        yield section, along
