"""Identity's background work: publishes its events and deletes expired rows."""

import asyncio
import contextlib
import random

from chassis.events.relay import Relay
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection, open_pool
from chassis.wiring import Wiring
from identity.composition import SCHEMA
from identity.store import Store

PRUNE_EVERY_S = 60.0
PRUNE_PORTION = 2_000  # logins per statement
BACKOFF_MAX_S = 300.0
RELAY_POOL_SIZE = 1  # the relay's own connection

log = logs.get("identity")


async def run(wiring: Wiring, stop: asyncio.Event) -> None:
    """Runs until `stop`. Any number of processes may run this."""
    pool = await open_pool(wiring.database_url, SCHEMA, size=RELAY_POOL_SIZE)
    try:
        relay = Relay(pool, wiring.broker, source=SCHEMA, log=log)
        await asyncio.gather(relay.run(stop), _keep_pruning(wiring, stop))
    finally:
        await pool.close()


async def _keep_pruning(wiring: Wiring, stop: asyncio.Event) -> None:
    """Prunes every PRUNE_EVERY_S until `stop` is set. A failed round is logged and tried again."""
    store = Store()
    failures = 0
    while not stop.is_set():
        pause_s = PRUNE_EVERY_S
        try:
            await _round(wiring.database_url, store)
            failures = 0
        except Exception as failure:
            failures += 1
            pause_s = min(BACKOFF_MAX_S, 2.0**failures) * random.uniform(0.5, 1.0)
            log.warning("prune_failed", error=type(failure).__name__, failures=failures)
        await _rest(stop, pause_s)


async def _round(database_url: str, store: Store) -> None:
    pool = await open_pool(database_url, SCHEMA, size=1)
    try:
        await prune(pool, store)
    finally:
        await pool.close()


async def prune(pool: Pool, store: Store) -> int:
    """Deletes expired rows: logins with their refresh tokens, keys, failures, old idempotency keys.
    Returns their number."""
    async with connection(pool) as db:
        deleted = await store.prune_small_things(db)
        portion = PRUNE_PORTION
        while portion == PRUNE_PORTION:
            portion = await store.prune_logins(db, PRUNE_PORTION)
            deleted += portion
    if deleted:
        log.info("pruned", rows=deleted)
    return deleted


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
