"""What an order can ask for beside a number of seats, and what it is told (docs/adr/0092)."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.seats.keys import session_keys
from booking.seats.reconciler import SETTLED_S, Reconciler
from tests.support.asgi import Answer
from tests.support.booking import (
    SEATED,
    STANDING,
    BookingApp,
    is_sound,
    running_booking,
)
from tests.support.outbox import events_waiting

USER, OTHER = uuid4(), uuid4()


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


async def order(app: BookingApp, session_id: UUID, user: UUID = USER, **wanted: Any) -> Answer:
    body = {"session_id": session_id, "seat_area_id": SEATED, "quantity": 1, **wanted}
    return await app.post("/orders", body, user=user, headers={"Idempotency-Key": str(uuid4())})


def seats_of(answer: Answer) -> list[tuple[int, bool]]:
    """Ids, and whether the answer says that they are accessible."""
    assert answer.status == 201, answer
    return [(item["seat_id"], item.get("accessible", False)) for item in answer.json["items"]]


async def test_who_asks_gets_one_and_who_does_not_gets_none(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=1, accessible=[5, 6, 10])
    ordinary = await order(app, session_id)
    assert seats_of(ordinary) == [(4, False)]
    assert "note" not in ordinary.json
    asked = await order(app, session_id, quantity=2, accessible=2)
    assert seats_of(asked) == [(5, True), (6, True)]
    assert "note" not in asked.json
    assert seats_of(await order(app, session_id, OTHER, accessible=False)) == [(7, False)]


async def test_nobody_gets_one_without_asking_even_if_nothing_else_is_left(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=1, accessible=[1, 10], max_tickets_per_user=10)
    assert (await order(app, session_id, OTHER, quantity=8)).status == 201
    refused = await order(app, session_id)
    assert (refused.status, refused.code) == (409, "sold-out")
    assert "accessible" not in refused.json
    assert seats_of(await order(app, session_id, accessible=True)) == [(1, True)]
    await is_sound(app)


async def test_a_companion_sits_beside_and_nobody_else_does(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=1, accessible=[5], max_tickets_per_user=10)
    [area, *others] = app.neighbours.plans[session_id].areas
    [row] = area.rows
    row = msgspec.structs.replace(row, companions=[(6, 5)], blocked=[1], house=[2])
    area = msgspec.structs.replace(area, rows=[row])
    app.neighbours.plans[session_id] = msgspec.structs.replace(
        app.neighbours.plans[session_id], areas=[area, *others]
    )
    assert seats_of(await order(app, session_id, OTHER, quantity=6))[0] == (3, False)
    assert (await order(app, session_id, OTHER)).code == "sold-out"
    pair = await order(app, session_id, quantity=2, accessible=True)
    assert seats_of(pair) == [(5, True), (6, False)]
    kept = await app.order(USER, session_id, seats=[1])
    assert (kept.status, kept.code) == (409, "seats-taken")
    await is_sound(app)


async def test_a_group_that_is_split_is_told_so_wherever_its_order_is_read(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish(rows=1, max_tickets_per_user=10)
    assert (await app.order(OTHER, session_id, seats=[2, 4, 6, 8, 10])).status == 201
    headers = {"Idempotency-Key": "two-of-them"}
    body = {"session_id": session_id, "price": 128_000, "quantity": 2}
    first = await app.post("/orders", body, user=USER, headers=headers)
    assert first.json["note"] == "split"
    again = await app.post("/orders", body, user=USER, headers=headers)
    assert (again.json, again.headers["idempotency-replayed"]) == (first.json, "true")
    other = await app.post("/orders", body | {"two_rows": True}, user=USER, headers=headers)
    assert (other.status, other.code) == (422, "idempotency-key-reused")
    path = f"/orders/{first.json['order_id']}"
    assert (await app.get(path, user=USER)).json == first.json
    assert (await app.get("/orders", user=USER)).json["orders"] == [first.json]
    (told,) = [
        event
        for event in await events_waiting(database_url, "order.created")
        if event.subject == first.json["order_id"]
    ]
    assert msgspec.json.decode(told.data)["items"] == first.json["items"]
    await is_sound(app)


async def test_who_leaves_a_single_seat_is_told_or_refused_as_the_session_says(
    app: BookingApp,
) -> None:
    session_id = app.neighbours.publish(rows=1)
    headers = {"Idempotency-Key": "leaves-one"}
    body = {"session_id": session_id, "seats": [2, 3]}
    picked = await app.post("/orders", body, user=USER, headers=headers)
    assert picked.json["hint"] == {"code": "single-seat-left", "seats": [1]}
    again = await app.post("/orders", body, user=USER, headers=headers)
    assert (again.json, again.headers["idempotency-replayed"]) == (picked.json, "true")
    assert "hint" not in (await app.order(USER, session_id, seats=[4])).json
    strict = app.neighbours.publish(rows=1, refuse_single_seats=True)
    refused = await app.order(USER, strict, seats=[2, 3])
    assert (refused.status, refused.code) == (409, "single-seat-left")
    assert refused.json["seats"] == [1]
    assert (await app.order(USER, strict, seats=[1, 2])).status == 201
    await is_sound(app)


async def test_a_table_is_sold_as_a_whole(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=1, max_tickets_per_user=10)
    plan = app.neighbours.plans[session_id]
    [area, *others] = plan.areas
    tables = [msgspec.structs.replace(row, whole=True) for row in area.rows]
    area = msgspec.structs.replace(area, rows=tables)
    app.neighbours.plans[session_id] = msgspec.structs.replace(plan, areas=[area, *others])
    part = await app.order(USER, session_id, seats=[1, 2])
    assert (part.status, [error["field"] for error in part.json["errors"]]) == (
        *(400, ["seats.0", "seats.1"]),
    )
    assert (await order(app, session_id, quantity=2)).code == "sold-out"
    assert len(seats_of(await order(app, session_id, quantity=10))) == 10


async def test_none_left_is_said_and_is_not_an_ordinary_seat(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=1, accessible=[1])
    assert seats_of(await order(app, session_id, OTHER, accessible=True)) == [(1, True)]
    refused = await order(app, session_id, accessible=True)
    assert (refused.status, refused.code) == (409, "sold-out")
    assert refused.json["accessible"] is True
    assert refused.json["detail"] == "Too few accessible seats are left for this order."
    assert (await order(app, session_id)).status == 201


async def test_picked_seats_are_accessible_or_not_as_they_are(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=1, accessible=[3])
    picked = await app.order(USER, session_id, seats=[3, 4])
    assert seats_of(picked) == [(3, True), (4, False)]
    assert "note" not in picked.json
    assert (await app.get(f"/orders/{picked.json['order_id']}", user=USER)).json == picked.json


@pytest.mark.parametrize(
    "wanted",
    [{"seat_area_id": STANDING, "quantity": 1}, {"seats": [1]}],
    ids=["standing", "picked"],
)
async def test_asking_where_it_means_nothing_is_refused(
    app: BookingApp, wanted: dict[str, Any]
) -> None:
    session_id = app.neighbours.publish(accessible=[1])
    body = {"session_id": session_id, **wanted}
    refused = await app.post("/orders", body | {"accessible": True}, user=USER)
    assert (refused.status, refused.code) == (400, "validation-failed")
    assert [error["field"] for error in refused.json["errors"]] == ["accessible"]
    assert (await app.post("/orders", body | {"accessible": False}, user=USER)).status == 201


async def test_a_session_loaded_before_its_plan_said_what_is_accessible_is_loaded_anew(
    app: BookingApp,
) -> None:
    """As after an upgrade: Redis has the layout that the platform before this one wrote."""
    session_id = app.neighbours.publish(rows=1, accessible=[1])
    assert seats_of(await order(app, session_id)) == [(5, False)]
    holds, seats = app.services.holds, session_keys(session_id)[0]
    await holds.calls.command("SETRANGE", seats, 0, ".")
    now = 0.0
    reconciler = Reconciler(holds, now=lambda: now)
    await reconciler.reconcile_once(session_id)
    now += SETTLED_S
    assert [one.kind for one in await reconciler.reconcile_once(session_id)] == ["layout"]
    assert (await holds.stored(session_id))[1][:10] == b":...h....."
