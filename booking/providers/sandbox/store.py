"""The sandbox's books: charges and refunds by key, shared by every process of an installation."""

from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec

from chassis.migrations import migrate
from chassis.postgres import Pool, connection, load_queries, open_pool

SCHEMA = "sandbox"
HERE = Path(__file__).parent
CONNECTIONS_MAX = 4

queries = load_queries(HERE / "sql")


class ChargeRecord(msgspec.Struct, frozen=True):
    key: UUID
    amount: int
    currency: str
    state: str
    reason: str | None
    refunded: bool


async def open_books(database_url: str) -> Pool:
    """Its schema at its newest version, and a pool."""
    await migrate(database_url, SCHEMA, HERE / "migrations")
    return await open_pool(database_url, SCHEMA, size=CONNECTIONS_MAX)


async def take_charge(
    pool: Pool,
    key: UUID,
    *,
    reference: str,
    amount: int,
    currency: str,
    declined_for: str | None,
) -> ChargeRecord:
    """The charge of this key, made now unless it was before."""
    async with connection(pool) as one:
        await queries.insert_charge(
            one,
            key=key,
            reference=reference,
            amount=amount,
            currency=currency,
            state="declined" if declined_for else "succeeded",
            reason=declined_for,
        )
        row = await queries.get_charge(one, key=key)
    return _record(row)


async def get_charge(pool: Pool, key: UUID) -> ChargeRecord | None:
    async with connection(pool) as one:
        row = await queries.get_charge(one, key=key)
    return _record(row) if row is not None else None


async def refund_charge(pool: Pool, key: UUID) -> ChargeRecord | None:
    """None when there is no such charge, or it took no money."""
    async with connection(pool) as one:
        row = await queries.refund_charge(one, key=key)
    return _record(row) if row is not None else None


def _record(row: "asyncpg.Record") -> ChargeRecord:
    return ChargeRecord(
        row["key"], row["amount"], row["currency"], row["state"], row["reason"], row["refunded"]
    )
