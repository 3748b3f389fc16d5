"""Seat maps: drawn and encoded once, off the event loop, and kept, since a published plan is frozen."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import msgspec

from catalog import store
from catalog.answers import AreaMap, Seat, SeatMap, SeatRow
from catalog.domain import hall
from catalog.domain.ownership import Viewer
from catalog.domain.plan import Row, number_rows, standing_row
from catalog.encoded import GZIP_FROM_BYTES, Encoded, encode, packed
from catalog.store import AreaRow
from chassis.cache import FetchOnce
from chassis.postgres import Pool, connection
from chassis.problems import NotFound

KEEP_S = 86_400.0
MAPS_MAX = 16  # a map of 100,000 seats is 9 MB


class EncodedMap(msgspec.Struct, frozen=True):
    """A seat map as JSON, and as gzip where that is worth it. `frozen`: it will never change."""

    plain: Encoded
    gzip: Encoded | None
    frozen: bool


class SeatMaps:
    """The seat maps of sessions."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._published = FetchOnce(self._draw_published, ttl_s=KEEP_S, entries_max=MAPS_MAX)

    async def seat_map(self, session_id: UUID, viewer: Viewer | None) -> EncodedMap:
        """Raises NotFound for none, and for somebody else's draft."""
        try:
            return await self._published.get(session_id)
        except NotFound:
            if viewer is None:
                raise
        return await self._draw(session_id, viewer)

    async def _draw_published(self, session_id: UUID) -> EncodedMap:
        return await self._draw(session_id, None)

    async def _draw(self, session_id: UUID, viewer: Viewer | None) -> EncodedMap:
        async with connection(self._pool) as lent:
            session = await store.session(lent, session_id)
            if session is None:
                raise NotFound()
            draft = session["status"] == "draft"
            if draft and (viewer is None or not viewer.owns(session["organizer_id"])):
                raise NotFound()
            areas = await store.plans_of_session(lent, session_id)
        plain, gzip = await asyncio.to_thread(_encode, session_id, session["currency"], areas)
        return EncodedMap(plain, gzip, frozen=not draft)


def _encode(
    session_id: UUID, currency: str, areas: Sequence[AreaRow]
) -> tuple[Encoded, Encoded | None]:
    plain = encode(draw(session_id, currency, areas))
    return plain, packed(plain) if len(plain.body) >= GZIP_FROM_BYTES else None


def draw(session_id: UUID, currency: str, areas: Sequence[AreaRow]) -> SeatMap:
    """The map of a session's areas, in seat_id order."""
    rows = [rows_of(area) for area in areas]
    sizes = [
        hall.size_of(some, standing=area.rows is None)
        for area, some in zip(areas, rows, strict=True)
    ]
    frames = hall.arrange(sizes)
    return SeatMap(
        session_id=session_id,
        seat_count=sum(area.capacity for area in areas),
        width=max((frame.x + frame.width for frame in frames), default=0.0),
        height=max((frame.y + frame.height for frame in frames), default=0.0),
        areas=[
            AreaMap(
                area_id=area.area_id,
                name=area.name,
                kind="standing" if area.rows is None else "seated",
                price=area.price,
                currency=currency,
                x=frame.x,
                y=frame.y,
                width=frame.width,
                height=frame.height,
                rows=_draw_rows(area, some, frame),
            )
            for area, some, frame in zip(areas, rows, frames, strict=True)
        ],
    )


def rows_of(area: AreaRow) -> list[Row]:
    """An area's rows; a standing area's one row of places."""
    return [standing_row(area.capacity)] if area.rows is None else area.rows


def _draw_rows(area: AreaRow, rows: Sequence[Row], frame: hall.Frame) -> list[SeatRow]:
    drawn = []
    for index, numbered in enumerate(number_rows(rows, area.first_seat_id)):
        row = numbered.row
        accessible = frozenset(row.accessible)
        if area.rows is None:
            points = hall.places(frame, area.capacity)
        else:
            points = hall.seats_of_row(frame, index, row)
        seats = [
            Seat(
                seat_id=run.first_position + offset,
                row=row.label,
                number=run.first_number + offset,
                x=x,
                y=y,
                accessible=run.first_number + offset in accessible,
            )
            for run in numbered.runs
            for offset, (x, y) in zip(range(run.count), points, strict=False)
        ]
        drawn.append(SeatRow(row.label, seats))
    return drawn
