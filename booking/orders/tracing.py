"""What PostgreSQL knows of an order that `stampede trace --order` follows."""

from uuid import UUID

import msgspec

from booking.orders.store import queries
from chassis.postgres.pool import connection, open_pool

SCHEMA = "booking"


class TracedOrder(msgspec.Struct, frozen=True):
    """`request_ids`: of its history, oldest first, as they came. `refund_ids`: ours and the provider's."""

    order_id: UUID
    request_ids: list[str]
    payment_ids: list[UUID]
    refund_ids: list[UUID]


async def find_traced_order(database_url: str, order_no: str) -> TracedOrder | None:
    """Opens a connection of its own. Raises Unavailable or OSError if PostgreSQL does not answer."""
    pool = await open_pool(database_url, SCHEMA, size=1)
    try:
        async with connection(pool) as db:
            row = await queries.find_traced_order(db, order_no=order_no)
    finally:
        await pool.close()
    return None if row is None else TracedOrder(*row.values())
