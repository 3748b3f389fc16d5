"""The areas that a session is stored with: made from rows, or copied from a plan's hall."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import msgspec

from catalog import checks
from catalog.domain.plan import Row, place_areas, standing_row
from catalog.halls.hall import Hall, HallArea
from catalog.session_halls import stored_rows
from catalog.store import AreaRow
from catalog.wire import AreaOfSeats
from chassis.ids import uuid7


class PlanCopy(msgspec.Struct, frozen=True):
    """A venue's plan laid out, as a session copies it. hall: without its areas, which are `sections`, and
    whose rows are in the form of positions in `rows`."""

    venue_id: UUID
    hall: Hall
    sections: tuple[HallArea, ...]
    rows: list[list[Row]]

    def areas(self, prices: Mapping[str, int]) -> list[AreaRow]:
        """The areas as stored, with prices by the keys of sections."""
        levels = {level.key: level.name for level in self.hall.levels}
        return [
            AreaRow(
                area_id=uuid7(),
                name=section.name,
                kind=section.kind,
                price=prices[section.key],
                capacity=room.capacity,
                first_seat_id=room.first,
                last_seat_id=room.last,
                rows=rows if section.kind == "seated" else None,
                hall=section,
                level=levels.get(section.level or ""),
                kept=sum(len({*row.blocked, *row.house}) for row in section.rows),
            )
            for section, rows, room in zip(
                self.sections, self.rows, place_areas(self.rows), strict=True
            )
        ]


def copy_of(venue_id: UUID, hall: Hall) -> PlanCopy:
    alone = msgspec.structs.replace(hall, areas=())
    return PlanCopy(venue_id, alone, hall.areas, [stored_rows(area) for area in hall.areas])


def areas_of_rows(areas: Sequence[AreaOfSeats]) -> list[AreaRow]:
    """The areas as stored, each with its range of positions."""
    rows = [checks.rows_of(area) for area in areas]
    ranges = place_areas(
        [some or [standing_row(area.capacity or 0)] for area, some in zip(areas, rows, strict=True)]
    )
    return [
        AreaRow(
            area_id=uuid7(),
            name=area.name,
            kind=area.kind,
            price=area.price,
            capacity=room.capacity,
            first_seat_id=room.first,
            last_seat_id=room.last,
            rows=some or None,
        )
        for area, some, room in zip(areas, rows, ranges, strict=True)
    ]
