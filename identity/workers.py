"""Identity's background work: publishes its events and deletes expired rows."""

import asyncio
from collections.abc import Awaitable, Callable

from chassis.auth.metrics import SIGNING_SINCE
from chassis.concurrency.backoff import Backoff
from chassis.concurrency.measuring import Measure
from chassis.concurrency.rounds import repeat
from chassis.events.relay import Relay
from chassis.observability import logs
from chassis.observability.reports import Report
from chassis.postgres.measuring import measure_as_leader
from chassis.postgres.pool import Pool, connection
from chassis.wiring import Wiring
from identity.composition import SCHEMA
from identity.store import Store

PRUNE_INTERVAL_S = 60.0
PRUNE_PORTION = 2_000  # logins per statement
RETRY = Backoff(first_s=2.0, most_s=300.0)
POOL_SIZE = 3  # the relay's connection, the lead's of measuring, and one to measure with
KEYS_INTERVAL_S = 60.0

log = logs.get("identity")


async def run(
    wiring: Wiring,
    stop: asyncio.Event,
    *,
    pruning: Callable[[Pool, Store], Awaitable[int]] | None = None,
    retry: Backoff = RETRY,
) -> None:
    """Runs until `stop`. Any number of processes may run this."""
    pool = await wiring.open_pool(SCHEMA, size=POOL_SIZE)
    try:
        keys = Measure("token_keys", KEYS_INTERVAL_S, lambda report: measure_keys(pool, report))
        relay = Relay(pool, wiring.broker, source=SCHEMA, log=log, tracer=wiring.tracer)
        await asyncio.gather(
            relay.run(stop),
            measure_as_leader(pool, SCHEMA, [keys], stop, log),
            _keep_pruning(wiring, stop, pruning or prune, retry),
        )
    finally:
        await pool.close()


async def measure_keys(pool: Pool, report: Report) -> None:
    async with connection(pool) as db:
        since = await Store().signing_since(db)
    report.show(SIGNING_SINCE, {} if since is None else {("access_token",): since})


async def _keep_pruning(
    wiring: Wiring,
    stop: asyncio.Event,
    pruning: Callable[[Pool, Store], Awaitable[int]],
    retry: Backoff,
) -> None:
    store = Store()

    async def one_round() -> None:
        pool = await wiring.open_pool(SCHEMA, size=1)
        try:
            await pruning(pool, store)
        finally:
            await pool.close()

    def failed(failure: Exception, failures: int) -> None:
        log.warning("prune_failed", error=type(failure).__name__, failures=failures)

    await repeat(one_round, stop, interval_s=PRUNE_INTERVAL_S, retry=retry, failed=failed)


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
