"""What the public reads: searches, shows, sessions. Answers are encoded once and cached briefly.

Buyers are served from memory, at most FRESH_S old, with one query at a time per key. Organizers and
admins also see drafts, and must see their own changes at once. They are few, so they are served from the
database.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from catalog import store
from catalog.domain.sales import sale_state
from catalog.domain.searching import Search
from catalog.encoded import Encoded, encode
from catalog.prices.reading import answered, sheet_of
from catalog.store import Record
from catalog.wire import SeatArea, Session, SessionList, Show, ShowList, ShowSummary
from chassis.auth.tokens import Principal
from chassis.concurrency.cache import FetchOnce
from chassis.postgres.pool import Connection, Pool, connection
from chassis.problems import NotFound
from contracts.catalog import RefundPolicy

FRESH_S = 0.5  # `available` may be a second late in all; events need part of this second
ENTRIES_MAX = 5000

IsCurrent = Callable[[], bool]


class Listing(Encoded, frozen=True):
    """An encoded list and the number of its results."""

    total: int


class Reading:
    """What the public API reads."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._searches = FetchOnce(self._search, ttl_s=FRESH_S, entries_max=ENTRIES_MAX)
        self._shows = FetchOnce(self._show, ttl_s=FRESH_S, entries_max=ENTRIES_MAX)
        self._runs = FetchOnce(self._sessions, ttl_s=FRESH_S, entries_max=ENTRIES_MAX)
        self._sessions_alone = FetchOnce(self._session, ttl_s=FRESH_S, entries_max=ENTRIES_MAX)

    async def shows(self, search: Search) -> Listing:
        """Published shows that match."""
        return await self._searches.get(search)

    async def own_shows(self, search: Search, organizer_id: UUID) -> Listing:
        """The organizer's shows that match, with drafts."""
        return await self._search(search, organizer_id)

    def searched(self, search: Search, found: Listing) -> IsCurrent:
        """Says whether `shows` would return this at once. So for the others."""
        return partial(self._searches.is_current, search, found)

    async def show(self, show_id: UUID, viewer: Principal | None) -> Encoded:
        """Raises NotFound, also if every session is another organizer's draft."""
        if viewer is not None:
            return await self._show(show_id, viewer)
        return await self._shows.get(show_id)

    def shown(self, show_id: UUID, found: Encoded) -> IsCurrent:
        return partial(self._shows.is_current, show_id, found)

    async def sessions(self, show_id: UUID, viewer: Principal | None) -> Encoded:
        if viewer is not None:
            return await self._sessions(show_id, viewer)
        return await self._runs.get(show_id)

    def listed(self, show_id: UUID, found: Encoded) -> IsCurrent:
        return partial(self._runs.is_current, show_id, found)

    async def session(self, session_id: UUID, viewer: Principal | None) -> Encoded:
        if viewer is not None:
            return await self._session(session_id, viewer)
        return await self._sessions_alone.get(session_id)

    def shown_alone(self, session_id: UUID, found: Encoded) -> IsCurrent:
        return partial(self._sessions_alone.is_current, session_id, found)

    def forget(self, show_id: UUID, session_id: UUID | None = None) -> None:
        """Call it after a change in this process: the next reader here sees the change at once."""
        self._shows.forget(show_id)
        self._runs.forget(show_id)
        if session_id is not None:
            self._sessions_alone.forget(session_id)

    async def _search(self, search: Search, organizer_id: UUID | None = None) -> Listing:
        async with connection(self._pool) as db:
            rows, total = await store.search_shows(db, search, organizer_id)
        shows = [ShowSummary(**_summary(row)) for row in rows]
        found = encode(ShowList(shows, search.page, search.page_size, total))
        return Listing(found.body, found.etag, total)

    async def _show(self, show_id: UUID, viewer: Principal | None = None) -> Encoded:
        async with connection(self._pool) as db:
            return encode(await read_show(db, show_id, viewer))

    async def _sessions(self, show_id: UUID, viewer: Principal | None = None) -> Encoded:
        async with connection(self._pool) as db:
            return encode(SessionList((await read_show(db, show_id, viewer)).sessions))

    async def _session(self, session_id: UUID, viewer: Principal | None = None) -> Encoded:
        async with connection(self._pool) as db:
            return encode(await read_session(db, session_id, viewer))


async def read_session(db: Connection, session_id: UUID, viewer: Principal | None) -> Session:
    """Raises NotFound if there is none, or if it is another organizer's draft."""
    row = await store.session(db, session_id)
    if row is None or not _may_see(viewer, row["organizer_id"], row["status"]):
        raise NotFound()
    areas = await store.areas_of_sessions(db, [session_id])
    to_organizer = viewer is not None and viewer.may_manage(row["organizer_id"])
    return _session_answer(row, areas[session_id], to_organizer=to_organizer)


