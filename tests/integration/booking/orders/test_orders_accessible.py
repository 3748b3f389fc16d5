"""Accessible seats: for who asks, for others when nothing else is left, and then said (docs/adr/0032)."""

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
    asked = await order(app, session_id, quantity=2, accessible=True)
    assert seats_of(asked) == [(5, True), (6, True)]
    assert "note" not in asked.json
    assert seats_of(await order(app, session_id, OTHER, accessible=False)) == [(7, False)]


async def test_who_has_not_asked_is_told_when_nothing_else_was_left(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish(rows=1, accessible=[1, 10], max_tickets_per_user=10)
    assert (await order(app, session_id, OTHER, quantity=7)).status == 201
    given = await order(app, session_id, quantity=2)
    assert seats_of(given) == [(9, False), (10, True)]
    assert given.json["note"] == "only_accessible_left"
    path = f"/orders/{given.json['order_id']}"
    assert (await app.get(path, user=USER)).json == given.json
    assert (await app.get("/orders", user=USER)).json["orders"] == [given.json]
    (told,) = [
        event
        for event in await events_waiting(database_url, "order.created")
        if event.subject == given.json["order_id"]
    ]
    assert msgspec.json.decode(told.data)["items"] == given.json["items"]
    assert bytes(told.data).count(b'"accessible":true') == 1
    paid = await app.pay(USER, given.json["order_id"])
    assert paid.status == 200
    assert (await app.get(path, user=USER)).json["note"] == "only_accessible_left"
    await is_sound(app)


async def test_the_same_request_again_is_told_the_same(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=1, accessible=list(range(1, 11)))
    body = {"session_id": session_id, "seat_area_id": SEATED, "quantity": 2}
    headers = {"Idempotency-Key": "two-of-them"}
    first = await app.post("/orders", body, user=USER, headers=headers)
    assert first.json["note"] == "only_accessible_left"
    again = await app.post("/orders", body, user=USER, headers=headers)
    assert (again.json, again.headers["idempotency-replayed"]) == (first.json, "true")
    other = await app.post("/orders", body | {"accessible": True}, user=USER, headers=headers)
    assert (other.status, other.code) == (422, "idempotency-key-reused")


async def test_none_left_is_said_and_is_not_an_ordinary_seat(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=1, accessible=[1])
    assert seats_of(await order(app, session_id, OTHER, accessible=True)) == [(1, True)]
    refused = await order(app, session_id, accessible=True)
    assert (refused.status, refused.code) == (409, "sold-out")
    assert refused.json["accessible"] is True
    assert refused.json["detail"] == "No accessible seat is left in this area."
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
