"""Seats that no order has: blocked and unblocked."""

from collections.abc import Sequence
from uuid import UUID

from booking.store.queries import queries
from chassis.postgres.pool import Connection


async def claims_in_the_way(
    one: Connection, session_id: UUID, seats: Sequence[int]
) -> dict[int, str]:
    """State (`held`, `sold`, `blocked`) of those seats that are taken, locked."""
    found = queries.claims_in_the_way(one, session_id=session_id, seats=list(seats))
    return {row["seat_id"]: row["state"] async for row in found}


async def block_seats(one: Connection, session_id: UUID, seats: Sequence[int]) -> list[int]:
    """Those that were free and are blocked now."""
    found = queries.block_seats(one, session_id=session_id, seats=list(seats))
    return [row["seat_id"] async for row in found]


async def unblock_seats(one: Connection, session_id: UUID, seats: Sequence[int]) -> list[int]:
    """Those that were blocked and are free now."""
    found = queries.unblock_seats(one, session_id=session_id, seats=list(seats))
    return [row["seat_id"] async for row in found]
