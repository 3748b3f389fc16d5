"""The database of `python -m loadtest.old_orders`, small."""

from typing import Any

from booking.orders import store
from chassis.postgres.pool import connection, open_pool
from loadtest.old_orders.command import Sale
from loadtest.old_orders.store import INDEXES, REGULAR, fill
from tests.support.booking import booking_tables

ODD = """
SELECT (SELECT count(*) FROM orders o
        WHERE 2 <> (SELECT count(*) FROM seat_claims c WHERE c.order_id = o.order_id))
     + (SELECT count(*) FROM placed_items i JOIN orders o USING (order_id)
        LEFT JOIN seat_claims c USING (order_id, session_id, seat_id) WHERE c.state IS DISTINCT FROM 'sold')
     + (SELECT count(*) FROM user_tallies t WHERE t.tickets <>
        (SELECT 2 * count(*) FROM orders o WHERE (o.user_id, o.session_id) = (t.user_id, t.session_id)))
"""


async def test_old_orders_have_their_claims_and_tallies_and_a_sale_goes_on(
    database_url: str,
) -> None:
    async with booking_tables(database_url) as tables:
        indexes = await tables.fetch(INDEXES)
        await fill(tables, 1_500, bought=False)
        assert sorted(map(tuple, await tables.fetch(INDEXES))) == sorted(map(tuple, indexes))
        assert await tables.fetchval("SELECT count(*) FROM orders") == 1_500
        assert await tables.fetchval(ODD) == 0
        how: dict[str, Any] = {"status": None, "before": None, "limit": 10, "offset": 0}
        page, total = await store.list_orders(tables, REGULAR, **how)
        assert (len(page), total) == (10, 750)
    pool = await open_pool(database_url, "booking", size=1)
    try:
        await Sale().place(pool, 4)
        async with connection(pool) as db:
            assert await db.fetchval("SELECT count(*) FROM orders") == 1_504
    finally:
        await pool.close()
