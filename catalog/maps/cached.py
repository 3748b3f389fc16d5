"""Drawn halls: drawn and encoded once, off the event loop, and cached while they are valid.

A published plan is frozen, so what is drawn of it is cached by session. A draft's is cached by the
session's revision, which every change increments. Encoded maps are cached only here. Published maps and
drafts have separate bounds in bytes, so drafts cannot displace the maps that buyers look at.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Literal
from uuid import UUID

import msgspec

from catalog import store
from catalog.encoded import PACKED_ALONE_FROM_BYTES, Encoded, Packed, encode, pack
from catalog.maps.compact import draw_hall
from catalog.maps.seat_map import draw_seat_map
from catalog.maps.wire import HallForm, SeatMap
from catalog.store import StoredHall
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

Form = Literal["seat-map", "hall"]
Draw = Callable[[Form, UUID, StoredHall], SeatMap | HallForm]
Key = tuple[Form, UUID]
DraftKey = tuple[Form, UUID, int]  # with the session's revision


class EncodedMap(msgspec.Struct, frozen=True):
    """A drawn hall as JSON; a large one is kept compressed only. `frozen`: true if it can never change."""

    form: Encoded | Packed
    frozen: bool

    @property
    def weight(self) -> int:
        return len((self.form.gzip if isinstance(self.form, Packed) else self.form).body)


def draw(form: Form, session_id: UUID, stored: StoredHall) -> SeatMap | HallForm:
    if form == "hall":
        return draw_hall(session_id, stored)
    return draw_seat_map(session_id, stored)


def drafts_lane() -> SlowThreads:
    """One thread for all that organizers try, so they do not delay buyers."""
    return SlowThreads("draft-maps", threads=1, waiting_max=WAITING_MAX, busy=BUSY)


class DrawnHalls:
    """What is drawn of sessions' halls. Close it after use; the lane of drafts is its owner's."""

    def __init__(
        self,
        pool: Pool,
        drafts: SlowThreads,
        *,
        draw: Draw = draw,
        draft_bytes_max: int = DRAFT_BYTES_MAX,
    ) -> None:
        self._pool = pool
        self._draw_form = draw
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
        self._draft_lane = drafts
        self._published_lane = SlowThreads(
            "published-maps", threads=1, waiting_max=WAITING_MAX, busy=BUSY
        )

    def close(self) -> None:
        self._published_lane.close()

    async def find(self, form: Form, session_id: UUID, viewer: Principal | None) -> EncodedMap:
        """Raises NotFound if there is none or it is another organizer's draft, Overloaded if too many are
        being drawn."""
        try:
            return await self._published.get((form, session_id))
        except NotFound:
            if viewer is None:
                raise
        async with connection(self._pool) as db:
            session = await store.standing_of_session(db, session_id)
        if session is None or not viewer.may_manage(session["organizer_id"]):
            raise NotFound()
        return await self._drafts.get((form, session_id, session["revision"]))

    def kept(self, form: Form, session_id: UUID, drawn: EncodedMap) -> Callable[[], bool]:
        """Says whether `find` would return this published map at once."""
        return partial(self._published.is_current, (form, session_id), drawn)

    async def _draw_published(self, key: Key) -> EncodedMap:
        form, session_id = key
        async with connection(self._pool) as db:
            session = await store.standing_of_session(db, session_id)
            if session is None or session["status"] == "draft":
                raise NotFound()
            stored = await store.hall_of_session(db, session_id)
        return await self._draw(self._published_lane, form, session_id, stored)

    async def _draw_draft(self, key: DraftKey) -> EncodedMap:
        """Draws the draft's current plan. If the plan changed after the request, nobody asks for this
        revision again."""
        form, session_id, _ = key
        async with connection(self._pool) as db:
            stored = await store.hall_of_session(db, session_id)
        return await self._draw(self._draft_lane, form, session_id, stored)

    async def _draw(
        self, lane: SlowThreads, form: Form, session_id: UUID, stored: StoredHall | None
    ) -> EncodedMap:
        if stored is None:
            raise NotFound()
        drawing = lane.submit(lambda: _encode(self._draw_form(form, session_id, stored)))
        return EncodedMap(await asyncio.wrap_future(drawing), frozen=stored.status != "draft")


def _encode(drawn: SeatMap | HallForm) -> Encoded | Packed:
    plain = encode(drawn)
    return pack(plain) if len(plain.body) >= PACKED_ALONE_FROM_BYTES else plain
