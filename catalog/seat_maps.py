"""Seat maps: drawn and encoded once, off the event loop, and cached while they are valid.

A published plan is frozen, so its map is cached by session. A draft's map is cached by the session's
revision, which every change increments. Encoded maps are cached only here. Published maps and drafts have
separate bounds in bytes, so drafts cannot displace the maps that buyers look at.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from catalog import store
from catalog.domain import hall
from catalog.domain.plan import NumberedRow, Row, number_rows, standing_row
from catalog.encoded import PACKED_ALONE_FROM_BYTES, Encoded, Packed, encode, pack
from catalog.store import AreaRow
from catalog.wire import AreaMap, Seat, SeatMap, SeatRow
from chassis.auth.tokens import Principal
from chassis.concurrency.cache import FetchOnce
from chassis.concurrency.threads import SlowThreads
from chassis.postgres.pool import Pool, connection
from chassis.problems import NotFound

KEEP_S = 86_400.0
KEEP_DRAFT_S = 600.0
MAPS_MAX = 1_000
PUBLISHED_BYTES_MAX = 96 * 1_048_576  # a map of 200,000 seats is 18 MB, and 1.6 MB compressed
DRAFT_BYTES_MAX = 48 * 1_048_576
WAITING_MAX = 8  # behind the one that is being drawn; the largest takes half a second
BUSY = "Too many seat maps are being drawn. Try again in a moment."

Draw = Callable[[UUID, str, Sequence[AreaRow]], SeatMap]
DraftKey = tuple[UUID, int]  # a session and its revision


class EncodedMap(msgspec.Struct, frozen=True):
    """A seat map as JSON; a large one is kept compressed only. `frozen`: true if it can never change."""

    form: Encoded | Packed
    frozen: bool

    @property
    def weight(self) -> int:
        return len((self.form.gzip if isinstance(self.form, Packed) else self.form).body)


class SeatMaps:
    """The seat maps of sessions. Close it after use.

    Published maps and drafts are drawn in one thread each, so organizers who try many plans do not delay
    buyers.
    """

    def __init__(
        self, pool: Pool, *, draw: Draw | None = None, draft_bytes_max: int = DRAFT_BYTES_MAX
    ) -> None:
        self._pool = pool
        self._draw_map = draw or draw_map
        self._published = FetchOnce(
            self._draw_published,
            ttl_s=KEEP_S,
            entries_max=MAPS_MAX,
            weigh=lambda drawn: drawn.weight,
            weight_max=PUBLISHED_BYTES_MAX,
        )
        self._drafts = FetchOnce(
            self._draw_draft,
            ttl_s=KEEP_DRAFT_S,
            entries_max=MAPS_MAX,
            weigh=lambda drawn: drawn.weight,
            weight_max=draft_bytes_max,
        )
        self._lanes = {
            lane: SlowThreads(f"{lane}-maps", threads=1, waiting_max=WAITING_MAX, busy=BUSY)
            for lane in ("published", "draft")
        }

    def close(self) -> None:
        for lane in self._lanes.values():
            lane.close()

    async def seat_map(self, session_id: UUID, viewer: Principal | None) -> EncodedMap:
        """Raises NotFound if there is none or it is another organizer's draft, Overloaded if too many are
        being drawn."""
        try:
            return await self._published.get(session_id)
        except NotFound:
            if viewer is None:
                raise
        async with connection(self._pool) as db:
            session = await store.standing_of_session(db, session_id)
        if session is None or not viewer.may_manage(session["organizer_id"]):
            raise NotFound()
        return await self._drafts.get((session_id, session["revision"]))

    def drawn(self, session_id: UUID, drawn: EncodedMap) -> Callable[[], bool]:
        """Says whether `seat_map` would return this published map at once."""
        return partial(self._published.is_current, session_id, drawn)

    async def _draw_published(self, session_id: UUID) -> EncodedMap:
        async with connection(self._pool) as db:
            session = await store.standing_of_session(db, session_id)
            if session is None or session["status"] == "draft":
                raise NotFound()
            plan = await store.plan_of_session(db, session_id)
        return await self._draw("published", session_id, plan)

    async def _draw_draft(self, key: DraftKey) -> EncodedMap:
        """Draws the draft's current plan. If the plan changed after the request, nobody asks for this
        revision again."""
        async with connection(self._pool) as db:
            plan = await store.plan_of_session(db, key[0])
        return await self._draw("draft", key[0], plan)

    async def _draw(self, lane: str, session_id: UUID, plan: store.Plan | None) -> EncodedMap:
        if plan is None:
            raise NotFound()
        drawing = self._lanes[lane].submit(
            lambda: _encode(self._draw_map(session_id, plan.currency, plan.areas))
        )
        return EncodedMap(await asyncio.wrap_future(drawing), frozen=plan.status != "draft")


def _encode(drawn: SeatMap) -> Encoded | Packed:
    plain = encode(drawn)
    return pack(plain) if len(plain.body) >= PACKED_ALONE_FROM_BYTES else plain


def draw_map(session_id: UUID, currency: str, areas: Sequence[AreaRow]) -> SeatMap:
    """The map of a session's areas, in seat_id order. Its rows are already encoded."""
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
    """An area's rows. A standing area is one row of places."""
    return [standing_row(area.capacity)] if area.rows is None else area.rows


def _draw_rows(area: AreaRow, rows: Sequence[Row], frame: hall.Frame) -> list[SeatRow]:
    """Encodes each row by itself: all seats of a large hall at once are 60 MB of objects, and encoding
    them in one step blocks every other thread."""
    drawn: list[Any] = []
    for index, numbered in enumerate(number_rows(rows, area.first_seat_id)):
        if area.rows is None:
            points = hall.places(frame, area.capacity)
        else:
            points = hall.seats_of_row(frame, index, numbered.row)
        drawn.append(msgspec.Raw(msgspec.json.encode(_draw_row(numbered, points))))
    return drawn


def _draw_row(numbered: NumberedRow, points: Iterator[tuple[float, float]]) -> SeatRow:
    row = numbered.row
    accessible = frozenset(row.accessible)
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
    return SeatRow(row.label, seats)
