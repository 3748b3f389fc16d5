"""A connection plans a statement once, perhaps before the sale: it must not read all that waits by then."""

from collections.abc import Iterator
from typing import Any

import asyncpg
import msgspec
import pytest

from booking.orders import store as orders
from booking.payments import batch_store as payments
from tests.support.booking import booking_tables

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
