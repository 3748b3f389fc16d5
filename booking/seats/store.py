"""PostgreSQL for booking.seats; claims.py has the contract."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from booking.domain.order import OrderStatus
from booking.domain.seating import Seating
from booking.seats.claims import Claim, HoldState, OrderState, Snapshot
from chassis.postgres.pool import Connection, Pool, connection, load_queries, own_session
from chassis.postgres.rows import fields

queries = load_queries(Path(__file__).parent / "sql")

REBUILD_CONCURRENCY = 2  # each uses two connections of the pool: one for its lock, one for reading
ASK_AGAIN_MS = 500  # for an expired order that is just being paid or cancelled
ORDER_STATES = {
    OrderStatus.PENDING_PAYMENT: OrderState.ALIVE,
    OrderStatus.PAID: OrderState.PAID,
    OrderStatus.COMPLETED: OrderState.PAID,
    OrderStatus.CANCELLED: OrderState.CANCELLED,
    OrderStatus.REFUNDED: OrderState.CANCELLED,
}

Seats = Callable[[UUID], Awaitable[Seating]]
Expire = Callable[[Sequence[UUID]], Awaitable[object]]


class PostgresClaims:
    """Implements booking.seats.claims.ClaimSource.

    seating: returns a published session's seats; raises NotFound if there is none.
    expire: cancels those of the given orders that have expired.
    """

    def __init__(self, pool: Pool, *, seating: Seats, expire: Expire) -> None:
        self._pool = pool
        self._seating = seating
        self._expire = expire
        self._rebuilds = asyncio.Semaphore(REBUILD_CONCURRENCY)

    @contextlib.asynccontextmanager
    async def rebuild_lock(self, session_id: UUID) -> AsyncIterator[bool]:
        """A session-level advisory lock on a connection of its own; a process that dies releases it."""
        async with self._rebuilds, own_session(self._pool) as db:
            locked = bool(await queries.try_rebuild_lock(db, session_id=str(session_id)))
            try:
                yield locked
            finally:
                if locked and not db.is_closed():
                    await queries.rebuild_unlock(db, session_id=str(session_id))

    async def snapshot(self, session_id: UUID) -> Snapshot:
        seating = await self._seating(session_id)
        async with (
            connection(self._pool) as db,
            db.transaction(isolation="repeatable_read", readonly=True),
        ):
            claims = [
                Claim(**fields(row, Claim))
                async for row in queries.session_claims(db, session_id=session_id)
            ]
            rows = [row async for row in queries.session_tallies(db, session_id=session_id)]
        tallies = {row["user_id"]: row["tickets"] for row in rows}
        return Snapshot(seating.layout, claims, tallies, seating.scores)

    async def order_states(
        self, session_id: UUID, order_ids: Sequence[UUID]
    ) -> dict[UUID, HoldState]:
        states = await self._read_order_states(order_ids)
        due = [one for one, hold in states.items() if _is_due(hold)]
        if due:
            await self._expire(due)
            states.update(await self._read_order_states(due))
        return {
            order_id: HoldState(OrderState.ALIVE, ASK_AGAIN_MS) if _is_due(hold) else hold
            for order_id, hold in states.items()
        }

    async def _read_order_states(self, order_ids: Sequence[UUID]) -> dict[UUID, HoldState]:
        states = {order_id: HoldState(OrderState.NO_SUCH_ORDER) for order_id in order_ids}
        async with connection(self._pool) as db:
            async for row in queries.order_states(db, orders=list(order_ids)):
                state = ORDER_STATES[OrderStatus(row["status"])]
                left_ms = row["expires_in_ms"] if state is OrderState.ALIVE else 0
                states[row["order_id"]] = HoldState(state, left_ms)
        return states

    async def sessions_with_claims(self) -> list[UUID]:
        async with connection(self._pool) as db:
            return [row["session_id"] async for row in queries.sessions_with_holds(db)]

    async def buyers(self, session_id: UUID, limit: int) -> set[UUID]:
        async with connection(self._pool) as db:
            found = queries.buyers(db, session_id=session_id, limit=limit)
            return {UUID(int=row["user_id"].int) async for row in found}


def _is_due(hold: HoldState) -> bool:
    return hold.order is OrderState.ALIVE and hold.expires_in_ms <= 0


async def claimed_sessions(pool: Pool) -> list[UUID]:
    """Every session that has a seat held, sold or blocked."""
    async with connection(pool) as db:
        return [row["session_id"] async for row in queries.sessions_with_claims(db)]


async def database_now(pool: Pool) -> datetime:
    """The time by PostgreSQL's clock, for a DatabaseClock."""
    async with connection(pool) as db:
        now: datetime = await queries.database_now(db)
        return now


async def claims_in_the_way(
    tx: Connection, session_id: UUID, seats: Sequence[int]
) -> dict[int, str]:
    """Locks the taken ones of these seats; their state (`held`, `sold`, `blocked`) by seat id."""
    found = queries.claims_in_the_way(tx, session_id=session_id, seats=list(seats))
    return {row["seat_id"]: row["state"] async for row in found}


async def block_seats(tx: Connection, session_id: UUID, seats: Sequence[int]) -> list[int]:
    """Blocks the free ones of these seats and returns them."""
    found = queries.block_seats(tx, session_id=session_id, seats=list(seats))
    return [row["seat_id"] async for row in found]


async def unblock_seats(tx: Connection, session_id: UUID, seats: Sequence[int]) -> list[int]:
    """Frees the blocked ones of these seats and returns them."""
    found = queries.unblock_seats(tx, session_id=session_id, seats=list(seats))
    return [row["seat_id"] async for row in found]
