"""One intention makes one order: idempotency keys of POST /orders."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest

from tests.support.booking import (
    BookingApp,
    at_once,
    booking_tables,
    running_booking,
    until_one_waits,
    without_redis,
)

USER, OTHER = uuid4(), uuid4()


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


async def test_the_same_key_and_body_replay_the_first_answer(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    first = await app.order(USER, session_id, quantity=2, key="k1")
    again = await app.order(USER, session_id, quantity=2, key="k1")
    assert (again.status, again.headers["idempotency-replayed"]) == (201, "true")
    assert again.json == first.json
    assert "idempotency-replayed" not in first.headers
    await app.pay(USER, first.json["order_id"])
    later = await app.order(USER, session_id, quantity=2, key="k1")
    assert later.json == first.json  # as it was answered, though it has been paid since
    assert (await app.get("/orders", user=USER)).json["total"] == 1


async def test_the_same_key_with_another_body_is_refused(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    await app.order(USER, session_id, quantity=2, key="k1")
    for other in (
        await app.order(USER, session_id, quantity=1, key="k1"),
        await app.order(USER, session_id, seats=[15], key="k1"),
        await app.order(USER, app.neighbours.publish(), quantity=2, key="k1"),
    ):
        assert (other.status, other.code) == (422, "idempotency-key-reused")


async def test_keys_belong_to_their_users(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    first = await app.order(USER, session_id, key="k1")
    theirs = await app.order(OTHER, session_id, key="k1")
    assert theirs.status == 201
    assert theirs.json["order_id"] != first.json["order_id"]
    assert "idempotency-replayed" not in theirs.headers


async def test_a_key_in_flight_says_so(app: BookingApp, database_url: str) -> None:
    session_id = app.neighbours.publish()
    await app.order(OTHER, session_id)  # the session is loaded
    async with booking_tables(database_url) as tables, tables.transaction():
        await tables.execute("LOCK TABLE orders IN SHARE MODE")  # commits wait from here on
        first = asyncio.create_task(app.order(USER, session_id, key="k1"))
        await until_one_waits(database_url)
        second = await app.order(USER, session_id, key="k1")
        assert (second.status, second.code) == (409, "idempotency-in-flight")
    assert (await first).status == 201
    assert (await app.order(USER, session_id, key="k1")).json == (await first).json


async def test_a_key_is_good_though_redis_has_forgotten_it(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    first = await app.order(USER, session_id, quantity=2, key="k1")
    await app.services.holds.calls.command_to_each_node("FLUSHDB")
    assert (await app.order(USER, session_id, quantity=2, key="k1")).json == first.json
    other = await app.order(USER, session_id, quantity=1, key="k1")
    assert (other.status, other.code) == (422, "idempotency-key-reused")
    free = (await app.get(f"/sessions/{session_id}/seats")).json["seats"]
    assert free.count("h") == 2  # neither left a hold behind


async def test_many_at_once_with_one_key_make_one_order_without_redis_too(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=5, max_tickets_per_user=100)
    for lying in (False, True):
        if lying:
            without_redis(app)
        clicks = [app.order(USER, session_id, quantity=1, key=f"k-{lying}") for _ in range(30)]
        answers = await at_once(clicks)
        assert {answer.status for answer in answers} <= {201, 409}
        codes = {answer.code for answer in answers if answer.status == 409}
        assert codes <= {"idempotency-in-flight"}
        assert len({a.json["order_id"] for a in answers if a.status == 201}) == 1
    assert (await app.get("/orders", user=USER)).json["total"] == 2


async def test_a_refusal_is_not_remembered_and_never_hides_the_order(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=1)
    taken = await app.order(OTHER, session_id, seats=[1])
    refused = await app.order(USER, session_id, seats=[1], key="k1")
    assert refused.code == "seats-taken"
    await app.cancel(OTHER, taken.json["order_id"])
    first = await app.order(USER, session_id, seats=[1], key="k1")
    assert first.status == 201
    terms = app.neighbours.terms[session_id]
    closed = datetime.now(UTC) - timedelta(hours=1)
    app.neighbours.terms[session_id] = msgspec.structs.replace(terms, sale_closes_at=closed)
    stores = app.wiring.database_url, app.wiring.redis_url
    async with running_booking(*stores, app.neighbours) as later:  # it knows the new terms at once
        assert (await later.order(OTHER, session_id, seats=[2])).code == "sale-closed"
        assert (await later.order(USER, session_id, seats=[1], key="k1")).json == first.json


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "a b", "ключ".encode().decode("latin-1")])
async def test_a_key_that_is_none_is_refused(app: BookingApp, key: str) -> None:
    body = {"session_id": app.neighbours.publish(), "seats": [1]}
    refused = await app.post("/orders", body, user=USER, headers={"Idempotency-Key": key})
    assert (refused.status, refused.code) == (400, "validation-failed")
    assert refused.json["errors"][0]["field"] == "Idempotency-Key"


async def test_where_keys_are_required_none_is_refused(database_url: str, redis_url: str) -> None:
    async with running_booking(database_url, redis_url, require_idempotency_key=True) as app:
        session_id = app.neighbours.publish()
        assert (await app.order(USER, session_id)).code == "validation-failed"
        made = await app.order(USER, session_id, key="k1")
        assert made.status == 201
        assert (await app.pay(USER, made.json["order_id"])).code == "validation-failed"
        assert (await app.pay(USER, made.json["order_id"], key="k2")).status == 200
