"""An order's life as its owner reads it, as consumers are told it, and its completion."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import jsonschema_rs
import msgspec
import pytest

from booking.events.schemas import schemas
from booking.orders import expiry
from booking.orders.expiry import complete_due_orders, complete_orders
from tests.support.booking import (
    BookingApp,
    booking_tables,
    is_sound,
    let_time_pass,
    running_booking,
)
from tests.support.outbox import events_waiting
from tests.support.refunds import ask_back, organizer_of, set_policy

USER = uuid4()


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


async def life(app: BookingApp, order_id: str) -> list[dict[str, Any]]:
    answer = await app.get(f"/orders/{order_id}/events", user=USER)
    assert answer.status == 200, answer
    found: list[dict[str, Any]] = answer.json["events"]
    return found


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [one["type"].removeprefix("stampede.").removesuffix(".v1") for one in events]


async def move_session(database_url: str, order_id: str, began: str) -> None:
    async with booking_tables(database_url) as tables:
        await tables.execute(
            "UPDATE orders SET starts_at = now() - $2::text::interval WHERE order_id = $1",
            UUID(order_id),
            began,
        )


async def test_an_orders_history_tells_its_whole_life(app: BookingApp, database_url: str) -> None:
    session_id = app.neighbours.publish()
    order_id = (await app.order(USER, session_id)).json["order_id"]
    await app.pay(USER, order_id, "tok_declined")
    await app.pay(USER, order_id, "tok_ok")
    await move_session(database_url, order_id, "8 days")
    assert await complete_due_orders(app.services.pool) == 1
    told = await life(app, order_id)
    assert kinds(told) == [
        "order.created",
        "payment.started",
        "payment.failed",
        "payment.started",
        "order.paid",
        "order.completed",
    ]
    assert len(told[4]["data"]["tickets"]) == 2
    assert all(UUID(one["event_id"]) and one["request_id"] for one in told)
    assert [one["time"] for one in told] == sorted(one["time"] for one in told)


async def test_what_is_told_to_the_owner_and_to_consumers_has_one_id_and_keeps_its_schema(
    app: BookingApp, database_url: str
) -> None:
    """Every event of a bought, a completed and two ended orders, by the stored schemas."""
    session_id = app.neighbours.publish()
    orders = [(await app.order(USER, session_id, quantity=1)).json["order_id"] for _ in range(3)]
    await app.pay(USER, orders[0], "tok_declined")
    await app.pay(USER, orders[0], "tok_ok")
    await move_session(database_url, orders[0], "8 days")
    await complete_orders(app.services.pool)
    await app.cancel(USER, orders[1])
    async with booking_tables(database_url) as tables:
        await let_time_pass(tables, orders[2], 60)
    await expiry.sweep_orders(app.services.pool, app.services.holds)

    events = await events_waiting(database_url)
    stored = schemas()
    for event in events:
        jsonschema_rs.validator_for(stored[event.type]).validate(msgspec.json.decode(event.data))
    by_id = {str(one.id): one for one in events}
    told = [one for order_id in orders for one in await life(app, order_id)]
    both = [one for one in told if one["type"] in {event.type for event in events}]
    assert {*kinds(both)} == {
        "order.created", "order.paid", "order.completed", "order.cancelled", "payment.failed",
    }  # fmt: skip
    for one in both:
        assert by_id[one["event_id"]].type == one["type"]


@pytest.mark.parametrize(
    ("began", "completed"),
    [("6 days 23:59:50", 0), ("7 days", 1), ("30 days", 1), ("-1 days", 0)],
)
async def test_an_order_completes_seven_days_after_its_session_began_and_no_earlier(
    app: BookingApp, database_url: str, began: str, completed: int
) -> None:
    session_id = app.neighbours.publish()
    order_id = (await app.order(USER, session_id)).json["order_id"]
    await app.pay(USER, order_id)
    await move_session(database_url, order_id, began)
    assert await complete_due_orders(app.services.pool) == completed
    assert await complete_due_orders(app.services.pool) == 0
    events = await events_waiting(database_url, "order.completed")
    assert [one.subject for one in events] == [order_id] * completed
    status = (await app.get(f"/orders/{order_id}", user=USER)).json["status"]
    assert status == ("completed" if completed else "paid")


async def test_an_order_completes_only_when_its_organizer_has_answered(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    set_policy(app, session_id, approval="organizer")
    order_id = (await app.order(USER, session_id)).json["order_id"]
    await app.pay(USER, order_id)
    refund_id = (await ask_back(app, USER, order_id)).json["refund_id"]
    await move_session(database_url, order_id, "8 days")
    assert await complete_due_orders(app.services.pool) == 0
    organizer = organizer_of(app, session_id)
    assert (await app.post(f"/refunds/{refund_id}/reject", user=organizer)).status == 200
    assert await complete_due_orders(app.services.pool) == 1
    await is_sound(app)


async def test_all_that_are_due_complete_together_and_only_what_is_paid(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish(max_tickets_per_user=10)
    orders = [(await app.order(USER, session_id, quantity=1)).json["order_id"] for _ in range(7)]
    for order_id in orders[:5]:
        await app.pay(USER, order_id)
    await app.cancel(USER, orders[5])
    for order_id in orders:
        await move_session(database_url, order_id, "9 days")
    async with booking_tables(database_url) as tables:
        await tables.execute(
            "UPDATE orders SET status = 'refunded' WHERE order_id = $1", UUID(orders[4])
        )
        assert await complete_due_orders(app.services.pool, batch_max=2) == 4
        rows = await tables.fetch("SELECT order_id, status FROM orders")
    statuses = {str(row["order_id"]): row["status"] for row in rows}
    assert [statuses[one] for one in orders] == [
        *["completed"] * 4, "refunded", "cancelled", "pending_payment",
    ]  # fmt: skip
