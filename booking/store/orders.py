"""Orders read by their owners, and locked before a step."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from booking.domain.order import OrderStatus
from booking.store.queries import queries
from booking.store.records import (
    HistoryEntry,
    LockedOrder,
    Order,
    Place,
    fields,
    items_of,
    payment_of,
)
from chassis.postgres.pool import Connection


def _order(row: "asyncpg.Record") -> Order:
    columns = fields(row, Order)
    columns["items"] = items_of(row)
    columns["status"] = OrderStatus(row["status"])
    columns["payment"] = payment_of(row)
    return Order(**columns)


async def get_order(one: Connection, order_id: UUID, user_id: UUID) -> Order | None:
    row = await queries.get_order(one, order_id=order_id, user_id=user_id)
    return _order(row) if row is not None else None


async def list_places(one: Connection, order_id: UUID, user_id: UUID) -> list[Place]:
    """What has become of each seat of the user's paid order, in their order."""
    found = queries.list_places(one, order_id=order_id, user_id=user_id)
    return [Place(**fields(row, Place)) async for row in found]


async def get_order_by_key(one: Connection, user_id: UUID, key: str) -> Order | None:
    row = await queries.get_order_by_key(one, user_id=user_id, key=key)
    return _order(row) if row is not None else None


async def keys_with_orders(
    one: Connection, asked: Sequence[tuple[UUID, str]]
) -> set[tuple[UUID, str]]:
    """Those of these users' keys that have made an order."""
    found = queries.keys_with_orders(
        one, users=[user_id for user_id, _ in asked], keys=[key for _, key in asked]
    )
    return {(row["user_id"], row["key"]) async for row in found}


async def list_orders(
    one: Connection,
    user_id: UUID,
    *,
    status: OrderStatus | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
    offset: int,
) -> list[Order]:
    """Newest first; `before` is the last one seen."""
    found = queries.list_orders(
        one,
        user_id=user_id,
        status=status.value if status else None,
        before=before[0] if before else None,
        before_id=before[1] if before else None,
        limit=limit,
        offset=offset,
    )
    return [_order(row) async for row in found]


async def count_orders(one: Connection, user_id: UUID, status: OrderStatus | None) -> int:
    status_word = status.value if status else None
    return int(await queries.count_orders(one, user_id=user_id, status=status_word))


async def owns_order(one: Connection, order_id: UUID, user_id: UUID) -> bool:
    return bool(await queries.owns_order(one, order_id=order_id, user_id=user_id))


async def list_order_events(
    one: Connection, order_id: UUID, *, after: int, limit: int
) -> Sequence[HistoryEntry]:
    """Oldest first, from behind position `after`."""
    found = queries.list_order_events(one, order_id=order_id, after=after, limit=limit)
    return [
        HistoryEntry(**{**fields(row, HistoryEntry), "data": msgspec.Raw(row["data"].encode())})
        async for row in found
    ]


async def lock_order(one: Connection, order_id: UUID, user_id: UUID) -> LockedOrder | None:
    """The user's order, locked until the transaction ends."""
    if await queries.lock_order(one, order_id=order_id, user_id=user_id) is None:
        return None
    row = await queries.get_locked_order(one, order_id=order_id)
    return LockedOrder(**{**fields(row, LockedOrder), "status": OrderStatus(row["status"])})
