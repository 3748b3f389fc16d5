"""Booking's background work as one process does it, from start to stop."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from booking import workers
from chassis.http.openapi import describe
from chassis.observability import logs
from tests.support.booking import BookingApp, booking_tables, running_booking

BACK_ON_SALE_WITHIN_S = 5.0  # PROMISES: after its time


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url, hold_ttl_s=1) as running:
        yield running


async def eventually(check: Any, *, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not await check():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        await asyncio.sleep(0.02)


async def test_an_unpaid_orders_seats_are_on_sale_again_and_its_events_told(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    stop = asyncio.Event()
    working = asyncio.create_task(workers.run(app.wiring, stop))
    order_id = (await app.order(uuid4(), session_id, seats=[1, 2])).json["order_id"]

    async def on_sale() -> bool:
        _, seats = await app.services.holds.state(session_id)
        return b"h" not in seats

    await eventually(on_sale, within_s=1 + BACK_ON_SALE_WITHIN_S)
    async with booking_tables(database_url) as tables:
        status = await tables.fetchval("SELECT status FROM orders WHERE order_id = $1", order_id)
        assert status == "cancelled"
        causes = "SELECT request_id FROM order_events WHERE type LIKE '%cancelled%'"
        assert "-" in await tables.fetchval(causes)

        async def drained() -> bool:
            return not await tables.fetchval("SELECT count(*) FROM outbox")

        await eventually(drained, within_s=5)
    stop.set()
    async with asyncio.timeout(5):
        await working


async def test_a_round_that_fails_does_not_end_its_loop(app: BookingApp) -> None:
    stop = asyncio.Event()
    rounds = 0

    async def one_round() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            stop.set()
        raise RuntimeError("of no account")

    async with asyncio.timeout(10):
        await workers.repeat_traced("test", 0.01, one_round, stop)
    assert rounds == 2


async def test_the_document_names_every_route_and_what_it_refuses_with(app: BookingApp) -> None:
    document = msgspec.to_builtins(describe(app.app))
    operations = {
        operation["operationId"]: operation
        for item in document["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict)
    }
    assert set(operations) >= {
        *("place_order", "list_orders", "read_order", "read_order_history", "pay_order"),
        *("cancel_order", "block_seats", "unblock_seats", "take_webhook"),
        *("read_ticket", "read_ticket_svg", "read_ticket_png", "read_seats", "follow_seats"),
    }
    refusals = operations["place_order"]["responses"]["409"]["description"]
    for code in ("sold-out", "seats-taken", "ticket-limit-reached", "sale-not-open"):
        assert code in refusals
    assert set(operations["pay_order"]["responses"]) >= {"200", "202", "402", "409", "422"}
    assert "image/png" in operations["read_ticket_png"]["responses"]["200"]["content"]


async def test_an_operator_is_warned_of_a_server_that_answers_before_its_disk(
    app: BookingApp, database_url: str, tmp_path: Path
) -> None:
    async with booking_tables(database_url) as db:
        name = await db.fetchval("SELECT current_database()")
        await db.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    await app.services.pool.expire_connections()
    logs.configure(tmp_path, log_format="text", console=False)
    try:
        await workers.warn_of_weak_commits(app.services)
        logs.flush()
        said = (tmp_path / "booking.log").read_text()
    finally:
        logs.configure(None, log_format="text", console=False)
    assert "acknowledged_orders_may_be_lost synchronous_commit=off" in said
