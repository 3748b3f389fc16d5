"""Rows of tickets and signing keys."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import msgspec

from booking.tickets.records import SigningKey, Ticket
from chassis.postgres.pool import Connection, Pool, load_queries, transaction
from chassis.postgres.rows import fields

queries = load_queries(Path(__file__).parent / "sql" / "tickets.sql")


class TicketOfOrder(msgspec.Struct, frozen=True):
    ticket_id: UUID
    seat_id: int
    area: str
    row: str
    number: int
    category_name: str | None
    proof: str | None


async def tickets_of_order(db: Connection, order_id: UUID) -> list[TicketOfOrder]:
    found = queries.tickets_of_order(db, order_id=order_id)
    return [TicketOfOrder(**fields(row, TicketOfOrder)) async for row in found]


async def get_ticket(db: Connection, ticket_id: UUID) -> Ticket | None:
    """Any user's ticket; the caller checks who may see it."""
    row = await queries.get_ticket(db, ticket_id=ticket_id)
    return Ticket(**fields(row, Ticket)) if row is not None else None


async def load_signing_keys(pool: Pool, make: Callable[[], list[SigningKey]]) -> list[SigningKey]:
    """Oldest first. If there are none, one process creates them with `make`; the others wait for it."""
    async with transaction(pool) as tx:
        await queries.lock_signing_keys(tx)
        keys = await _signing_keys(tx)
        if not keys:
            for key in make():
                await queries.insert_signing_key(
                    tx, kid=key.kid, purpose=key.purpose, secret=key.secret
                )
            keys = await _signing_keys(tx)
        return keys


async def signing_since(db: Connection) -> list[tuple[str, float]]:
    """Since when the newest key of each purpose has signed, in Unix seconds."""
    return [(row["purpose"], row["since"]) async for row in queries.signing_since(db)]


async def _signing_keys(tx: Connection) -> list[SigningKey]:
    rows = queries.list_signing_keys(tx)
    return [SigningKey(**fields(row, SigningKey)) async for row in rows]
