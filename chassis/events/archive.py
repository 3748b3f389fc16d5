"""Delivered events, kept for a while so that they can be replayed.

A ring of daily tables (booking/migrations/0007_event_archive.sql), which the relay fills while it empties
the outbox. Events still in the outbox are not here: the relay will deliver them.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

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
    """Delivered events of these types from `since` up to but not including `until`, at most DAYS_MAX ago,
    in the order in which they were written, one page at a time. No transaction stays open."""
    day = timedelta(days=1)
    moments = [since + n * day for n in range((until - since) // day + 1)] + [until]
    async with connection(pool) as db:
        slots = sorted({await _sql.slot(db, moment=moment) for moment in moments})
    wanted, after = frozenset(types), 0
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
                types=row_types(types, unfolding),
            )
            told = await events_of(db, [row async for row in found], source, unfolding)
        page = [event for one in told for event in one if event.type in wanted]
        after = last
        if page:
            yield page
