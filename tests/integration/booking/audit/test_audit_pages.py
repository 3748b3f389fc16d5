"""The audit looks at page after page: each violation is found on its own, and none is lost between two."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from booking.audit import store, walks
from booking.audit.store import INVARIANTS, broken
from booking.audit.walks import BEGINNING, END, Walk
from chassis.ids import eldest_since, uuid7
from chassis.postgres.pool import Pool, open_pool
from tests.support.booking import booking_tables

LIMITS: dict[str, Any] = {"grace_s": 5.0, "patience_s": 60.0, "limit": 20}
ORDER = """
INSERT INTO orders (order_id, user_id, session_id, status, total_amount, currency, title, venue, starts_at,
                    time_zone, expires_at, paid_at, request_id, items)
VALUES ($1, $2, $3, 'paid', 1, 'CNY', '', '', now(), 'UTC', now(), now(), '',
        jsonb_build_array(jsonb_build_object('seat_id', 1, 'area_id', ($3::uuid)::text, 'area', 'A',
                                             'row', '1', 'number', 1, 'price', 1)))
"""


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_url, "booking", size=1)
    yield opened
    await opened.close()


async def paid(tables: Any, order_id: UUID, session_id: UUID) -> None:
    """Without claims, tickets, money and history."""
    await tables.execute(ORDER, order_id, uuid4(), session_id)


async def found(pool: Pool, invariant: str, since: UUID = BEGINNING) -> list[list[str]]:
    walk = broken(pool, invariant, since=since, **LIMITS)
    return [page async for page in walk]


def small(walk: Walk) -> Walk:
    return Walk(walk.name, rows=1, ends=walk.ends)


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_a_row_is_looked_at_once_whatever_page_it_is_on(
    count: int, pool: Pool, database_url: str
) -> None:
    part = store.Part("orders_have_money", small(walks.ORDERS))
    orders = sorted(uuid7() for _ in range(count))
    async with booking_tables(database_url) as tables:
        for order_id in orders:
            await paid(tables, order_id, uuid4())
    pages = [page async for page in store.look(pool, part, **LIMITS)]
    assert len(pages) == count // 2 + 1  # a page ends with its second row; the last is open
    told = [line for page in pages for line in page]
    assert [line.split()[1] for line in told] == [str(order_id) for order_id in orders]


async def test_a_session_is_on_one_page(pool: Pool, database_url: str) -> None:
    """Else a seat that two orders have would be counted once on each."""
    session_id = uuid4()
    async with booking_tables(database_url) as tables:
        for _ in range(5):
            await paid(tables, uuid7(), session_id)
        for _ in range(3):
            await paid(tables, uuid7(), uuid4())
    part = store.Part("seats_sold_once", small(walks.SESSIONS))
    pages = [page async for page in store.look(pool, part, **LIMITS)]
    assert len(pages) > 1
    told = [line for page in pages for line in page]
    assert told == [f"session {session_id} seat 1 is sold by 5 orders"]


async def test_what_is_old_can_be_left_out(pool: Pool, database_url: str) -> None:
    old, new = eldest_since(1_600_000_000.0), uuid7()
    async with booking_tables(database_url) as tables:
        for order_id in (old, new):
            await paid(tables, order_id, uuid4())
    told = [line for page in await found(pool, "orders_add_up") for line in page]
    assert told == []
    lines = [line for page in await found(pool, "history_tells_the_status") for line in page]
    assert {line.split()[1] for line in lines} == {str(old), str(new)}
    recent = await found(pool, "history_tells_the_status", eldest_since(1_700_000_000.0))
    assert [line.split()[1] for page in recent for line in page] == [str(new)]


async def test_no_connection_is_held_between_two_pages(pool: Pool, database_url: str) -> None:
    """The pool has one."""
    async with asyncio.timeout(10.0):
        for invariant in INVARIANTS:
            walk = broken(pool, invariant, **LIMITS)
            async for page in walk:
                assert page == []
                assert await pool.fetchval("SELECT 1") == 1


def test_every_walk_begins_before_all_ids_and_ends_after_them() -> None:
    assert BEGINNING < uuid7() < END
