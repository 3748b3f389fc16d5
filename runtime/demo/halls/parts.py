"""What the demo's halls are made of."""

from collections.abc import Mapping
from typing import Any

import msgspec

from catalog.halls.document import (
    Aisle,
    CurvedBlock,
    Numbering,
    Place,
    PlanDocument,
    Properties,
    StraightBlock,
)

IN_ORDER = Numbering()
ODD_AND_EVEN = Numbering(direction="odd-left")  # 单号 on one side, 双号 on the other


class DemoHall(msgspec.Struct, frozen=True):
    """A plan, and what its sections usually cost, in yuan by their keys."""

    plan: PlanDocument
    prices: Mapping[str, int]

    def prices_at(self, scale: int) -> list[dict[str, Any]]:
        """As a session takes them, in fen, at so many per cent of the usual ones."""
        return [{"section": key, "price": price * scale} for key, price in self.prices.items()]


class Gallery(msgspec.Struct, frozen=True):
    """Standing areas without a plan: their price in yuan and their capacity, by name."""

    areas: Mapping[str, tuple[int, int]]

    def areas_at(self, scale: int) -> list[dict[str, Any]]:
        """As a session takes them, in fen, at so many per cent of the usual prices."""
        return [
            {"name": name, "kind": "standing", "price": price * scale, "capacity": capacity}
            for name, (price, capacity) in self.areas.items()
        ]


def around(
    centre: Place,
    radius: float,
    angles: tuple[float, float],
    rows: int,
    *,
    aisles: tuple[Aisle, ...] = (Aisle(after="middle", width=1.4),),
    numbering: Numbering = IN_ORDER,
) -> CurvedBlock:
    """Curved rows that are as full as they can be. angles: of their left end and their right one."""
    return CurvedBlock(
        centre=centre,
        radius=radius,
        start=angles[0],
        end=angles[1],
        rows=rows,
        aisles=list(aisles),
        numbering=numbering,
    )


def beside(at: Place, rotation: float, rows: int, seats: int) -> StraightBlock:
    """Straight rows with an aisle in the middle."""
    aisle = Aisle(after="middle", width=1.4)
    return StraightBlock(at=at, rotation=rotation, rows=rows, seats=seats, aisles=[aisle])


def wheelchairs(row: str, *pairs: tuple[int, int]) -> list[Properties]:
    """Places for wheelchairs, each with the seat of a companion: (place, companion)."""
    places = Properties(rows=[row], seats=[place for place, _ in pairs], accessible=True)
    return [
        places,
        *(
            Properties(rows=[row], seats=[companion], companion_of=place)
            for place, companion in pairs
        ),
    ]


def rows_named(first: int, last: int) -> list[str]:
    return [str(row) for row in range(first, last + 1)]
