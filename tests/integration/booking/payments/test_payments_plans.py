"""A connection plans a statement once, perhaps before the sale: it must not read all that waits by then."""

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import msgspec
import pytest

from booking.orders import store as orders
from booking.payments import batch_store as payments
from tests.support.booking import booking_tables, until_one_waits

KEYS = {
    "orders": "orders_pkey",
    "payments": "payments_pkey",
    "seat_claims": "seat_claims_one_owner_per_seat",
    "provider_events": "provider_events_taken_once",
}
STATEMENTS = {
    "begin_payments": payments.queries.begin_payments,
    "sell_orders": payments.queries.sell_orders,
    "look_up_events": payments.queries.look_up_events,
    "cancel_orders": orders.queries.cancel_orders,
}


def scans(node: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """(table, index) of each scan of a plan; no index: all of the table is read."""
    below = node.get("Plans", [])
    if node["Node Type"].endswith("Scan") and "Relation Name" in node:
        by_bitmap = below[0] if node["Node Type"] == "Bitmap Heap Scan" else node
        yield node["Relation Name"], by_bitmap.get("Index Name")
    for inner in below:
        yield from scans(inner)


async def plan_of(tables: "asyncpg.Connection[Any]", statement: str) -> dict[str, Any]:
    """The plan that a connection keeps."""
    await tables.execute("SET plan_cache_mode = force_generic_plan")
    await tables.execute(f"PREPARE planned AS {statement}")
    count = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'planned'"
    nothing = ", ".join(["NULL"] * await tables.fetchval(count))
    (told,) = await tables.fetchrow(f"EXPLAIN (FORMAT JSON) EXECUTE planned({nothing})")
    plan: dict[str, Any] = msgspec.json.decode(told)[0]["Plan"]
    return plan


@pytest.mark.parametrize("name", STATEMENTS)
async def test_rows_are_found_by_their_keys_though_no_order_waited_when_it_was_planned(
    name: str, database_url: str
) -> None:
    async with booking_tables(database_url) as tables:
        found = list(scans(await plan_of(tables, STATEMENTS[name].sql)))
    by_key = [(table, index) for table, index in found if table in KEYS]
    assert by_key, found
    assert [index for table, index in by_key if index != KEYS[table]] == []


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
