"""Catalog's background work: retries failed events and deletes old keys and events."""

import asyncio

from catalog.composition import SCHEMA, make_inbox
from chassis.concurrency.backoff import Backoff, pause
from chassis.http import idempotency
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection, open_pool
from chassis.wiring import Wiring

PRUNE_EVERY_S = 3600.0
RETRY = Backoff(first_s=1.0, most_s=60.0)
POOL_SIZE = 2

log = logs.get(SCHEMA)


async def run(wiring: Wiring, stop: asyncio.Event) -> None:
    """Runs until `stop` is set."""
    pool = await open_pool(wiring.database_url, SCHEMA, size=POOL_SIZE)
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
