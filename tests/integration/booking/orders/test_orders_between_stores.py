"""Redis filters, PostgreSQL decides: what happens when they disagree, or one of them goes away."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from booking.orders.expiry import complete_orders, sweep_orders
from booking.seats.sweeper import Sweeper
from contracts.booking import OrderCancelled, OrderCreated, SeatsChanged
from tests.support.booking import (
    SEATED,
    BookingApp,
    booking_tables,
    is_sound,
    let_time_pass,
    running_booking,
    until_one_waits,
    without_redis,
)
from tests.support.outbox import events_waiting

USER, OTHER = uuid4(), uuid4()


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


async def live(app: BookingApp, session_id: Any) -> str:
    """The seats as the public sees them, a moment after the last change."""
    _, seats = await app.services.holds.state(session_id)
    return seats.decode()


async def test_redis_lost_in_the_middle_of_a_sale_sells_nothing_twice(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=1, places=1)
    kept = await app.order(USER, session_id, seats=[1, 2])
    paid = await app.order(USER, session_id, seats=[3])
    await app.pay(USER, paid.json["order_id"])
    await app.services.holds.calls.command_to_each_node("FLUSHDB")
    refused = await app.order(OTHER, session_id, seats=[2, 3, 4])
    assert (refused.code, refused.json["seats"]) == ("seats-taken", [2, 3])
    best = await app.order(OTHER, session_id, quantity=2)
    assert [item["seat_id"] for item in best.json["items"]] not in ([1, 2], [2, 3])
    assert (await app.pay(USER, kept.json["order_id"])).status == 200
    await is_sound(app)


async def test_what_postgresql_refuses_redis_learns_and_gives_back(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish(rows=1, places=1)
    await app.order(OTHER, session_id, seats=[10])  # loaded
    async with running_booking(
        database_url, app.wiring.redis_url, app.neighbours
    ) as elsewhere:  # a process that reaches PostgreSQL past Redis
        without_redis(elsewhere)
        assert (await elsewhere.order(OTHER, session_id, seats=[2])).status == 201
    assert (await live(app, session_id))[1] == "."
    refused = await app.order(USER, session_id, seats=[1, 2, 3])
    assert (refused.code, refused.json["seats"]) == ("seats-taken", [2])
    assert (await live(app, session_id)).startswith(".h.")
    await is_sound(app)


async def test_best_available_tries_again_when_redis_was_wrong(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish(rows=1, places=1)
    await app.order(OTHER, session_id, seats=[10])
    async with running_booking(database_url, app.wiring.redis_url, app.neighbours) as elsewhere:
        without_redis(elsewhere)
        await elsewhere.order(OTHER, session_id, seats=[5])  # where the best seats are
    made = await app.order(USER, session_id, quantity=3, key="k1")
    assert made.status == 201, made
    assert 5 not in [item["seat_id"] for item in made.json["items"]]
    assert (await app.order(USER, session_id, quantity=3, key="k1")).json == made.json
    await is_sound(app)


async def test_the_databases_cap_holds_where_redis_forgot_it(app: BookingApp) -> None:
    session_id = app.neighbours.publish(max_tickets_per_user=3)
    lying = without_redis(app)
    assert (await app.order(USER, session_id, seats=[1, 2])).status == 201
    refused = await app.order(USER, session_id, seats=[3, 4])
    assert (refused.status, refused.code) == (409, "ticket-limit-reached")
    assert len(lying.released) == 1
    assert (await app.order(USER, session_id, seats=[3])).status == 201


async def test_a_database_lost_in_the_middle_answers_503_and_the_sweeper_frees_the_seat(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    await app.order(OTHER, session_id, seats=[1])
    async with booking_tables(database_url) as tables, tables.transaction():
        await tables.execute("LOCK TABLE orders IN SHARE MODE")
        call = asyncio.create_task(app.order(USER, session_id, seats=[2]))
        await until_one_waits(database_url)
        await tables.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        refused = await call
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM orders") == 1
    # The hold is an intent: the sweeper finds no such order and gives the seat back.
    assert (await live(app, session_id))[1] == "h"
    await make_holds_due(app, session_id)
    await Sweeper(app.services.holds).sweep_once()
    assert (await live(app, session_id))[:2] == "h."
    await is_sound(app)


async def make_holds_due(app: BookingApp, session_id: Any) -> None:
    """Every hold of the session is to be asked about now, as if HOLD_INTENT_MS had gone by."""
    calls = app.services.holds.calls
    key = f"expiry:{{{session_id}}}"
    for member in await calls.command("ZRANGE", key, 0, -1):
        if member != b"loaded":
            await calls.command("ZADD", key, 1, member)


async def test_a_client_that_hangs_up_leaves_nothing_half_done(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    await app.order(OTHER, session_id, seats=[1])
    async with booking_tables(database_url) as tables:
        async with tables.transaction():
            await tables.execute("LOCK TABLE orders IN SHARE MODE")
            call = asyncio.create_task(app.order(USER, session_id, seats=[2], key="k1"))
            await until_one_waits(database_url)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await app.app.completion.drain()
        assert await tables.fetchval("SELECT count(*) FROM orders") == 2
    assert (await app.order(USER, session_id, seats=[2], key="k1")).status == 201
    await is_sound(app)


async def test_what_a_client_has_asked_for_is_done_though_it_hangs_up(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    order_id = (await app.order(USER, session_id, seats=[1, 2])).json["order_id"]
    async with booking_tables(database_url) as tables, tables.transaction():
        await tables.execute("SELECT FROM orders WHERE order_id = $1 FOR UPDATE", order_id)
        call = asyncio.create_task(app.cancel(USER, order_id))
        await until_one_waits(database_url)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    await app.app.completion.drain()
    assert (await app.get(f"/orders/{order_id}", user=USER)).json["status"] == "cancelled"
    assert set(await live(app, session_id)) == {"."}
    await is_sound(app)


async def test_the_sweeper_ends_what_is_due_and_the_seats_are_on_sale(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    ids = [(await app.order(uuid4(), session_id, quantity=2)).json["order_id"] for _ in range(3)]
    async with booking_tables(database_url) as tables:
        for order_id in ids[:2]:
            await let_time_pass(tables, order_id)
        assert await sweep_orders(app.services.pool, app.services.holds) == 2
        statuses = await tables.fetch("SELECT status FROM orders ORDER BY created_at")
        assert [row["status"] for row in statuses] == ["cancelled", "cancelled", "pending_payment"]
        assert await tables.fetchval("SELECT count(*) FROM seat_claims") == 2
        assert await tables.fetchval("SELECT sum(tickets) FROM user_tallies") == 2
    assert (await live(app, session_id)).count("h") == 2
    assert await sweep_orders(app.services.pool, app.services.holds) == 0
    await is_sound(app)


async def test_a_seat_taken_over_after_its_time_stays_with_the_new_buyer(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    late = (await app.order(USER, session_id, seats=[1, 2])).json["order_id"]
    async with booking_tables(database_url) as tables:
        await let_time_pass(tables, late)
        without_redis(app)
        new = await app.order(OTHER, session_id, seats=[2, 3])
        assert new.status == 201
        await sweep_orders(app.services.pool, app.services.holds)
        claims = await tables.fetch("SELECT seat_id, order_id FROM seat_claims ORDER BY seat_id")
        assert [(c["seat_id"], str(c["order_id"])) for c in claims] == [
            (2, new.json["order_id"]),
            (3, new.json["order_id"]),
        ]
    assert (await app.pay(OTHER, new.json["order_id"])).status == 200


async def test_the_asking_of_the_seats_sweeper_ends_orders_too(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    order_id = (await app.order(USER, session_id, seats=[1, 2])).json["order_id"]
    async with booking_tables(database_url) as tables:
        await let_time_pass(tables, order_id)
    await make_holds_due(app, session_id)
    await Sweeper(app.services.holds).sweep_once()
    assert set(await live(app, session_id)) == {"."}
    events = (await app.get(f"/orders/{order_id}/events", user=USER)).json["events"]
    assert events[-1]["data"] == {"reason": "unpaid"}
    await is_sound(app)


async def test_every_step_tells_the_outbox_in_its_contracts_words(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    body = {"session_id": session_id, "seats": [1, 2]}
    made = await app.post("/orders", body, user=USER, headers={"X-Request-ID": "told-1"})
    order_id = made.json["order_id"]
    await app.cancel(USER, order_id)
    rows = await events_waiting(database_url)
    told = {row.type.removeprefix("stampede."): row for row in rows}
    assert list(told) == [
        "order.created.v1",
        "seats.held.v1",
        "order.cancelled.v1",
        "seats.released.v1",
    ]
    assert {row.subject for row in rows} == {order_id}
    assert told["order.created.v1"].requestid == "told-1"
    created = msgspec.json.decode(told["order.created.v1"].data, type=OrderCreated)
    assert created.order_no == made.json["order_no"]
    assert created.expires_at.isoformat() == made.json["expires_at"].replace("Z", "+00:00")
    for type_ in ("seats.held.v1", "seats.released.v1"):
        changed = msgspec.json.decode(told[type_].data, type=SeatsChanged)
        assert (changed.seats, changed.areas) == ([1, 2], {str(SEATED): 2})
    cancelled = msgspec.json.decode(told["order.cancelled.v1"].data, type=OrderCancelled)
    assert cancelled.reason == "user"


async def test_orders_complete_a_week_after_their_session(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    order_id = (await app.order(USER, session_id)).json["order_id"]
    await app.pay(USER, order_id)
    assert await complete_orders(app.services.pool) == 0
    async with booking_tables(database_url) as tables:
        await tables.execute("UPDATE orders SET starts_at = now() - interval '7 days 1 second'")
    assert await complete_orders(app.services.pool) == 1
    assert await complete_orders(app.services.pool) == 0
    assert (await app.get(f"/orders/{order_id}", user=USER)).json["status"] == "completed"
    await is_sound(app)
