"""The two databases: made, filled, and asked what was logged."""

import time
from datetime import timedelta
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg

from chassis.postgres.pool import Connection
from runtime.services import migrate_all

YEARS = 10
ORDERS_A_SESSION = 5_000
ORDERS_A_PERSON = 5
REGULARS_ORDERS = 520  # one a week
REGULAR = UUID("00000000-0000-7000-8000-000000000001")

# Rows of no real order, in one step instead of several: kept apart from the statements of the house.
FILL = """
INSERT INTO orders (order_id, user_id, session_id, status, total_amount, currency, title, venue,
                    starts_at, time_zone, created_at, expires_at, paid_at, request_id, items)
SELECT uuidv7(-age),
       CASE WHEN g % greatest($1 / $5, 1) = 0 THEN $6
            ELSE md5('person ' || g::bigint * 2654435761 % greatest($1 / $4, 1))::uuid END,
       md5('session ' || g / $3)::uuid,
       CASE WHEN age > interval '30 days' THEN 'completed' ELSE 'paid' END,
       256000, 'CNY', '周杰伦 2026 世界巡回演唱会', '上海体育场',
       now() - age + interval '30 days', 'Asia/Shanghai',
       now() - age, now() - age + interval '10 minutes', now() - age + interval '1 minute', 'r-' || g,
       format('[{"seat_id": %s, "area_id": "%s", "area": "VIP A区", "row": "3", "number": 1,
                 "price": 128000},
                {"seat_id": %s, "area_id": "%s", "area": "VIP A区", "row": "3", "number": 2,
                 "price": 128000}]', g % $3 * 2 + 1, $7::uuid, g % $3 * 2 + 2, $7::uuid)::jsonb
FROM (SELECT g, $2::interval * (1 - g / $1::float8) AS age
      FROM generate_series(1, $1::int) AS g) AS numbered
"""
CLAIM = """
INSERT INTO seat_claims (session_id, seat_id, order_id, state)
SELECT session_id, (items -> seat ->> 'seat_id')::int, order_id, 'sold'
FROM orders, generate_series(0, 1) AS seat
"""
TALLY = """
INSERT INTO user_tallies (session_id, user_id, tickets, cap)
SELECT session_id, user_id, 2 * count(*), 2 * count(*) + 6 FROM orders
GROUP BY session_id, user_id ORDER BY min(created_at)
"""
# What paying wrote: an answered payment, what its provider told, two tickets, the rest of the history.
PAY = """
INSERT INTO payments (payment_id, order_id, user_id, provider, method, amount, currency, state,
                      request_id, created_at, updated_at)
SELECT uuidv7(paid_at - now()), order_id, user_id, 'sandbox', 'alipay', total_amount, currency, 'succeeded',
       request_id, paid_at, paid_at
FROM orders ORDER BY order_id
"""
TOLD = """
INSERT INTO provider_events (provider, event_id, type, payment_id, taken_at)
SELECT provider, 'evt_' || replace(gen_random_uuid()::text, '-', ''), 'payment.succeeded',
       payment_id, updated_at
FROM payments ORDER BY payment_id
"""
TICKET = """
INSERT INTO tickets (ticket_id, order_id, session_id, seat_id, user_id, code, issued_at)
SELECT uuidv7(paid_at - now()), order_id, session_id, (items -> seat ->> 'seat_id')::int, user_id,
       repeat('c', 150), paid_at
FROM (SELECT * FROM orders ORDER BY order_id) AS sold, generate_series(0, 1) AS seat
"""
HISTORY = """
INSERT INTO order_events (order_id, event_id, type, time, request_id, data)
SELECT order_id, gen_random_uuid(), type, paid_at, request_id, '{}'
FROM (SELECT * FROM orders ORDER BY order_id) AS sold,
     unnest(ARRAY['stampede.payment.started.v1', 'stampede.order.paid.v1',
                  'stampede.order.completed.v1']) AS type
WHERE status = 'completed' OR type <> 'stampede.order.completed.v1'
"""
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = 'booking' AND tablename = 'orders' AND indexname NOT IN
    (SELECT conname FROM pg_constraint WHERE conrelid = 'orders'::regclass)
"""
# By this connection alone, whatever else the server does meanwhile.
LOGGED = "SELECT wal_bytes FROM pg_stat_get_backend_wal(pg_backend_pid())"


async def open_database(url: str, name: str, old_orders: int, *, bought: bool = False) -> str:
    """Made and filled unless it is there already. bought: old orders have what paying wrote."""
    parts = urlsplit(url)
    own = urlunsplit((parts.scheme, parts.netloc or "postgres@", f"/{name}", parts.query, ""))
    admin = await asyncpg.connect(url)
    try:
        if await admin.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name):
            await migrate_all(own)
            return own
        await admin.execute(f"CREATE DATABASE {name}")
    finally:
        await admin.close()
    await migrate_all(own)
    if old_orders:
        db = await asyncpg.connect(own, server_settings={"search_path": "booking"})
        try:
            await fill(db, old_orders, bought=bought)
        finally:
            await db.close()
    return own


async def fill(db: Connection, count: int, *, bought: bool) -> None:
    """So many orders of the last years. Indexes are built afterwards, which is far quicker."""
    began = time.monotonic()
    await db.execute(
        "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'"
    )
    indexes = await db.fetch(INDEXES)
    for one in indexes:
        await db.execute(f'DROP INDEX "{one["indexname"]}"')
    span = timedelta(days=365 * YEARS)
    await db.execute(
        FILL,
        count,
        span,
        ORDERS_A_SESSION,
        ORDERS_A_PERSON,
        REGULARS_ORDERS,
        REGULAR,
        uuid4(),
        timeout=None,
    )
    print(f"orders after {time.monotonic() - began:.0f} s", flush=True)
    for one in indexes:
        await db.execute(one["indexdef"])
    print(f"indexes after {time.monotonic() - began:.0f} s", flush=True)
    await db.execute(CLAIM)
    await db.execute(TALLY)
    for statement in (PAY, TOLD, TICKET, HISTORY) if bought else ():
        await db.execute(statement)
    await db.execute("VACUUM (ANALYZE, FREEZE)")
    print(f"all after {time.monotonic() - began:.0f} s", flush=True)


async def logged(db: Connection) -> int:
    """Bytes of the write-ahead log since the connection began."""
    await db.execute("SELECT pg_stat_force_next_flush()")
    return int(await db.fetchval(LOGGED))
