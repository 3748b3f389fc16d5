"""Paying orders with the sandbox provider over real stores."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from booking.orders.expiry import sweep_orders
from booking.providers.protocol import Charge, ChargeResult
from booking.providers.sandbox import app as sandbox
from chassis.problems import Unavailable
from contracts.booking import OrderPaid, PaymentFailed, TicketsIssued
from tests.support.booking import (
    BookingApp,
    booking_tables,
    is_sound,
    let_time_pass,
    running_booking,
    without_redis,
)
from tests.support.outbox import events_waiting
from tests.support.payments import NOW, Disturbed, outcomes_of, taken_in_silence

USER, OTHER = uuid4(), uuid4()


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.fixture
async def books(database_url: str, app: BookingApp) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """What the sandbox provider knows."""
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "sandbox"})
    yield connection
    await connection.close()


async def test_paying_sells_the_seats_and_issues_tickets(
    app: BookingApp, database_url: str, books: "asyncpg.Connection[Any]"
) -> None:
    session_id = app.neighbours.publish()
    order = (await app.order(USER, session_id, seats=[1, 2])).json
    paid = await app.pay(USER, order["order_id"])
    assert (paid.status, paid.json["status"]) == (200, "paid")
    assert [ticket["seat_id"] for ticket in paid.json["tickets"]] == [1, 2]
    assert paid.json["tickets"][0]["row"] == "1"
    _, seats = await app.services.holds.state(session_id)
    assert seats[:3] == b"ss."
    read = (await app.get(f"/orders/{order['order_id']}", user=USER)).json
    assert (read["status"], read["tickets"]) == ("paid", paid.json["tickets"])
    charges = await books.fetch("SELECT amount, currency, state FROM charges")
    assert [tuple(row) for row in charges] == [(256_000, "CNY", "succeeded")]
    rows = (await events_waiting(database_url))[2:]
    told = {row.type.removeprefix("stampede."): row.data for row in rows}
    assert list(told) == ["order.paid.v1", "seats.sold.v1", "tickets.issued.v1"]
    event = msgspec.json.decode(told["order.paid.v1"], type=OrderPaid)
    assert (event.order_no, event.total_amount) == (order["order_no"], 256_000)
    assert [str(t.ticket_id) for t in event.tickets] == [
        t["ticket_id"] for t in paid.json["tickets"]
    ]
    assert msgspec.json.decode(told["tickets.issued.v1"], type=TicketsIssued).user_id == USER
    await is_sound(app)


async def test_the_method_is_carried_to_the_provider_and_back(
    app: BookingApp, database_url: str, books: "asyncpg.Connection[Any]"
) -> None:
    methods = ["alipay", "card", "wechat_pay"]
    for method in methods:
        order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
        body = {"payment_method": method, "payment_token": "tok_ok"}
        paid = await app.post(f"/orders/{order_id}/pay", body, user=USER)
        assert paid.json["payment"]["payment_method"] == method
        events = (await app.get(f"/orders/{order_id}/events", user=USER)).json["events"]
        assert [one["data"]["method"] for one in events if "started" in one["type"]] == [method]
    charged = await books.fetch("SELECT method FROM charges ORDER BY method")
    async with booking_tables(database_url) as tables:
        stored = await tables.fetch("SELECT method FROM payments ORDER BY method")
    assert [row["method"] for row in charged] == [row["method"] for row in stored] == methods


async def test_a_declined_payment_leaves_the_order_payable(
    app: BookingApp, database_url: str
) -> None:
    order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    declined = await app.pay(USER, order_id, "tok_declined")
    assert (declined.status, declined.code) == (402, "payment-declined")
    async with booking_tables(database_url) as tables:
        data = await tables.fetchval("SELECT data FROM outbox WHERE type LIKE '%payment.failed%'")
    assert msgspec.json.decode(data, type=PaymentFailed).reason == "card_declined"
    assert (await app.pay(USER, order_id, "tok_whatever")).status == 200
    twice = await app.pay(USER, order_id)
    assert (twice.status, twice.code) == (409, "order-not-payable")
    await is_sound(app)


async def test_the_same_key_replays_what_it_did(app: BookingApp) -> None:
    order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    declined = await app.pay(USER, order_id, "tok_declined", key="p1")
    again = await app.pay(USER, order_id, "tok_declined", key="p1")
    assert (declined.status, again.status) == (402, 402)
    assert again.headers["idempotency-replayed"] == "true"
    other = await app.pay(USER, order_id, "tok_ok", key="p1")
    assert (other.status, other.code) == (422, "idempotency-key-reused")
    paid = await app.pay(USER, order_id, key="p2")
    replay = await app.pay(USER, order_id, key="p2")
    assert (replay.status, replay.json) == (200, paid.json)
    assert replay.headers["idempotency-replayed"] == "true"
    assert (await app.pay(USER, order_id, key="p3")).code == "order-not-payable"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"payment_method": "alipay"},
        {"payment_method": "", "payment_token": "tok_ok"},
        {"payment_method": "shells", "payment_token": "tok_ok"},
        {"payment_method": "alipay", "payment_token": "tok_ok\x00"},
        {"payment_method": "alipay", "payment_token": "x" * 256},
        {"payment_method": "alipay", "payment_token": "tok_ok", "amount": 1},
    ],
)
async def test_a_wrong_payment_is_refused_and_charges_nothing(
    app: BookingApp, body: Any, books: "asyncpg.Connection[Any]"
) -> None:
    order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    refused = await app.post(f"/orders/{order_id}/pay", body, user=USER)
    assert (refused.status, refused.code) == (400, "validation-failed")
    assert await books.fetchval("SELECT count(*) FROM charges") == 0


async def test_an_expired_order_is_refused_before_anything_is_charged(
    app: BookingApp, database_url: str, books: "asyncpg.Connection[Any]"
) -> None:
    order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    async with booking_tables(database_url) as tables:
        await let_time_pass(tables, order_id)
        for _ in range(2):
            refused = await app.pay(USER, order_id)
            assert (refused.status, refused.code) == (409, "order-expired")
            await sweep_orders(app.services.pool, app.services.holds)
    assert await books.fetchval("SELECT count(*) FROM charges") == 0


async def test_a_provider_that_takes_the_money_and_never_answers_is_asked(
    app: BookingApp,
) -> None:
    Disturbed(app, taken_in_silence)
    order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    waiting = await app.pay(USER, order_id, key="p1")
    assert (waiting.status, waiting.json["status"]) == (202, "pending_payment")
    assert waiting.json["payment"]["status"] == "processing"
    for refused in (await app.pay(USER, order_id), await app.cancel(USER, order_id)):
        assert (refused.status, refused.code) == (409, "payment-in-progress")
    assert await app.services.payments.reconcile() == 0  # it is not old enough to be asked about
    assert await app.services.payments.reconcile(older_than_s=NOW) == 1
    assert (await app.get(f"/orders/{order_id}", user=USER)).json["status"] == "paid"
    assert (await app.pay(USER, order_id, key="p1")).status == 200
    await is_sound(app)


async def test_an_answer_that_a_deadlock_kept_from_the_books_is_not_lost(
    app: BookingApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crossed(*_: Any) -> None:
        raise asyncpg.DeadlockDetectedError("deadlock detected")

    order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    with monkeypatch.context() as patched:
        patched.setattr("booking.payments.batched_outcomes.apply_outcome", crossed)
        waiting = await app.pay(USER, order_id, "tok_declined")
    assert (waiting.status, waiting.json["payment"]["status"]) == (202, "processing")
    assert await app.services.payments.reconcile(older_than_s=NOW) == 1
    assert (await app.pay(USER, order_id)).status == 200
    await is_sound(app)


async def test_a_payment_that_never_reached_the_provider_frees_the_order(app: BookingApp) -> None:
    async def lost(_: Any, charge: Charge) -> ChargeResult:
        raise Unavailable()

    disturbed = Disturbed(app, lost)
    order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    assert (await app.pay(USER, order_id)).status == 202
    assert await app.services.payments.reconcile(older_than_s=NOW) == 1
    disturbed.end()
    assert (await app.pay(USER, order_id)).status == 200
    await is_sound(app)


async def never_reached(app: BookingApp, key: str) -> str:
    """An order whose payment with this key the provider never heard of, which the reconciler has found."""

    async def lost(_: Any, charge: Charge) -> ChargeResult:
        raise Unavailable()

    disturbed = Disturbed(app, lost)
    order_id: str = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    assert (await app.pay(USER, order_id, key=key)).status == 202
    assert await app.services.payments.reconcile(older_than_s=NOW) == 1
    disturbed.end()
    return order_id


async def test_a_key_whose_payment_never_reached_the_provider_pays_the_second_time(
    app: BookingApp, books: "asyncpg.Connection[Any]"
) -> None:
    order_id = await never_reached(app, "p1")
    other = await app.pay(USER, order_id, "tok_declined", key="p1")
    assert (other.status, other.code) == (422, "idempotency-key-reused")
    paid = await app.pay(USER, order_id, key="p1")
    assert (paid.status, len(paid.json["tickets"])) == (200, 2)
    assert "idempotency-replayed" not in paid.headers
    again = await app.pay(USER, order_id, key="p1")
    assert (again.status, again.json) == (200, paid.json)
    assert again.headers["idempotency-replayed"] == "true"
    assert await books.fetchval("SELECT count(*) FROM charges") == 1
    await is_sound(app)


async def test_a_key_repeated_by_many_at_once_charges_once(
    app: BookingApp, books: "asyncpg.Connection[Any]"
) -> None:
    order_id = await never_reached(app, "p1")
    answers = await asyncio.gather(*(app.pay(USER, order_id, key="p1") for _ in range(10)))
    assert {(each.status, each.code) for each in answers if each.status != 200} <= {
        (409, "idempotency-in-flight")
    }
    assert len({each.json["payment"]["payment_id"] for each in answers if each.status == 200}) == 1
    assert await books.fetchval("SELECT count(*) FROM charges") == 1
    await is_sound(app)


async def test_a_charge_that_arrives_after_its_key_has_paid_goes_back(app: BookingApp) -> None:
    order_id = await never_reached(app, "p1")
    earlier = (await app.get(f"/orders/{order_id}", user=USER)).json["payment"]["payment_id"]
    assert (await app.pay(USER, order_id, key="p1")).status == 200
    taken = ChargeResult(state="succeeded", amount=256_000, currency="CNY")
    late = await outcomes_of(app).apply_outcome(UUID(earlier), taken)
    assert late is not None
    assert late.state == "refund_due"


async def test_a_key_that_never_paid_cannot_pay_an_order_that_was_paid_with_another(
    app: BookingApp,
) -> None:
    order_id = await never_reached(app, "p1")
    assert (await app.pay(USER, order_id, key="p2")).status == 200
    again = await app.pay(USER, order_id, key="p1")
    assert (again.status, again.code) == (409, "order-not-payable")
    await is_sound(app)


async def test_one_payments_trouble_does_not_keep_the_others_waiting(app: BookingApp) -> None:
    provider: Any = Disturbed(app, taken_in_silence)
    session_id = app.neighbours.publish()
    users = [uuid4(), uuid4()]
    ids = [(await app.order(user, session_id)).json["order_id"] for user in users]
    waiting = [await app.pay(user, one) for user, one in zip(users, ids, strict=True)]
    troubled = UUID(waiting[0].json["payment"]["payment_id"])
    look_up = provider.inner.look_up

    async def refused(payment_id: UUID) -> Any:
        if payment_id == troubled:
            raise RuntimeError("of no account")
        return await look_up(payment_id)

    provider.look_up = refused
    assert await app.services.payments.reconcile(older_than_s=NOW) == 1
    assert (await app.get(f"/orders/{ids[1]}", user=users[1])).json["status"] == "paid"
    provider.look_up = look_up
    assert await app.services.payments.reconcile(older_than_s=NOW) == 1
    assert (await app.get(f"/orders/{ids[0]}", user=users[0])).json["status"] == "paid"


async def test_money_that_comes_after_the_seats_are_gone_goes_back_once(
    app: BookingApp, database_url: str, books: "asyncpg.Connection[Any]"
) -> None:
    session_id = app.neighbours.publish()
    order_id = (await app.order(USER, session_id, seats=[1, 2])).json["order_id"]
    async with booking_tables(database_url) as tables:

        async def slowly(inner: Any, charge: Charge) -> ChargeResult:
            await let_time_pass(tables, order_id, past_s=1.0)
            without_redis(app)
            assert (await app.order(OTHER, session_id, seats=[2])).status == 201
            verdict: ChargeResult = await inner.charge(charge)
            return verdict

        Disturbed(app, slowly)
        late = await app.pay(USER, order_id)
        assert (late.status, late.code) == (409, "order-expired")
        assert await tables.fetchval("SELECT state FROM payments") == "refund_due"
    assert await app.services.payments.refund_what_is_due() == 1
    assert await app.services.payments.refund_what_is_due() == 0
    assert await books.fetchval("SELECT count(refunded_at) FROM charges") == 1
    read = await app.get(f"/orders/{order_id}", user=USER)
    assert read.json["status"] == "cancelled"
    events = (await app.get(f"/orders/{order_id}/events", user=USER)).json["events"]
    assert [event["type"] for event in events][-1] == "stampede.payment.refunded.v1"
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM seat_claims") == 1
        assert await tables.fetchval("SELECT count(*) FROM tickets") == 0


async def test_late_money_still_buys_seats_that_nobody_took(
    app: BookingApp, database_url: str
) -> None:
    order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    async with booking_tables(database_url) as tables:

        async def slowly(inner: Any, charge: Charge) -> ChargeResult:
            await let_time_pass(tables, order_id, past_s=1.0)
            # The sweeper waits a moment for a payment that is under way.
            assert await sweep_orders(app.services.pool, app.services.holds) == 0
            verdict: ChargeResult = await inner.charge(charge)
            return verdict

        Disturbed(app, slowly)
        assert (await app.pay(USER, order_id)).status == 200
    await is_sound(app)


async def test_an_order_waits_for_its_payment_only_so_long(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    order_id = (await app.order(USER, session_id, seats=[1, 2])).json["order_id"]
    async with booking_tables(database_url) as tables:

        async def too_slowly(inner: Any, charge: Charge) -> ChargeResult:
            await let_time_pass(tables, order_id, past_s=4.0)
            assert await sweep_orders(app.services.pool, app.services.holds) == 1
            assert (await app.order(OTHER, session_id, seats=[2])).status == 201
            verdict: ChargeResult = await inner.charge(charge)
            return verdict

        Disturbed(app, too_slowly)
        assert (await app.pay(USER, order_id)).code == "order-expired"
    assert await app.services.payments.refund_what_is_due() == 1
    await is_sound(app)


async def test_the_sandbox_remembers_across_restarts(database_url: str, redis_url: str) -> None:
    charge = Charge(
        payment_id=UUID(int=7),
        order_id=uuid4(),
        amount=5,
        currency="CNY",
        method="alipay",
        token="tok_declined",
    )
    for token in ("tok_declined", "tok_ok"):
        async with running_booking(database_url, redis_url) as app:
            again = msgspec.structs.replace(charge, token=token)
            verdict = await app.provider.charge(again)
            assert (verdict.state, verdict.amount) == ("declined", 5)
            assert await app.provider.look_up(uuid4()) is None


async def test_the_page_is_told_who_takes_the_money_and_what_to_try(app: BookingApp) -> None:
    options = await app.get("/payments/options", headers={"authorization": "Bearer expired"})
    assert options.json == {
        "provider": "sandbox",
        "payment_methods": ["alipay", "wechat_pay", "card"],
        "test_tokens": ["tok_ok", "tok_declined", "tok_async", "tok_async_declined", "tok_timeout"],
    }
    assert options.headers["cache-control"] == "public, max-age=300"
    meant = {"tok_ok"} | sandbox.DECLINED.keys() | sandbox.LATE | sandbox.SILENT
    assert set(options.json["test_tokens"]) == meant, (
        "every outcome that the sandbox knows is offered"
    )


async def test_the_tokens_of_rehearsals_are_slow_or_fail_without_taking_money(
    app: BookingApp, books: "asyncpg.Connection[Any]"
) -> None:
    session_id = app.neighbours.publish()
    slow = (await app.order(USER, session_id, seats=[1])).json["order_id"]
    broken = (await app.order(OTHER, session_id, seats=[2])).json["order_id"]
    paid, failed = await asyncio.gather(
        app.pay(USER, slow, token=sandbox.SLOW), app.pay(OTHER, broken, token=sandbox.BROKEN)
    )
    assert (paid.status, paid.json["status"]) == (200, "paid")
    assert (failed.status, failed.json["payment"]["status"]) == (202, "processing")
    assert await books.fetchval("SELECT count(*) FROM charges") == 1
    assert sandbox.SLOW not in sandbox.TOKENS
