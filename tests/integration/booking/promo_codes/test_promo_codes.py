"""Promo codes over real stores: made by organizers, used by orders, given back when those end."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.audit.checks import audit_booking
from booking.orders.expiry import sweep_orders
from booking.promo_codes.store import release_redemptions, retake_redemption
from chassis.postgres.pool import transaction
from tests.support.booking import (
    BookingApp,
    at_once,
    booking_tables,
    is_sound,
    let_time_pass,
    running_booking,
    without_redis,
)
from tests.support.outbox import events_waiting
from tests.support.promo_codes import Stall


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.fixture
async def stall(app: BookingApp) -> Stall:
    return Stall(app)


async def test_an_order_with_a_code_costs_less_and_says_by_how_much(stall: Stall) -> None:
    assert (await stall.make(code="Early-Bird", value=15)).status == 201
    user = uuid4()
    made = await stall.buy(user, " early-bird ", seats=[1, 2, 3], key="k1")
    assert made.status == 201, made
    order = made.json
    assert (order["original_amount"], order["discount"]) == (384_000, 57_600)
    assert order["total_amount"] == 326_400
    assert order["promo_code"] == "EARLY-BIRD"
    assert {item["price"] for item in order["items"]} == {128_000}
    assert (await stall.app.get(f"/orders/{order['order_id']}", user=user)).json == order
    assert (await stall.app.get("/orders", user=user)).json["orders"] == [order]
    again = await stall.buy(user, " early-bird ", seats=[1, 2, 3], key="k1")
    assert (again.json, again.headers["idempotency-replayed"]) == (order, "true")
    plain = (await stall.app.order(uuid4(), stall.session_id)).json
    assert not {"discount", "original_amount", "promo_code"} & set(plain)
    history = await stall.app.get(f"/orders/{order['order_id']}/events", user=user)
    created = history.json["events"][0]["data"]
    assert (created["total_amount"], created["discount"]) == (326_400, 57_600)
    (told,) = [
        msgspec.json.decode(event.data)
        for event in await events_waiting(stall.app.wiring.database_url, "order.created")
        if event.subject == order["order_id"]
    ]
    async with booking_tables(stall.app.wiring.database_url) as tables:
        paid = await tables.fetch("SELECT paid FROM placed_items WHERE order_id = $1",
                                  order["order_id"])  # fmt: skip
    assert (told["total_amount"], told["items"]) == (326_400, order["items"])
    assert [row["paid"] for row in paid] == [108_800] * 3
    assert (await stall.app.pay(user, order["order_id"])).json["status"] == "paid"
    await is_sound(stall.app)


async def test_a_fixed_amount_is_off_the_order_once_and_a_free_order_is_paid_at_once(
    stall: Stall,
) -> None:
    made = await stall.make(code="FIFTY", kind="fixed", value=5_000)
    assert (made.status, made.json["currency"]) == (201, "CNY")
    assert (await stall.make(code="ALL", kind="fixed", value=10**9)).status == 201
    order = (await stall.buy(uuid4(), "fifty", seats=[1, 2])).json
    assert (order["discount"], order["total_amount"]) == (5_000, 251_000)
    generous = uuid4()
    free = (await stall.buy(generous, "all", seats=[3])).json
    assert (free["discount"], free["total_amount"]) == (128_000, 0)
    paid = await stall.app.pay(generous, free["order_id"], token="tok_declined")  # asks no provider
    assert (paid.status, paid.json["status"], len(paid.json["tickets"])) == (200, "paid", 1)
    await is_sound(stall.app)


REFUSALS: list[tuple[dict[str, Any], str, int]] = [
    ({"code": "OTHER"}, "promo-code-unknown", 422),
    ({"valid_until": datetime.now(UTC) - timedelta(hours=1)}, "promo-code-not-valid", 409),
    ({"valid_from": datetime.now(UTC) + timedelta(hours=1)}, "promo-code-not-valid", 409),
    ({"kind": "fixed", "value": 100, "currency": "USD"}, "promo-code-not-valid", 409),
]


async def test_a_refused_code_says_why_and_gives_the_hold_back(stall: Stall) -> None:
    async def refused(code: str) -> tuple[str, int]:
        answer = await stall.buy(uuid4(), code, seats=[7])
        return answer.code, answer.status

    for number, (fields, problem, status) in enumerate(REFUSALS):
        assert (await stall.make(**{"code": f"CODE{number}", **fields})).status == 201
        assert await refused(f"code{number}") == (problem, status), fields
    made = await stall.make(code="OFF")
    assert (await stall.change(made.json["promo_code_id"], active=False)).json["active"] is False
    assert await refused("OFF") == ("promo-code-not-valid", 409)
    elsewhere = Stall(stall.app)
    await elsewhere.make(code="THEIRS")
    for code in ("THEIRS", "早鸟", "'; DROP TABLE orders", "\x00\x00\x00"):
        assert await refused(code) == ("promo-code-unknown", 422)
    assert (await stall.app.order(uuid4(), stall.session_id, seats=[7])).status == 201
    await is_sound(stall.app)


async def test_uses_end_and_come_back_with_orders_that_end(stall: Stall) -> None:
    await stall.make(max_uses=2, max_uses_per_user=1)
    ann, bob, cem = uuid4(), uuid4(), uuid4()
    first = (await stall.buy(ann, "early", seats=[1])).json
    assert (await stall.buy(ann, "early", seats=[2])).code == "promo-code-limit-reached"
    second = (await stall.buy(bob, "early", seats=[2])).json
    assert (await stall.buy(cem, "early", seats=[3])).code == "promo-code-used-up"
    assert await stall.uses() == [2]
    assert (await stall.app.cancel(ann, first["order_id"])).status == 200
    assert await stall.uses() == [1]
    async with booking_tables(stall.app.wiring.database_url) as tables:
        await let_time_pass(tables, second["order_id"], past_s=5)
    assert await sweep_orders(stall.app.services.pool, stall.app.services.holds) == 1
    assert await stall.uses() == [0]
    kept = [(await stall.buy(user, "early", seats=[seat])) for user, seat in ((ann, 1), (cem, 2))]
    assert [answer.status for answer in kept] == [201, 201]
    async with transaction(stall.app.services.pool) as tx:  # what has ended gives back once
        await release_redemptions(tx, [UUID(first["order_id"]), UUID(second["order_id"])])
        assert not await retake_redemption(tx, UUID(second["order_id"]))  # no room for it
    assert await stall.uses() == [2]
    await stall.app.cancel(cem, kept[1].json["order_id"])
    async with transaction(stall.app.services.pool) as tx:
        assert await retake_redemption(tx, UUID(second["order_id"]))
        assert not await retake_redemption(tx, UUID(second["order_id"]))
        await release_redemptions(tx, [UUID(second["order_id"])])
    assert await stall.uses() == [1]
    await is_sound(stall.app)


async def test_an_order_that_does_not_get_its_seats_uses_no_code(stall: Stall) -> None:
    await stall.make(max_uses=1)
    assert (await stall.app.order(uuid4(), stall.session_id, seats=[1])).status == 201
    without_redis(stall.app)  # PostgreSQL alone refuses, inside the transaction with the code
    assert (await stall.buy(uuid4(), "early", seats=[1])).code == "seats-taken"
    assert await stall.uses() == [0]
    best = await stall.buy(uuid4(), "early")  # tried again with what PostgreSQL says is free
    assert (best.status, best.json["items"][0]["seat_id"]) == (201, 2)
    assert await stall.uses() == [1]


async def test_only_the_last_use_of_twenty_at_once_wins(stall: Stall) -> None:
    await stall.make(max_uses=3)
    seats = [*range(1, 11), *range(12, 22)]
    answers = await at_once([stall.buy(uuid4(), "early", seats=[seat]) for seat in seats])
    assert [answer.status for answer in answers].count(201) == 3
    assert {answer.code for answer in answers if answer.status != 201} == {"promo-code-used-up"}
    assert await stall.uses() == [3]
    await is_sound(stall.app)


async def test_control_without_the_check_a_code_is_used_more_often_than_it_may(
    stall: Stall,
) -> None:
    """If this one fails, the race above proves nothing."""
    await stall.make(max_uses=3)
    async with booking_tables(stall.app.wiring.database_url) as tables:
        await tables.execute("ALTER TABLE promo_codes DROP CONSTRAINT promo_codes_within_uses")
    answers = await at_once([stall.buy(uuid4(), "early", seats=[seat]) for seat in range(1, 7)])
    assert [answer.status for answer in answers].count(201) == 6
    findings = {one.name: one.ok for one in await audit_booking(stall.app.services, looks_max=1)}
    assert not findings["promo_uses_are_right"]


async def test_codes_are_their_organizers(stall: Stall) -> None:
    made = (await stall.make(key="once", max_uses=5)).json
    again = await stall.make(key="once", max_uses=5)
    assert (again.json, again.headers["idempotency-replayed"]) == (made, "true")
    assert (await stall.make(code="early")).code == "promo-code-taken"
    stranger, buyer, admin = uuid4(), uuid4(), uuid4()
    stall.app.token(stranger, "organizer")
    stall.app.token(admin, "admin")
    for user, status in ((stranger, 404), (buyer, 403), (admin, 200)):
        assert (await stall.app.get(stall.path, user=user)).status == status
        changed = await stall.change(made["promo_code_id"], user=user, max_uses=7)
        assert changed.status == status
    assert (await stall.make(stranger, code="MINE")).status == 404
    assert (await stall.change(str(uuid4()), active=True)).status == 404


BAD: list[tuple[dict[str, Any], str]] = [
    ({"code": "x"}, "code"),
    ({"code": "no blanks"}, "code"),
    ({"value": 0}, "value"),
    ({"value": 101}, "value"),
    ({"kind": "gift"}, "kind"),
    ({"currency": "CNY"}, "currency"),
    ({"max_uses": 0}, "max_uses"),
    ({"uses": 0}, "uses"),
    ({"valid_from": "2026-08-01T00:00:00"}, "valid_from"),
    ({"valid_from": "0001-01-01T00:00:00+14:00"}, "valid_from"),
    ({"valid_from": "2026-08-02T00:00:00Z", "valid_until": "2026-08-01T00:00:00Z"}, "valid_until"),
]


async def test_what_is_no_code_is_refused_and_limits_never_go_below_what_is_used(
    stall: Stall,
) -> None:
    for fields, field in BAD:
        refused = await stall.make(**fields)
        assert (refused.status, refused.json["errors"][0]["field"]) == (400, field), fields
    assert (await stall.buy(uuid4(), "", seats=[1])).status == 400
    assert await stall.uses() == []
    promo_code_id = (await stall.make(max_uses=2)).json["promo_code_id"]
    for seat in (1, 2):
        assert (await stall.buy(uuid4(), "early", seats=[seat])).status == 201
    low = await stall.change(promo_code_id, max_uses=1)
    assert (low.status, low.json["errors"][0]["field"]) == (400, "max_uses")
    lifted = await stall.change(promo_code_id, max_uses=None)
    assert (lifted.json["max_uses"], lifted.json["uses"]) == (None, 2)
    assert (await stall.buy(uuid4(), "early", seats=[3])).status == 201
    assert (await stall.change(promo_code_id, value=50)).status == 400
