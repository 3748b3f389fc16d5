"""Orders read by their owners, locked before a step, and ended."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec

from booking.domain.order import CHURN_MAX, CHURN_WITHIN_S, OrderStatus
from booking.orders.records import (
    CancelledOrder,
    HistoryEntry,
    LockedOrder,
    Order,
    Place,
    items_of,
    left_alone_of,
    payment_of,
)
from chassis.postgres.pool import Connection, load_queries
from chassis.postgres.rows import fields
from contracts.booking import OrderCompleted

KEYS_PRUNED_AT_ONCE = 5_000

queries = load_queries(Path(__file__).parent / "sql")


def _order(row: "asyncpg.Record") -> Order:
    columns = fields(row, Order)
    columns["items"] = items_of(row)
    columns["status"] = OrderStatus(row["status"])
    columns["payment"] = payment_of(row)
    columns["left_alone"] = left_alone_of(row)
    return Order(**columns)


async def get_order(db: Connection, order_id: UUID, user_id: UUID) -> Order | None:
    row = await queries.get_order(db, order_id=order_id, user_id=user_id)
    return _order(row) if row is not None else None


async def list_places(db: Connection, order_id: UUID, user_id: UUID) -> list[Place]:
    """What has become of each seat of the user's paid order, in their order."""
    found = queries.list_places(db, order_id=order_id, user_id=user_id)
    return [Place(**fields(row, Place)) async for row in found]


async def get_order_by_key(db: Connection, user_id: UUID, key: str) -> Order | None:
    """Its `body_hash` is the key's."""
    row = await queries.get_order_by_key(db, user_id=user_id, key=key)
    if row is None:
        return None
    return msgspec.structs.replace(_order(row), body_hash=row["key_hash"])


async def keys_with_orders(
    db: Connection, asked: Sequence[tuple[UUID, str]]
) -> set[tuple[UUID, str]]:
    """Those of these users' keys that have made an order."""
    found = queries.keys_with_orders(
        db, users=[user_id for user_id, _ in asked], keys=[key for _, key in asked]
    )
    return {(row["user_id"], row["key"]) async for row in found}


async def prune_order_keys(db: Connection) -> None:
    """Forgets keys of orders that are older than promised, some at a time."""
    while await queries.prune_order_keys(db, limit=KEYS_PRUNED_AT_ONCE) == KEYS_PRUNED_AT_ONCE:
        pass


async def list_orders(
    db: Connection,
    user_id: UUID,
    *,
    status: OrderStatus | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
    offset: int,
) -> tuple[list[Order], int]:
    """Newest first, and how many there are in all; `before` is the last one seen."""
    found = queries.list_orders(
        db,
        user_id=user_id,
        status=status.value if status else None,
        before=before[0] if before else None,
        before_id=before[1] if before else None,
        limit=limit,
        offset=offset,
    )
    rows = [row async for row in found]
    return [_order(row) for row in rows if row["order_id"] is not None], rows[0]["total"]


async def owns_order(db: Connection, order_id: UUID, user_id: UUID) -> bool:
    return bool(await queries.owns_order(db, order_id=order_id, user_id=user_id))


async def list_order_events(
    db: Connection, order_id: UUID, *, after: int, limit: int
) -> Sequence[HistoryEntry]:
    """Oldest first, from behind position `after`."""
    found = queries.list_order_events(db, order_id=order_id, after=after, limit=limit)
    return [
        HistoryEntry(**{**fields(row, HistoryEntry), "data": msgspec.Raw(row["data"].encode())})
        async for row in found
    ]


async def lock_order(tx: Connection, order_id: UUID, user_id: UUID) -> LockedOrder | None:
    """The user's order, locked until the transaction ends."""
    if await queries.lock_order(tx, order_id=order_id, user_id=user_id) is None:
        return None
    row = await queries.get_locked_order(tx, order_id=order_id)
    return LockedOrder(**{**fields(row, LockedOrder), "status": OrderStatus(row["status"])})


async def lock_due_orders(
    tx: Connection, *, only: Sequence[UUID] | None, payment_grace_s: float, limit: int
) -> list[UUID]:
    """Unpaid orders past their end that nobody else works on, locked; among `only` when given."""
    found = queries.lock_due_orders(
        tx,
        only=list(only) if only is not None else None,
        payment_grace=timedelta(seconds=payment_grace_s),
        limit=limit,
    )
    return [row["order_id"] async for row in found]


async def cancel_orders(
    tx: Connection, orders: Sequence[UUID], reason: str
) -> list[CancelledOrder]:
    """Those that were pending until now: cancelled, their seats and tallies given back. For `user` and
    `unpaid` their buyers are counted to have let go of them."""
    found = queries.cancel_orders(
        tx,
        orders=list(orders),
        reason=reason,
        churn_max=CHURN_MAX,
        churn_within=timedelta(seconds=CHURN_WITHIN_S),
    )
    return [CancelledOrder(**fields(row, CancelledOrder)) async for row in found]


async def complete_orders(tx: Connection, *, after: timedelta, limit: int) -> list[OrderCompleted]:
    """Paid orders whose session began `after` ago or earlier, completed."""
    found = queries.complete_orders(tx, after=after, limit=limit)
    return [OrderCompleted(**fields(row, OrderCompleted)) async for row in found]
