"""Catalog's background work: events to be tried again, and old keys and events forgotten."""

import asyncio

from catalog import availability
from chassis.concurrency.backoff import Backoff, pause
from chassis.events.inbox import Inbox
from chassis.http import idempotency
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection, open_pool
from chassis.wiring import Wiring

PRUNE_EVERY_S = 3600.0
RETRY = Backoff(first_s=1.0, most_s=60.0)
POOL_SIZE = 2

log = logs.get("catalog")


def make_inbox(pool: Pool) -> Inbox:
    """Unordered: adding and taking away commute."""
    return Inbox(pool, "catalog", availability.consume, log, ordered=False)


async def run(wiring: Wiring, stop: asyncio.Event) -> None:
    """Until `stop` is set."""
    pool = await open_pool(wiring.database_url, "catalog", size=POOL_SIZE)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(make_inbox(pool).run(stop), name="catalog-inbox")
            group.create_task(_prune(pool, stop), name="catalog-prune")
    finally:
        await pool.close()


async def _prune(pool: Pool, stop: asyncio.Event) -> None:
    failures = 0
    while not stop.is_set():
        try:
            async with connection(pool) as db:
                await idempotency.prune_keys(db)
            failures = 0
        except Exception as failure:
            failures += 1
            log.warning("pruning_interrupted", reason=repr(failure))
        await pause(stop, PRUNE_EVERY_S if not failures else RETRY.delay_s(failures))
