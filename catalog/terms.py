"""What booking reads: the terms on which a session sells, and the positions of its seats."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from catalog import store
from catalog.encoded import Encoded, encode
from catalog.halls.hall import HallArea
from catalog.maps.cached import KEEP_S
from catalog.maps.compact import rounded_course
from catalog.prices.reading import sheet_of, terms_of
from catalog.reading import FRESH_S, refund_policy
from catalog.session_halls import NumberedRow, hall_of, number_rows
from catalog.store import AreaRow, Record, StoredHall
from chassis.concurrency.cache import FetchOnce
from chassis.concurrency.coalescer import Coalescer
from chassis.postgres.pool import Pool, connection
from chassis.problems import NotFound
from contracts.catalog import (
    AreaPlan,
    AreaTerms,
    RowPlan,
    SeatPlan,
    Segment,
    SessionTerms,
    ShowTerms,
)

SESSIONS_MAX = 5000
READ_TOGETHER_MAX = 200
PLANS_MAX = 200  # a plan has one line per row: a few 100 kB for the largest hall


class _StillDraft(Exception):
    """The plan may still change, so it must not be cached."""


class Terms:
    """What other services read."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._terms = FetchOnce(self._read_terms, ttl_s=FRESH_S, entries_max=SESSIONS_MAX)
        self._reads: Coalescer[UUID, Encoded] = Coalescer(
            self._read_many,
            batch_max=READ_TOGETHER_MAX,
            queue_max=SESSIONS_MAX,
            name="catalog_terms",
        )
        self._plans = FetchOnce(self._read_frozen_plan, ttl_s=KEEP_S, entries_max=PLANS_MAX)

    async def terms(self, session_id: UUID) -> Encoded:
        """A SessionTerms, at most FRESH_S old. Raises NotFound."""
        return await self._terms.get(session_id)

    async def of_many(self, session_ids: Sequence[UUID]) -> list[Encoded | None]:
        """One per session asked for, in the same order. None where there is no such session."""
        found = await asyncio.gather(*map(self._terms.get, session_ids), return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, NotFound):
                raise one
        return [None if isinstance(one, BaseException) else one for one in found]

    async def plan(self, session_id: UUID) -> Encoded:
        """A SeatPlan. Raises NotFound."""
        try:
            return await self._plans.get(session_id)
        except _StillDraft:
            return (await self._read_plan(session_id))[0]

    async def show(self, show_id: UUID) -> ShowTerms:
        """Raises NotFound."""
        async with connection(self._pool) as db:
            row = await store.show_terms(db, show_id)
        if row is None:
            raise NotFound()
        return ShowTerms(**row)

    def forget(self, session_id: UUID) -> None:
        """Call it after a change in this process."""
        self._terms.forget(session_id)

    async def _read_terms(self, session_id: UUID) -> Encoded:
        return await self._reads.call(session_id)

    async def _read_many(self, session_ids: Sequence[UUID]) -> list[Encoded | BaseException]:
        async with connection(self._pool) as db:
            rows = await store.sessions(db, session_ids)
            areas = await store.areas_of_sessions(db, list(rows))
        return [
            encode(_terms_of(rows[one], areas[one])) if one in rows else NotFound()
            for one in session_ids
        ]

    async def _read_frozen_plan(self, session_id: UUID) -> Encoded:
        plan, draft = await self._read_plan(session_id)
        if draft:
            raise _StillDraft
        return plan

    async def _read_plan(self, session_id: UUID) -> tuple[Encoded, bool]:
        """The plan, and whether its session was still a draft at that moment."""
        async with connection(self._pool) as db:
            found = await store.hall_of_session(db, session_id)
        if found is None:
            raise NotFound()
        plan = await asyncio.to_thread(lambda: encode(_seat_plan(session_id, found)))
        return plan, found.status == "draft"


def _terms_of(row: Record, areas: Sequence[Record]) -> SessionTerms:
    return SessionTerms(
        session_id=row["session_id"],
        show_id=row["show_id"],
        organizer_id=row["organizer_id"],
        title=row["title"],
        venue=row["venue"],
        city=row["city"],
        starts_at=row["starts_at"],
        time_zone=row["time_zone"],
        currency=row["currency"],
        status=row["status"],
        sale_opens_at=row["sale_opens_at"],
        sale_closes_at=row["sale_closes_at"],
        max_tickets_per_user=row["max_tickets_per_user"],
        refuse_single_seats=row["refuse_single_seats"],
        areas=[
            AreaTerms(
                area_id=area["area_id"],
                name=area["name"],
                kind=area["kind"],
                price=area["price"],
                first_seat_id=area["first_seat_id"],
                last_seat_id=area["last_seat_id"],
                capacity=area["capacity"],
            )
            for area in areas
        ],
        refund_policy=refund_policy(row),
        prices=terms_of(sheet_of(row["sheet"]), areas),
    )


def _seat_plan(session_id: UUID, stored: StoredHall) -> SeatPlan:
    hall = hall_of(stored)
    return SeatPlan(
        session_id=session_id,
        length=max(area.last_seat_id for area in stored.areas),
        areas=[
            AreaPlan(area.area_id, area.name, _rows(area, form))
            for area, form in zip(stored.areas, hall.areas, strict=True)
        ],
        focal_point=hall.focal_point,
        facing=hall.facing,
    )


def _rows(area: AreaRow, form: HallArea) -> list[RowPlan]:
    if form.kind == "standing":
        return [RowPlan("", [Segment(area.first_seat_id, 1, area.capacity)])]
    return [_row(numbered) for numbered in number_rows(form, area.first_seat_id)]


def _row(numbered: NumberedRow) -> RowPlan:
    row = numbered.row
    return RowPlan(
        label=row.label,
        segments=[
            Segment(
                first_seat_id=first,
                first_number=segment.first_number,
                count=segment.count,
                step=segment.step,
                numbers=None if segment.numbers is None else list(segment.numbers),
                course=rounded_course(segment.course),
            )
            for segment, first in zip(row.segments, numbered.first_seat_ids, strict=True)
        ],
        accessible=list(row.accessible),
        companions=list(row.companions),
        restricted=list(row.restricted),
        blocked=list(row.blocked),
        house=list(row.house),
        whole=row.whole,
    )
