"""A connection plans a statement once and keeps the plan, perhaps made while the platform was empty. No such
plan may read all of a table that grows, nor all that is in some state (docs/adr/0083, 0098)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

import aiosql
import asyncpg
import pytest

from tests.architecture.source import ROOT
from tests.architecture.test_sql import QUERIES, schema_of, service_of
from tests.support.plans import Scan, plan_of, scans

# A row for each order, or for what happens to one.
GROWING = {
    "booking": {
        *("orders", "order_items", "order_events", "order_keys", "seat_claims", "user_tallies"),
        *("payments", "provider_events", "provider_references", "tickets", "ticket_transfers"),
        *("refunds", "refund_items", "promo_redemptions", "promo_tallies", "check_ins"),
        *("recovered_charges", "event_archive"),
    },
    "notification": {"messages", "webhook_deliveries", "webhook_events", "webhook_sessions"},
}
WAITS = "wants all that is in this state, or the first of it, by an index of these alone"
END = "takes one end of an index"
RARE = "what is rare, for a person who waits: refunds"
CLEANING = "now and then, in the background: forgets what is old"
REBUILD = "a command that reads everything"
FINE = {
    "booking": {
        "audit_lost_charges_are_returned": WAITS,
        "audit_orders_end": WAITS,
        "audit_payments_are_answered": WAITS,
        "audit_refunds_are_sent": WAITS,
        "claim_due_refunds": WAITS,
        "complete_orders": WAITS,
        "count_refunds": RARE,
        "keys_with_orders": REBUILD,
        "lease_pending_payments": WAITS,
        "list_orders": END,
        "list_refunds": RARE,
        "list_tickets": END,
        "lock_due_orders": WAITS,
        "prune_order_keys": CLEANING,
        "retry_refund": RARE,
        "sessions_sold": END,
        "sessions_with_claims": REBUILD,
        "sessions_with_holds": WAITS,
        "take_refunds_due": WAITS,
        "waiting_money": WAITS,
    },
    "notification": {
        "audit_webhook_deliveries_end": WAITS,
        "audit_webhook_events_are_routed": WAITS,
        "claim_deliveries": WAITS,
        "claim_messages": WAITS,
        "delivery_backlog": WAITS,
        "forget_session": WAITS,
        "give_up_forgotten": WAITS,
        "message_backlog": WAITS,
        "prune_deliveries": CLEANING,
        "prune_endpoints": CLEANING,
        "prune_messages": CLEANING,
        "route_events": WAITS,
        "waiting": WAITS,
        "waiting_sessions": WAITS,
    },
}
# Indexes of the rows in some state. With a condition on a time they may still be read whole.
OF_A_STATE = """
SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname = $1 AND pg_get_expr(x.indpred, x.indrelid) ~ '(state|status|routed|finished_at|refunded_at)'
  AND NOT x.indisunique
"""
# What a rehearsal takes away, and what a recovery looks for, is found by commands that read everything.
FOLDERS = [
    folder
    for folder in QUERIES
    if schema_of(folder) in GROWING and folder.parent.name not in {"rehearsals", "recovery"}
]


Connection: TypeAlias = "asyncpg.Connection[Any]"


async def reads_what_grows(db: Connection, service: str, statement: str) -> list[Scan]:
    of_a_state = {row[0] for row in await db.fetch(OF_A_STATE, service)}
    return [
        one
        for one in scans(await plan_of(db, statement))
        if one.table in GROWING[service] and (one.cond is None or one.index in of_a_state)
    ]


@pytest.fixture
async def connect(database_url: str) -> AsyncIterator[Callable[[str], Awaitable[Connection]]]:
    """To a schema whose tables are empty."""
    opened: list[Connection] = []

    async def connected(service: str) -> Connection:
        options = {"search_path": service}
        opened.append(
            await asyncpg.connect(database_url, server_settings=options, statement_cache_size=0)
        )
        return opened[-1]

    yield connected
    for one in opened:
        await one.close()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
async def test_no_kept_plan_reads_what_grows(
    folder: Path, connect: Callable[[str], Awaitable[Connection]]
) -> None:
    service = service_of(folder)
    db = await connect(service)
    queries = aiosql.from_path(folder, "asyncpg", mandatory_parameters=False)
    names = [name for name in queries.available_queries if not name.endswith("_cursor")]
    assert names
    for name in names:
        if name not in FINE[service]:
            found = await reads_what_grows(db, service, getattr(queries, name).sql)
            assert found == [], name


OLDER = {
    "by a state": "UPDATE orders SET status = 'refunded' WHERE order_id = $1 AND status = 'paid'",
    "all of it": "SELECT FROM tickets t WHERE ticket_id = $1 AND NOT EXISTS ("
    " SELECT FROM refund_items r WHERE r.ticket_id = t.ticket_id AND r.effect = 'wanted')",
}


@pytest.mark.parametrize("how", OLDER)
async def test_such_a_plan_is_noticed(
    how: str, connect: Callable[[str], Awaitable[Connection]]
) -> None:
    assert await reads_what_grows(await connect("booking"), "booking", OLDER[how]) != []
