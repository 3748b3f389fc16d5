"""Delivered events, kept for a while so that they can be replayed.

A ring of daily tables (booking/migrations/0007_event_archive.sql), which the relay fills while it empties
the outbox. Events still in the outbox are not here: the relay will deliver them. Rows that the service can
tell again from its own tables are not here either (chassis.events.unfolding).
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from chassis.events.envelope import Event
from chassis.events.unfolding import Unfolding, events_of, row_types
from chassis.postgres.pool import Connection, Pool, connection, load_queries

DAYS_MAX = 30  # of the ring's 32: the days being written and being emptied are never the same
PAGE_ROWS = 10_000  # rows read together

_sql = load_queries(Path(__file__).parent / "sql" / "archive.sql")


async def forget(pool: Pool, days: int) -> int:
    """Empties the tables of days older than `days`. Returns their number."""
    async with connection(pool) as db:
        emptied: int = await _sql.forget(db, days=days)
        return emptied


async def database_now(db: Connection) -> datetime:
    now: datetime = await _sql.database_now(db)
    return now


async def read(
    pool: Pool,
    source: str,
    *,
    since: datetime,
    until: datetime,
    types: Sequence[str],
    unfolding: Unfolding | None = None,
    page_rows: int = PAGE_ROWS,
) -> AsyncIterator[list[Event]]:
    """Delivered events of these types from `since` up to but not including `until`, at most DAYS_MAX ago, one
    page at a time. No transaction stays open.

    First what the service tells from its own tables: these are the first events of their subjects, and some
    may not be delivered yet. Then the archive, in the order in which it was written.
    """
    wanted, wanted_rows = frozenset(types), row_types(types, unfolding)
    if unfolding is not None and not frozenset(wanted_rows).isdisjoint(unfolding.unarchived):
        after_id: UUID | None = UUID(int=0)
        while after_id is not None:
            async with connection(pool) as db:
                rows = await unfolding.past_rows(
                    db, since=since, until=until, after=after_id, limit=page_rows
                )
                told = await events_of(db, rows, source, unfolding)
            after_id = rows[-1]["event_id"] if rows else None
            if page := _of(wanted, told):
                yield page
        wanted_rows = [one for one in wanted_rows if one not in unfolding.unarchived]
    day = timedelta(days=1)
    moments = [since + n * day for n in range((until - since) // day + 1)] + [until]
    async with connection(pool) as db:
        slots = sorted({await _sql.slot(db, moment=moment) for moment in moments})
    after = 0
    while True:
        async with connection(pool) as db:
            last = await _sql.page_end(db, slots=slots, after=after, limit=page_rows)
            if last is None:
                return
            found = _sql.archived(
                db,
                slots=slots,
                after=after,
                last=last,
                since=since,
                until=until,
                types=wanted_rows,
            )
            told = await events_of(db, [row async for row in found], source, unfolding)
        after = last
        if page := _of(wanted, told):
            yield page


def _of(types: frozenset[str], told: Sequence[Sequence[Event]]) -> list[Event]:
    return [event for one in told for event in one if event.type in types]
