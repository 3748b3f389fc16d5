"""Placing, reading and cancelling orders over real stores."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.booking import (
    SEATED,
    STANDING,
    BookingApp,
    booking_tables,
    let_time_pass,
    running_booking,
)

USER, OTHER = uuid4(), uuid4()


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


async def test_an_order_answers_with_everything_it_is(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    made = await app.order(USER, session_id, quantity=2)
    assert made.status == 201, made
    order = made.json
    assert order["status"] == "pending_payment"
    assert [item["seat_id"] for item in order["items"]] == [5, 6]
    assert order["items"][0] == {
        "seat_id": 5,
        "area_id": str(SEATED),
        "area": "VIP A区",
        "row": "1",
        "number": 5,
        "price": 128_000,
    }
    assert (order["total_amount"], order["currency"]) == (256_000, "CNY")
    assert order["order_no"].startswith(datetime.now(UTC).strftime("%y%m%d"))
    created = datetime.fromisoformat(order["created_at"])
    expires = datetime.fromisoformat(order["expires_at"])
    assert expires - created == timedelta(seconds=900)
    assert order["expires_at"].endswith("Z")
    assert (await app.get(f"/orders/{order['order_id']}", user=USER)).json == order


async def test_exactly_the_seats_asked_for_or_none(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    made = await app.order(USER, session_id, seats=[14, 13])
    assert [item["seat_id"] for item in made.json["items"]] == [13, 14]
    refused = await app.order(OTHER, session_id, seats=[14, 15])
    assert (refused.status, refused.code) == (409, "seats-taken")
    assert refused.json["seats"] == [14]
    assert (await app.order(OTHER, session_id, seats=[15])).status == 201


async def test_standing_places_and_the_end_of_them(app: BookingApp) -> None:
    session_id = app.neighbours.publish(places=5)
    made = await app.order(USER, session_id, area=STANDING, quantity=4)
    assert (made.status, made.json["total_amount"]) == (201, 4 * 68_000)
    refused = await app.order(OTHER, session_id, area=STANDING, quantity=2)
    assert (refused.status, refused.code) == (409, "sold-out")


async def test_nobody_has_more_than_the_cap(app: BookingApp) -> None:
    session_id = app.neighbours.publish(max_tickets_per_user=3)
    first = await app.order(USER, session_id, quantity=2)
    refused = await app.order(USER, session_id, quantity=2)
    assert (refused.status, refused.code) == (409, "ticket-limit-reached")
    await app.cancel(USER, first.json["order_id"])
    assert (await app.order(USER, session_id, quantity=3)).status == 201


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"sale_opens_at": datetime.now(UTC) + timedelta(hours=1)}, 409, "sale-not-open"),
        ({"sale_closes_at": datetime.now(UTC) - timedelta(hours=1)}, 409, "sale-closed"),
        ({"status": "cancelled"}, 409, "sale-closed"),
        ({"status": "draft"}, 404, "not-found"),
    ],
)
async def test_what_is_not_on_sale_says_so(
    app: BookingApp, changes: Any, status: int, code: str
) -> None:
    session_id = app.neighbours.publish(**changes)
    refused = await app.order(USER, session_id)
    assert (refused.status, refused.code) == (status, code)


async def test_the_databases_clock_decides_over_this_processes(
    app: BookingApp, database_url: str
) -> None:
    opens = datetime.now(UTC) + timedelta(hours=1)
    session_id = app.neighbours.publish(sale_opens_at=opens)
    app.services.clock.set(opens + timedelta(hours=1))  # a clock that is far ahead
    refused = await app.order(USER, session_id)
    assert (refused.status, refused.code) == (409, "sale-not-open")
    closed = app.neighbours.publish(sale_closes_at=datetime.now(UTC) - timedelta(hours=1))
    app.services.clock.set(datetime.now(UTC) - timedelta(hours=2))
    refused = await app.order(USER, closed)
    assert (refused.status, refused.code) == (409, "sale-closed")
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM seat_claims") == 0


async def test_an_account_that_is_gone_or_barred_buys_nothing(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    gone, barred = uuid4(), uuid4()
    app.neighbours.unknown.add(gone)
    app.neighbours.inactive.add(barred)
    assert (await app.order(gone, session_id)).status == 401
    assert (await app.order(barred, session_id)).status == 403
    assert (await app.post("/orders", {})).status == 401


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"seats": [1, 1]}, "seats"),
        ({"seats": [11]}, "seats.0"),  # the gap between two rows
        ({"seats": [1, 10**9]}, "seats.1"),
        ({"seats": []}, "seats"),
        ({"seats": list(range(1, 22))}, "seats"),
        ({"seats": [1], "quantity": 1}, "seats"),
        ({"seat_area_id": str(SEATED)}, "quantity"),
        ({"quantity": 1}, "seat_area_id"),
        ({"seat_area_id": str(SEATED), "quantity": 0}, "quantity"),
        ({"seat_area_id": str(SEATED), "quantity": 21}, "quantity"),
        ({"seat_area_id": str(SEATED), "quantity": "2"}, "quantity"),
        ({"seat_area_id": str(uuid4()), "quantity": 1}, "seat_area_id"),
        ({"seat_area_id": str(SEATED), "quantity": 1, "price": 1}, "price"),
    ],
)
async def test_a_wrong_field_is_named(app: BookingApp, wanted: Any, field: str) -> None:
    session_id = app.neighbours.publish()
    refused = await app.post("/orders", {"session_id": str(session_id)} | wanted, user=USER)
    assert (refused.status, refused.code) == (400, "validation-failed")
    assert refused.json["errors"][0]["field"] == field


async def test_a_session_that_does_not_exist_is_not_found(app: BookingApp) -> None:
    assert (await app.order(USER, uuid4())).code == "not-found"


async def test_orders_are_listed_newest_first_by_page_and_by_cursor(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=5, max_tickets_per_user=50)
    ids = [(await app.order(USER, session_id, quantity=1)).json["order_id"] for _ in range(5)]
    await app.cancel(USER, ids[0])
    await app.order(OTHER, session_id, quantity=1)
    page = (await app.get("/orders?page=1&page_size=2", user=USER)).json
    assert [order["order_id"] for order in page["orders"]] == [ids[4], ids[3]]
    assert (page["page"], page["page_size"], page["total"]) == (1, 2, 5)
    seen = []
    cursor = ""
    while cursor is not None:
        part = (
            await app.get(f"/orders?page_size=2{cursor and '&cursor='}{cursor}", user=USER)
        ).json
        seen += [order["order_id"] for order in part["orders"]]
        cursor = part["next_cursor"]
    assert seen == ids[::-1]
    third = (await app.get("/orders?page=3&page_size=2", user=USER)).json
    assert [order["order_id"] for order in third["orders"]] == [ids[0]]
    cancelled = (await app.get("/orders?status=cancelled", user=USER)).json
    assert [order["order_id"] for order in cancelled["orders"]] == [ids[0]]
    for wrong in ("status=lost", "cursor=%25", "cursor=eA", "page=0", "page_size=101"):
        refused = await app.get(f"/orders?{wrong}", user=USER)
        assert (refused.status, refused.code) == (400, "validation-failed"), wrong


async def test_somebody_elses_order_is_not_there(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    order_id = (await app.order(USER, session_id)).json["order_id"]
    for answer in (
        await app.get(f"/orders/{order_id}", user=OTHER),
        await app.get(f"/orders/{order_id}/events", user=OTHER),
        await app.cancel(OTHER, order_id),
        await app.pay(OTHER, order_id),
        await app.get(f"/orders/{uuid4()}", user=USER),
    ):
        assert (answer.status, answer.code) == (404, "not-found")
    assert (await app.get(f"/orders/{order_id}", user=USER)).json["status"] == "pending_payment"


async def test_an_orders_history_is_told_oldest_first(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    headers = {"X-Request-ID": "buy-1"}
    body = {"session_id": session_id, "seats": [1]}
    order_id = (await app.post("/orders", body, user=USER, headers=headers)).json["order_id"]
    await app.pay(USER, order_id, "tok_declined")
    await app.pay(USER, order_id)
    events = (await app.get(f"/orders/{order_id}/events", user=USER)).json["events"]
    assert [event["type"] for event in events] == [
        "stampede.order.created.v1",
        "stampede.payment.started.v1",
        "stampede.payment.failed.v1",
        "stampede.payment.started.v1",
        "stampede.order.paid.v1",
    ]
    assert events[0]["request_id"] == "buy-1"
    assert events[0]["data"] == {"seats": [1], "total_amount": 128_000, "currency": "CNY"}
    assert UUID(events[0]["event_id"])
    assert events[0]["time"].endswith("Z")


async def test_cancelling_gives_the_seats_back_and_again_changes_nothing(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    order_id = (await app.order(USER, session_id, seats=[1, 2])).json["order_id"]
    cancelled = await app.cancel(USER, order_id)
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    assert cancelled.json["cancel_reason"] == "user"
    again = await app.cancel(USER, order_id)
    assert (again.status, again.json) == (200, cancelled.json)
    assert (await app.order(OTHER, session_id, seats=[1, 2])).status == 201
    refused = await app.pay(USER, order_id)
    assert (refused.status, refused.code) == (409, "order-not-payable")
    events = (await app.get(f"/orders/{order_id}/events", user=USER)).json["events"]
    assert [event["type"] for event in events].count("stampede.order.cancelled.v1") == 1


async def test_a_paid_order_is_not_cancelled(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    order_id = (await app.order(USER, session_id)).json["order_id"]
    await app.pay(USER, order_id)
    refused = await app.cancel(USER, order_id)
    assert (refused.status, refused.code) == (409, "order-not-cancellable")


async def test_an_order_past_its_end_is_over_before_any_sweeper_comes(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    order_id = (await app.order(USER, session_id)).json["order_id"]
    async with booking_tables(database_url) as tables:
        await let_time_pass(tables, order_id)
    read = await app.get(f"/orders/{order_id}", user=USER)
    assert (read.json["status"], read.json["cancel_reason"]) == ("cancelled", "unpaid")
    assert (await app.get("/orders?status=pending_payment", user=USER)).json["total"] == 0
    assert (await app.get("/orders?status=cancelled", user=USER)).json["total"] == 1
    refused = await app.pay(USER, order_id)
    assert (refused.status, refused.code) == (409, "order-expired")
    assert (await app.cancel(USER, order_id)).json["cancel_reason"] == "unpaid"
