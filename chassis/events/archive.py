"""What was delivered, kept for a while, so that it can be given to a consumer again.

A ring of daily tables (booking/migrations/0007_event_archive.sql) that the relay fills as it empties
the outbox. What is still in the outbox is not here: it is on its way by itself.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from chassis.events.envelope import Event
from chassis.postgres.pool import Connection, Pool, connection, load_queries

DAYS_MAX = 30  # of the ring's 32: the day being written and the day being emptied are never one
PAGE_ROWS = 10_000  # looked at together

_sql = load_queries(Path(__file__).parent / "sql" / "archive.sql")


async def forget(pool: Pool, days: int) -> int:
    """Empties the days that are older than `days`; how many they were."""
    async with connection(pool) as db:
        emptied: int = await _sql.forget(db, days=days)
        return emptied


async def database_now(db: Connection) -> datetime:
    now: datetime = await _sql.database_now(db)
    return now


async def read(
    pool: Pool, source: str, *, since: datetime, until: datetime, types: Sequence[str]
) -> AsyncIterator[list[Event]]:
    """Delivered events of these types from `since` to before `until`, at most DAYS_MAX apart from
    now: in the order in which they were written, a page at a time. No transaction stays open.
    """
    day = timedelta(days=1)
    moments = [since + n * day for n in range((until - since) // day + 1)] + [until]
    async with connection(pool) as db:
        slots = sorted({await _sql.slot(db, moment=moment) for moment in moments})
    after = 0
    while True:
        async with connection(pool) as db:
            last = await _sql.page_end(db, slots=slots, after=after, limit=PAGE_ROWS)
            if last is None:
                return
            rows = _sql.archived(
                db,
                slots=slots,
                after=after,
                last=last,
                since=since,
                until=until,
                types=list(types),
            )
            page = [_event(row, source) async for row in rows]
        after = last
        if page:
            yield page


def _event(row: Any, source: str) -> Event:
    """As the relay sent it."""
    return Event(
        id=row["event_id"],
        type=row["type"],
        source=source,
        subject=row["subject"],
        time=row["created_at"],
        requestid=row["request_id"],
        data=msgspec.Raw(row["data"].encode()),
    )