async def read_show(db: Connection, show_id: UUID, viewer: Principal | None) -> Show:
    """Raises NotFound if there is none, or if another organizer's show has only drafts."""
    row = await store.show(db, show_id)
    if row is None:
        raise NotFound()
    organizer_id = row["organizer_id"]
    rows = [
        session
        for session in await store.sessions_of_show(db, show_id)
        if _may_see(viewer, organizer_id, session["status"])
    ]
    to_organizer = viewer is not None and viewer.may_manage(organizer_id)
    if not rows and not to_organizer:
        raise NotFound()
    areas = await store.areas_of_sessions(db, [session["session_id"] for session in rows])
    return Show(
        **_summary({**row, **_standing(rows)}),
        description=row["description"],
        address=row["address"],
        venue_id=row["venue_id"],
        sessions=[
            _session_answer(session, areas[session["session_id"]], to_organizer=to_organizer)
            for session in rows
        ],
        refund_policy=refund_policy(row),
    )


def refund_policy(row: Record) -> RefundPolicy:
    """From a row of a show, or of a session joined with its show."""
    return RefundPolicy(
        refundable=row["refundable"],
        until_hours=row["refund_until_hours"],
        fee_kind=row["refund_fee_kind"],
        fee=row["refund_fee"],
        approval=row["refund_approval"],
    )


def _standing(sessions: Sequence[Record]) -> dict[str, Any]:
    """What a search result says of a show's sale, from its sessions (see the query search_shows)."""
    published = [session for session in sessions if session["status"] == "published"]
    ahead = [session["starts_at"] for session in published if session["ahead"]]
    cheapest = min(published, key=lambda one: (one["price_from"], one["session_id"]), default=None)
    coming = [one["sale_opens_at"] for one in published if one["sale_status"] == "scheduled"]
    running = [
        one["sale_closes_at"] for one in published if one["sale_status"] in {"on_sale", "sold_out"}
    ]
    return {
        "next_date": min(ahead, default=None),
        "price_from": None if cheapest is None else cheapest["price_from"],
        "currency": None if cheapest is None else cheapest["currency"],
        "sale_statuses": {session["sale_status"] for session in sessions},
        "sale_opens_at": min(coming, default=None),
        "sale_closes_at": max(running, default=None),
    }


def _summary(row: Any) -> dict[str, Any]:
    state = sale_state(row["sale_statuses"] or ())
    return {
        "show_id": row["show_id"],
        "title": row["title"],
        "category": row["category"],
        "city": row["city"],
        "venue": row["venue"],
        "date": _whole_second(row["next_date"]),
        "time_zone": row["time_zone"],
        "price_from": row["price_from"],
        "currency": row["currency"],
        "on_sale": state == "open",
        "sale_state": state,
        "sale_opens_at": _whole_second(row["sale_opens_at"]),
        "sale_closes_at": _whole_second(row["sale_closes_at"]),
        "poster_url": row["poster_url"],
    }


def _whole_second(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(microsecond=0)


def _session_answer(row: Record, areas: Sequence[Record], *, to_organizer: bool) -> Session:
    prices = answered(sheet_of(row["sheet"]), areas, to_organizer=to_organizer)
    return Session(
        session_id=row["session_id"],
        show_id=row["show_id"],
        date=row["starts_at"].replace(microsecond=0),
        time_zone=row["time_zone"],
        sale_opens_at=row["sale_opens_at"].replace(microsecond=0),
        sale_closes_at=row["sale_closes_at"].replace(microsecond=0),
        status=row["sale_status"],
        currency=row["currency"],
        max_tickets_per_user=row["steered_max"] or row["max_tickets_per_user"],
        paused=row["paused"],
        refuse_single_seats=row["refuse_single_seats"],
        seat_areas=[
            SeatArea(
                area_id=area["area_id"],
                name=area["name"],
                kind=area["kind"],
                price=area["price"],
                currency=row["currency"],
                capacity=area["capacity"],
                available=area["available"],
                total_price=prices.total_prices[place],
                categories=prices.area_categories[place],
                level=area["level"],
                entrance=area["entrance"],
            )
            for place, area in enumerate(areas)
        ],
        price_categories=prices.price_categories,
        fees=prices.fees,
        taxes=prices.taxes,
    )


def _may_see(viewer: Principal | None, organizer_id: UUID, status: str) -> bool:
    """Drafts are their owner's; everything else is everybody's."""
    return status != "draft" or (viewer is not None and viewer.may_manage(organizer_id))
