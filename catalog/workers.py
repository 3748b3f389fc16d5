"""Catalog's background work: retries failed events and deletes old keys and events."""

import asyncio

from catalog.composition import SCHEMA, make_inbox
from chassis.concurrency.backoff import Backoff
from chassis.concurrency.rounds import repeat
from chassis.http import idempotency
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection
from chassis.wiring import Wiring

PRUNE_INTERVAL_S = 3600.0
RETRY = Backoff(first_s=1.0, most_s=60.0)
POOL_SIZE = 2

log = logs.get(SCHEMA)


async def run(wiring: Wiring, stop: asyncio.Event) -> None:
    """Runs until `stop` is set."""
    pool = await wiring.open_pool(SCHEMA, size=POOL_SIZE)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(make_inbox(pool).run(stop), name="catalog-inbox")
            group.create_task(_prune(pool, stop), name="catalog-prune")
    finally:
        await pool.close()


async def _prune(pool: Pool, stop: asyncio.Event) -> None:
    async def one_round() -> None:
        async with connection(pool) as db:
            await idempotency.prune_keys(db)

    def failed(failure: Exception, _failures: int) -> None:
        log.warning("pruning_interrupted", reason=repr(failure))

    await repeat(one_round, stop, interval_s=PRUNE_INTERVAL_S, retry=RETRY, failed=failed)
