"""Somebody's orders of many years, found week by week (docs/adr/0087)."""

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
MONDAY = datetime(2026, 3, 9, tzinfo=UTC)
WEEK = timedelta(days=7)
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


async def listed(tables: Any, user: UUID = USER, **how: Any) -> list[UUID]:
    wanted: dict[str, Any] = {"status": None, "before": None, "limit": 100, "offset": 0} | how
    return [one.order_id for one in await store.list_orders(tables, user, **wanted)]


async def test_orders_of_years_are_listed_newest_first_and_counted(tables: Any) -> None:
    now = datetime.now(UTC)
    years = [now - timedelta(days=days) for days in range(0, 3650, 93)]
    ids = await have(tables, years)
    await have(tables, [moment + INSTANT for moment in years], OTHER)
    assert await listed(tables) == ids
    assert await store.count_orders(tables, USER, None) == len(ids)
    assert await listed(tables, limit=5, offset=30) == ids[30:35]
    assert await listed(tables, limit=5, before=(years[9], ids[9])) == ids[10:15]
    assert await listed(tables, status=OrderStatus.PAID) == []
    assert await listed(tables, uuid4()) == []


async def test_no_order_is_missed_at_the_edge_of_a_week(tables: Any) -> None:
    """Its first and last instant, and the one beyond; with the newest order in the future, as after a
    failover to a server whose clock is behind."""
    future = datetime.now(UTC) + 5 * WEEK
    edges = [MONDAY + INSTANT, MONDAY, MONDAY - INSTANT, MONDAY - WEEK, MONDAY - WEEK - INSTANT]
    ids = await have(tables, [future, *edges])
    assert await listed(tables) == ids
    assert await store.count_orders(tables, USER, OrderStatus.CANCELLED) == len(ids)


async def test_an_order_that_has_lapsed_is_listed_as_cancelled(tables: Any) -> None:
    (lapsed,) = await have(tables, [MONDAY], status="pending_payment")
    assert await listed(tables, status=OrderStatus.CANCELLED) == [lapsed]
    assert await store.count_orders(tables, USER, OrderStatus.PENDING_PAYMENT) == 0


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Shanghai"])
async def test_weeks_do_not_depend_on_a_time_zone(tables: Any, zone: str) -> None:
    """A week of a time zone may have 167 or 169 hours, and then no week would be that of an order."""
    await tables.execute(f"SET TimeZone = '{zone}'")
    moments = [MONDAY - place * WEEK + timedelta(days=2) for place in range(80)]
    ids = await have(tables, moments)
    assert await listed(tables) == ids
    weeks = await tables.fetchval("SELECT order_weeks()")
    assert weeks == [MONDAY - place * WEEK for place in range(80)]


async def test_nobody_has_orders_where_there_are_none(tables: Any) -> None:
    assert await listed(tables) == []
    assert await store.count_orders(tables, USER, None) == 0


async def test_the_index_by_week_serves_the_list_and_the_count(tables: Any) -> None:
    """Also in a plan for any values, as a process has it after some calls."""
    await tables.execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
    await have(tables, [MONDAY] * 50)
    for name in ("list_orders", "count_orders"):
        query = getattr(store.queries, name).sql
        values = ", ".join("NULL" for _ in (await tables.prepare(query)).get_parameters())
        await tables.execute(f"PREPARE {name} AS {query}")
        plan = [line[0] for line in await tables.fetch(f"EXPLAIN EXECUTE {name} ({values})")]
        assert any("orders_of_user_by_week" in line for line in plan), plan
