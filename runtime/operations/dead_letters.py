"""`stampede dlq`: events that a consumer could not process, for all consumers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

from chassis.events import inbox
from chassis.events.inbox import DeadLetter
from chassis.postgres.pool import Connection, connection, open_pool
from chassis.settings import Settings

CONSUMERS = ("catalog", "notification")
Result = TypeVar("Result")


async def list_letters(loaded: Settings) -> list[tuple[str, DeadLetter]]:
    """(consumer, letter); for each consumer, dead letters come first."""
    found = []
    for consumer in CONSUMERS:
        letters = await _at(loaded, consumer, inbox.list_dead)
        found += [(consumer, letter) for letter in letters]
    return found


async def retry_letters(loaded: Settings, ids: Sequence[UUID] | None) -> int:
    """Retries these events now (None: all dead ones). Returns their number."""
    return sum([await _at(loaded, one, lambda held: inbox.retry(held, ids)) for one in CONSUMERS])


async def purge_letters(loaded: Settings, ids: Sequence[UUID] | None) -> int:
    """Deletes these events for good (None: all dead ones). Returns their number."""
    return sum([await _at(loaded, one, lambda held: inbox.purge(held, ids)) for one in CONSUMERS])


async def _at(
    loaded: Settings, consumer: str, use: Callable[[Connection], Awaitable[Result]]
) -> Result:
    pool = await open_pool(loaded.direct_url, consumer, size=1)
    try:
        async with connection(pool) as db:
            return await use(db)
    finally:
        await pool.close()
