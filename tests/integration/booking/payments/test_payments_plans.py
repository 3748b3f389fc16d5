"""A connection plans a statement once, perhaps before the sale: it must not read all that waits by then."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from booking.orders import store as orders
from booking.payments import batch_store as payments
from tests.support.booking import booking_tables, until_one_waits
from tests.support.plans import plan_of, scans

KEYS = {
    "orders": "orders_pkey",
    "payments": "payments_pkey",
    "seat_claims": "seat_claims_one_owner_per_seat",
    "provider_events": "provider_events_taken_once_of_payment",
}
STATEMENTS = {
    "begin_payments": payments.queries.begin_payments,
    "sell_orders": payments.queries.sell_orders,
    "look_up_events": payments.queries.look_up_events,
    "cancel_orders": orders.queries.cancel_orders,
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_rows_are_found_by_their_keys_though_no_order_waited_when_it_was_planned(
    name: str, database_url: str
) -> None:
    async with booking_tables(database_url) as tables:
        found = list(scans(await plan_of(tables, STATEMENTS[name].sql)))
    by_key = [one for one in found if one.table in KEYS]
    assert by_key, found
    assert [one for one in by_key if one.index != KEYS[one.table] or one.cond is None] == []


def row_by_row(node: dict[str, Any]) -> Iterator[str]:
    """Joins that read one part of the batch again for each row of another."""
    below = node.get("Plans", [])
    if node["Node Type"] == "Nested Loop" and below[1]["Node Type"] == "CTE Scan":
        yield below[1]["CTE Name"]
    for inner in below:
        yield from row_by_row(inner)


@pytest.mark.parametrize("name", ["begin_payments", "sell_orders"])
async def test_a_batch_is_not_joined_with_itself_row_by_row(name: str, database_url: str) -> None:
    async with booking_tables(database_url) as tables:
        assert list(row_by_row(await plan_of(tables, STATEMENTS[name].sql))) == []


async def test_an_order_is_judged_as_it_is_once_it_is_locked(database_url: str) -> None:
    """The form of those statements, on a row that changes while it is waited for."""
    judged = (
        "SELECT w.id FROM unnest(ARRAY[1]) AS w (id) CROSS JOIN LATERAL ("
        " SELECT state = 'waits' AS is_plain FROM judged WHERE id = w.id OFFSET 0 FOR UPDATE) AS it"
        " WHERE it.is_plain"
    )
    async with booking_tables(database_url) as tables, booking_tables(database_url) as other:
        await tables.execute("CREATE TABLE judged (id int PRIMARY KEY, state text)")
        await tables.execute("INSERT INTO judged VALUES (1, 'waits')")
        assert await other.fetch(judged) != []
        async with tables.transaction():
            await tables.execute("UPDATE judged SET state = 'paid'")
            judging = asyncio.create_task(other.fetch(judged))
            await until_one_waits(database_url)
        assert await judging == []
