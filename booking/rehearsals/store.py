"""Reads and removes a rehearsal's rows; see sql/rehearsals.sql."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from booking.events.unfolding import ORDER_PLACED, ids_beside
from chassis.ids import eldest_since
from chassis.postgres.pool import Pool, connection, load_queries, own_session, transaction
from chassis.postgres.rows import fields
from contracts.rehearsals import MARK_TEXT, is_rehearsal

queries = load_queries(Path(__file__).parent / "sql")

PEOPLE_AT_ONCE = 200  # whose rows go in one transaction
ORDERS_AT_ONCE = 1_000  # read in one page


class Sold(msgspec.Struct, frozen=True):
    """What PostgreSQL says was sold. `twice`: seats in two orders that are alive."""

    orders: int
    paid: int
    sold: int
    held: int
    twice: int


class Waiting(msgspec.Struct, frozen=True):
    """What is still under way: events that not everybody has taken, payments that are not decided."""

    events: int
    payments: int


class Since(msgspec.Struct, frozen=True):
    """Where a rehearsal's events begin: its day, and the last position before it."""

    moment: datetime
    position: int


@asynccontextmanager
async def alone(pool: Pool) -> AsyncIterator[bool]:
    """True if no other rehearsal runs on this database; none begins until the end of the block."""
    async with own_session(pool) as db:
        yield bool(await queries.try_lock(db))


async def blocked_seats(pool: Pool, session_id: UUID) -> list[int]:
    async with connection(pool) as db:
        return [row["seat_id"] async for row in queries.blocked_seats(db, session_id=session_id)]


async def block_seats(pool: Pool, session_id: UUID, seats: Sequence[int]) -> None:
    _only_of_rehearsals(session_id)
    async with connection(pool) as db:
        await queries.block_shadow(db, session_id=session_id, seats=list(seats))


async def is_selling(pool: Pool, since_s: float) -> bool:
    """True if anybody has ordered since then, rehearsals apart."""
    async with connection(pool) as db:
        return bool(await queries.is_selling(db, since=eldest_since(since_s), mark=MARK_TEXT))


async def last_position(pool: Pool) -> int:
    async with connection(pool) as db:
        return int(await queries.last_position(db))


async def sold_figures(pool: Pool, session_id: UUID) -> Sold:
    async with connection(pool) as db:
        return Sold(**fields(await queries.sold_figures(db, session_id=session_id), Sold))


async def waiting(pool: Pool, session_id: UUID) -> Waiting:
    async with connection(pool) as db:
        return Waiting(**fields(await queries.waiting(db, session_id=session_id), Waiting))


async def order_pages(pool: Pool, session_id: UUID) -> AsyncIterator[list[UUID]]:
    after = UUID(int=0)
    while True:
        async with connection(pool) as db:
            found = queries.some_orders(
                db, session_id=session_id, after=after, limit=ORDERS_AT_ONCE
            )
            page = [row["order_id"] async for row in found]
        if not page:
            return
        yield page
        after = page[-1]


async def payments_of(pool: Pool, orders: Sequence[UUID]) -> list[UUID]:
    async with connection(pool) as db:
        return [row["payment_id"] async for row in queries.payments_of(db, orders=list(orders))]


async def events_of(pool: Pool, orders: Sequence[UUID], since: Since) -> dict[UUID, str]:
    """Ids and types of the events about these orders, delivered or not."""
    async with connection(pool) as db:
        slots = [row["slot"] async for row in queries.slots(db, since=since.moment)]
        found = queries.events_of(
            db, subjects=[str(one) for one in orders], slots=slots, after=since.position
        )
        told: dict[UUID, str] = {}
        for order_id in orders:  # no archive has these (booking/events/unfolding.py)
            told |= ids_beside(order_id, ORDER_PLACED)
        async for row in found:
            told |= ids_beside(row["event_id"], row["type"])
        return told


async def remove_some(
    pool: Pool, session_id: UUID, since: Since, *, people_max: int = PEOPLE_AT_ONCE
) -> int:
    """All that the next people have, in one transaction, so that every invariant holds at every moment.
    Returns how many people that were: 0 when nobody is left."""
    _only_of_rehearsals(session_id)
    async with transaction(pool) as tx:
        found = queries.orders_of_some_people(
            tx, session_id=session_id, since=since.moment, limit=people_max
        )
        rows = [(row["user_id"], row["order_id"]) async for row in found]
        people = sorted({user_id for user_id, _ in rows})
        orders = [order_id for _, order_id in rows if order_id is not None]
        if not people:
            await queries.delete_blocks(tx, session_id=session_id)
            return 0
        slots = [row["slot"] async for row in queries.slots(tx, since=since.moment)]
        payments = [row["payment_id"] async for row in queries.payments_of(tx, orders=orders)]
        subjects = [str(one) for one in orders]
        await queries.delete_waiting_events(tx, subjects=subjects)
        await queries.delete_archived_events(
            tx, subjects=subjects, slots=slots, after=since.position
        )
        await queries.delete_claims(tx, session_id=session_id, orders=orders)
        await queries.delete_refund_items(tx, orders=orders)
        await queries.delete_refunds(tx, orders=orders)
        await queries.delete_tickets(tx, orders=orders)
        await queries.delete_provider_events(tx, payments=payments)
        await queries.delete_payments(tx, orders=orders)
        await queries.delete_history(tx, orders=orders)
        await queries.delete_items(tx, orders=orders)
        await queries.delete_keys(tx, people=people, orders=orders)
        await queries.delete_orders(tx, session_id=session_id, orders=orders)
        await queries.delete_tallies(tx, session_id=session_id, people=people)
    return len(people)


def _only_of_rehearsals(session_id: UUID) -> None:
    if not is_rehearsal(session_id):
        raise ValueError(f"session {session_id} is no rehearsal: nothing of it may change")
