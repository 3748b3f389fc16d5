"""Idempotency keys of routes that create things other than orders and payments (chassis.http.idempotency)."""

from chassis.http import idempotency
from chassis.postgres.pool import Pool, connection


async def prune_idempotency_keys(pool: Pool) -> None:
    """Forgets what is older than is promised."""
    async with connection(pool) as one:
        await one.execute(idempotency.PRUNE)
