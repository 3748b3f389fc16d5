"""Rows of cancelled sessions, and the progress of their refunds."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec

from chassis.postgres.pool import Connection, load_queries
from chassis.postgres.rows import fields

queries = load_queries(Path(__file__).parent / "sql")

LocksCrossed = asyncpg.DeadlockDetectedError  # rolled back; a retry may succeed


class OpenCancellation(msgspec.Struct, frozen=True):
    """A cancelled session with unfinished work. `catalog_told`: when catalog was told, None before."""

    session_id: UUID
    organizer_id: UUID
    reason: str
    request_id: str
    catalog_told: datetime | None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of orders, and amounts in minor units. `orders_waiting` still have their seats."""

    session_id: UUID
    organizer_id: UUID
    reason: str
    created_at: datetime
    finished_at: datetime | None
    orders_cancelled: int
    orders_waiting: int
    refunded: int
    processing: int
    failed: int
    amount_refunded: int
    amount_total: int
    currency: str | None


async def begin_cancellation(
    tx: Connection,
    *,
    session_id: UUID,
    organizer_id: UUID,
    requested_by: UUID,
    reason: str,
    request_id: str,
) -> bool:
    """False if the session was cancelled before."""
    begun = await queries.begin_cancellation(
        tx,
        session_id=session_id,
        organizer_id=organizer_id,
        requested_by=requested_by,
        reason=reason,
        request_id=request_id,
    )
    return begun is not None


async def close_seats(tx: Connection, session_id: UUID, seats: Sequence[int]) -> int:
    """Blocks the seats that are not sold. Returns how many were not blocked before."""
    closed = await queries.close_seats(tx, session_id=session_id, seats=list(seats))
    return int(closed)


async def lock_pending_orders(tx: Connection, session_id: UUID) -> list[UUID]:
    found = queries.lock_pending_orders_of_session(tx, session_id=session_id)
    return [row["order_id"] async for row in found]


async def is_session_over(tx: Connection, starts_at: datetime, after: timedelta) -> bool:
    """Whether the session began more than `after` ago, by PostgreSQL's clock."""
    return bool(await queries.is_session_over(tx, starts_at=starts_at, after=after))


async def open_cancellations(db: Connection, *, limit: int) -> list[OpenCancellation]:
    found = queries.open_cancellations(db, limit=limit)
    return [OpenCancellation(**fields(row, OpenCancellation)) async for row in found]


async def get_progress(db: Connection, session_id: UUID) -> Progress | None:
    row = await queries.get_cancellation(db, session_id=session_id)
    return Progress(**fields(row, Progress)) if row is not None else None


async def orders_to_refund(
    db: Connection, session_id: UUID, *, after: UUID, limit: int
) -> list[UUID]:
    found = queries.orders_to_refund(db, session_id=session_id, after=after, limit=limit)
    return [row["order_id"] async for row in found]


async def mark_catalog_told(db: Connection, session_id: UUID) -> None:
    await queries.mark_catalog_told(db, session_id=session_id)


async def finish_cancellation(tx: Connection, session_id: UUID) -> bool:
    """Marks the cancellation finished if no work is left; True if it did."""
    return await queries.finish_cancellation(tx, session_id=session_id) is not None
