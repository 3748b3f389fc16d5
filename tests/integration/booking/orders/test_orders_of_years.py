"""Somebody's orders of many years, found period by period (docs/adr/0087)."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from booking.domain.order import OrderStatus
from booking.orders import store
from chassis.ids import uuid7
from tests.support.booking import booking_tables

USER, OTHER = uuid4(), uuid4()
PERIOD = timedelta(days=28)
EDGE = datetime(2000, 1, 3, tzinfo=UTC) + 340 * PERIOD
INSTANT = timedelta(microseconds=1)
OLD = """
INSERT INTO orders (order_id, user_id, session_id, status, total_amount, currency, title, venue, starts_at,
                    time_zone, created_at, expires_at, cancelled_at, cancel_reason, request_id, items)
SELECT order_id, user_id, $5, status, 1, 'CNY', '', '', created_at, 'UTC', created_at,
       created_at + interval '1 hour', created_at,
       CASE WHEN status = 'cancelled' THEN 'user' END, '', '[]'
FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[])
    AS o (order_id, user_id, created_at, status)
"""


@pytest.fixture
async def tables(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    async with booking_tables(database_url) as connection:
        yield connection


async def have(
    tables: Any, moments: Sequence[datetime], user: UUID = USER, status: str = "cancelled"
) -> list[UUID]:
    ids = [uuid7() for _ in moments]
    random.shuffle(ids)  # an id need not tell when its row came to be
    count = len(ids)
    await tables.execute(OLD, ids, [user] * count, list(moments), [status] * count, uuid4())
    return ids


async def listed(tables: Any, user: UUID = USER, **how: Any) -> tuple[list[UUID], int]:
    """A page, and how many there are in all."""
    wanted: dict[str, Any] = {"status": None, "before": None, "limit": 100, "offset": 0} | how
    page, total = await store.list_orders(tables, user, **wanted)
    return [one.order_id for one in page], total


async def test_orders_of_years_are_listed_newest_first_and_counted(tables: Any) -> None:
    now = datetime.now(UTC)
    years = [now - timedelta(days=days) for days in range(0, 3650, 93)]
    ids = await have(tables, years)
    await have(tables, [moment + INSTANT for moment in years], OTHER)
    total = len(ids)
    assert await listed(tables) == (ids, total)
    assert await listed(tables, limit=5, offset=30) == (ids[30:35], total)
    assert await listed(tables, limit=5, offset=90) == ([], total)
    assert await listed(tables, limit=5, before=(years[9], ids[9])) == (ids[10:15], total)
    assert await listed(tables, before=(years[-1], ids[-1])) == ([], total)
    assert await listed(tables, status=OrderStatus.PAID) == ([], 0)
    assert await listed(tables, uuid4()) == ([], 0)


async def test_no_order_is_missed_at_the_edge_of_a_period(tables: Any) -> None:
    """Its first and last instant, and the one beyond; with the newest order in the future, as after a
    failover to a server whose clock is behind."""
    future = datetime.now(UTC) + 5 * PERIOD
    edges = [EDGE + INSTANT, EDGE, EDGE - INSTANT, EDGE - PERIOD, EDGE - PERIOD - INSTANT]
    ids = await have(tables, [future, *edges])
    assert await listed(tables) == (ids, len(ids))
    found = await tables.fetch(
        "SELECT order_period(created_at) FROM orders ORDER BY created_at DESC"
    )
    first = found[1][0]
    assert [row[0] for row in found[1:]] == [first, first, first - 1, first - 1, first - 2]


async def test_orders_from_before_the_first_period_are_found(tables: Any) -> None:
    ids = await have(
        tables, [datetime(1999, 12, 31, tzinfo=UTC), datetime(1996, 2, 29, tzinfo=UTC)]
    )
    assert await listed(tables) == (ids, 2)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Shanghai"])
async def test_periods_do_not_depend_on_a_time_zone(tables: Any, zone: str) -> None:
    """Days of a time zone may have 23 or 25 hours."""
    ids = await have(tables, [EDGE - place * PERIOD for place in range(30)])
    before = await tables.fetch("SELECT order_period(created_at) FROM orders ORDER BY order_id")
    await tables.execute(f"SET TimeZone = '{zone}'")
    assert await listed(tables) == (ids, 30)
    after = await tables.fetch("SELECT order_period(created_at) FROM orders ORDER BY order_id")
    assert after == before
    assert len({row[0] for row in after}) == 30


async def test_an_order_that_has_lapsed_is_listed_as_cancelled(tables: Any) -> None:
    (lapsed,) = await have(tables, [EDGE], status="pending_payment")
    assert await listed(tables, status=OrderStatus.CANCELLED) == ([lapsed], 1)
    assert await listed(tables, status=OrderStatus.PENDING_PAYMENT) == ([], 0)


async def test_nobody_has_orders_where_there_are_none(tables: Any) -> None:
    assert await listed(tables) == ([], 0)


async def test_people_whose_ids_have_the_same_hash_see_their_own_orders_only(tables: Any) -> None:
    one, other = await tables.fetchval(
        "SELECT array_agg(id) FROM (SELECT md5(n::text)::uuid AS id FROM generate_series(1, 200000) AS n)"
        " AS ids GROUP BY uuid_hash(id) HAVING count(*) = 2 LIMIT 1"
    )
    (mine,) = await have(tables, [EDGE], one)
    (theirs,) = await have(tables, [EDGE], other)
    assert await listed(tables, one) == ([mine], 1)
    assert await listed(tables, other) == ([theirs], 1)


async def test_the_index_by_period_serves_the_list(tables: Any) -> None:
    """Also in a plan for any values, as a process has it after some calls."""
    await tables.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
    await have(tables, [EDGE] * 50)
    query = store.queries.list_orders.sql
    values = ", ".join("NULL" for _ in (await tables.prepare(query)).get_parameters())
    await tables.execute(f"PREPARE listed AS {query}")
    plan = [line[0] for line in await tables.fetch(f"EXPLAIN EXECUTE listed ({values})")]
    conditions = [line for line in plan if "Index Cond" in line and "date_part" in line]
    assert any("uuid_hash(user_id) = uuid_hash(" in line for line in conditions), plan
