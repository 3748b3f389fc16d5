"""Somebody's tickets of many years, found period by period (docs/adr/0099)."""

import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from booking.tickets import transfers_store
from chassis.ids import uuid7
from tests.support.booking import booking_tables
from tests.support.plans import plan_of, scans

USER, OTHER, SESSION = uuid4(), uuid4(), uuid4()
PERIOD = timedelta(days=28)
EDGE = datetime(2000, 1, 3, tzinfo=UTC) + 340 * PERIOD
ORDER = """
INSERT INTO orders (order_id, user_id, session_id, status, total_amount, currency, title, venue, starts_at,
                    time_zone, expires_at, paid_at, request_id, items)
VALUES ($1, $2, $3, 'paid', 1, 'CNY', '', '', now(), 'UTC', now(), now(), '', $4)
"""
OLD = """
INSERT INTO tickets (ticket_id, order_id, session_id, seat_id, user_id, code, issued_at, status)
SELECT ticket_id, $1, $2, seat_id, $3, '', issued_at, $4
FROM unnest($5::uuid[], $6::int[], $7::timestamptz[]) AS t (ticket_id, seat_id, issued_at)
"""


@pytest.fixture
async def tables(database_url: str) -> AsyncIterator[Any]:
    async with booking_tables(database_url) as connection:
        yield connection


async def have(
    tables: Any, moments: Sequence[datetime], user: UUID = USER, status: str = "valid"
) -> list[UUID]:
    """Their ids ascend, whenever the tickets came to be."""
    order_id, ids, seats = uuid7(), [uuid7() for _ in moments], list(range(1, len(moments) + 1))
    ids.sort()
    items = ", ".join(
        f'{{"seat_id": {seat}, "area_id": "{SESSION}", "area": "A", "row": "1", "number": 1, "price": 1}}'
        for seat in seats
    )
    await tables.execute(ORDER, order_id, user, uuid4(), f"[{items}]")
    await tables.execute(OLD, order_id, uuid4(), user, status, ids, seats, list(moments))
    return ids


async def listed(tables: Any, user: UUID = USER, **how: Any) -> tuple[list[UUID], int]:
    wanted: dict[str, Any] = {"status": None, "limit": 100, "offset": 0} | how
    page, total = await transfers_store.list_tickets(tables, user, **wanted)
    return [one.ticket_id for one in page], total


async def test_tickets_of_years_are_listed_newest_first_and_counted(tables: Any) -> None:
    now = datetime.now(UTC)
    years = [now - timedelta(days=days) for days in range(0, 3650, 93)]
    random.shuffle(years)
    ids = await have(tables, years)
    await have(tables, years, OTHER)
    newest = ids[::-1]
    assert await listed(tables) == (newest, len(ids))
    assert await listed(tables, limit=5, offset=10) == (newest[10:15], len(ids))
    assert await listed(tables, offset=len(ids)) == ([], len(ids))
    assert await listed(tables, status="void") == ([], 0)


async def test_the_edges_of_a_period_lose_no_ticket(tables: Any) -> None:
    instant = timedelta(microseconds=1)
    ids = await have(tables, [EDGE - instant, EDGE, EDGE + PERIOD - instant, EDGE + PERIOD])
    assert await listed(tables) == (ids[::-1], 4)


async def test_nobody_has_tickets_where_there_are_none(tables: Any) -> None:
    assert await listed(tables) == ([], 0)


async def test_people_whose_ids_have_the_same_hash_see_their_own_tickets_only(tables: Any) -> None:
    one, other = await tables.fetchval(
        "SELECT array_agg(id) FROM (SELECT md5(n::text)::uuid AS id FROM generate_series(1, 200000) AS n)"
        " AS ids GROUP BY uuid_hash(id) HAVING count(*) = 2 LIMIT 1"
    )
    mine, theirs = await have(tables, [EDGE], one), await have(tables, [EDGE], other)
    assert await listed(tables, one) == (mine, 1)
    assert await listed(tables, other) == (theirs, 1)


async def test_the_list_is_found_by_period_and_its_tickets_by_their_ids(tables: Any) -> None:
    await have(tables, [EDGE] * 50)
    found = list(scans(await plan_of(tables, transfers_store.queries.list_tickets.sql)))
    of_tickets = [one for one in found if one.table == "tickets" and one.cond is not None]
    assert any("uuid_hash(user_id) = uuid_hash(" in one.cond for one in of_tickets if one.cond), (
        found
    )
    assert {one.index for one in of_tickets} == {"tickets_of_user_by_period", "tickets_pkey"}
    assert [one for one in found if one.index is None] == []
