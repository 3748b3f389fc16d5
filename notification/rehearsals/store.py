"""Forgets events; see sql/rehearsals.sql."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from chassis.postgres.pool import Pool, connection, load_queries, transaction

queries = load_queries(Path(__file__).parent / "sql")


async def count_taken(pool: Pool, event_ids: Sequence[UUID]) -> int:
    """How many of these events have been taken here."""
    async with connection(pool) as db:
        return int(await queries.count_taken(db, event_ids=list(event_ids)))


async def forget_events(pool: Pool, event_ids: Sequence[UUID]) -> None:
    async with transaction(pool) as tx:
        await queries.forget_events(tx, event_ids=sorted(event_ids))
        await queries.forget_failed_events(tx, event_ids=sorted(event_ids))
