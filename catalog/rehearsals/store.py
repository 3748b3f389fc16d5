"""Makes and removes shadows; see sql/rehearsals.sql."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from chassis.postgres.pool import Pool, connection, load_queries, transaction
from chassis.postgres.rows import fields
from chassis.problems import NotFound
from contracts.rehearsals import rehearsal_id

queries = load_queries(Path(__file__).parent / "sql")


class Source(msgspec.Struct, frozen=True):
    """The session that is rehearsed."""

    session_id: UUID
    status: str
    sale_status: str
    title: str
    venue: str
    max_tickets_per_user: int
    seats: int


class ShadowArea(msgspec.Struct, frozen=True):
    """An area, and how many of its seats are free at the opening."""

    area_id: UUID
    capacity: int


class Shadow(msgspec.Struct, frozen=True):
    """What was made. `opens_at`: Unix seconds of PostgreSQL's clock."""

    session_id: UUID
    show_id: UUID
    opens_at: float
    areas: list[ShadowArea]

    @property
    def seats(self) -> int:
        return sum(area.capacity for area in self.areas)


class FoundShadow(msgspec.Struct, frozen=True):
    """A shadow that is there. `manifest`: what its rehearsal wrote about itself."""

    session_id: UUID
    show_id: UUID
    venue_id: UUID
    manifest: str
    created_at: datetime


async def find_source(pool: Pool, session_id: UUID) -> Source | None:
    async with connection(pool) as db:
        row = await queries.source(db, session_id=session_id)
    return None if row is None else Source(**fields(row, Source))


async def make_shadow(
    pool: Pool, source: UUID, *, opens_in_s: float, blocked: Sequence[int], manifest: str
) -> Shadow:
    """A published copy under an organizer that is no account. All of it or nothing. Raises NotFound."""
    owner, venue_id, show_id, session_id = (rehearsal_id() for _ in range(4))
    async with transaction(pool) as tx:
        await queries.copy_venue(tx, source=source, venue_id=venue_id, owner=owner)
        await queries.copy_show(
            tx, source=source, show_id=show_id, venue_id=venue_id, owner=owner, manifest=manifest
        )
        opens_at = await queries.copy_session(
            tx, source=source, session_id=session_id, show_id=show_id, opens_in_s=opens_in_s
        )
        if opens_at is None:
            raise NotFound()
        count = await queries.count_areas(tx, session_id=source)
        areas = [
            ShadowArea(row["area_id"], row["capacity"])
            async for row in queries.copy_areas(
                tx,
                source=source,
                session_id=session_id,
                area_ids=[rehearsal_id() for _ in range(count)],
                blocked=list(blocked),
            )
        ]
        await queries.copy_prices(tx, source=source, session_id=session_id)
        await queries.publish_shadow(tx, session_id=session_id)
    return Shadow(session_id, show_id, opens_at, areas)


async def list_shadows(pool: Pool) -> list[FoundShadow]:
    async with connection(pool) as db:
        return [FoundShadow(**fields(row, FoundShadow)) async for row in queries.shadows(db)]


async def remove_shadow(pool: Pool, shadow: FoundShadow) -> None:
    """Last of all that is removed: until then a killed rehearsal is found by it."""
    async with transaction(pool) as tx:
        await queries.delete_areas(tx, session_id=shadow.session_id)
        await queries.delete_session(tx, session_id=shadow.session_id)
        await queries.delete_show(tx, show_id=shadow.show_id)
        await queries.delete_venue(tx, venue_id=shadow.venue_id)


async def count_taken(pool: Pool, event_ids: Sequence[UUID]) -> int:
    """How many of these events have taken effect here."""
    async with connection(pool) as db:
        return int(await queries.count_taken(db, event_ids=list(event_ids)))


async def forget_events(pool: Pool, event_ids: Sequence[UUID]) -> None:
    async with transaction(pool) as tx:
        await queries.forget_events(tx, event_ids=sorted(event_ids))
        await queries.forget_failed_events(tx, event_ids=sorted(event_ids))
