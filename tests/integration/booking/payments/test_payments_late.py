"""Money that comes after the order has ended: it takes free seats again, or goes back once."""

import itertools
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.audit.checks import audit_booking
from booking.orders.expiry import sweep_orders
from booking.payments import store as payments
from booking.payments.batched_outcomes import BatchedOutcomes
from booking.providers.protocol import Charge, ChargeResult
from chassis.problems import Unavailable
from contracts.booking import PaymentRefunded, SeatsChanged
from tests.support.booking import (
    BookingApp,
    booking_tables,
    is_sound,
    let_time_pass,
    running_booking,
)
from tests.support.outbox import events_waiting
from tests.support.payments import NOW, Disturbed, outcomes_of, taken_in_silence

USER, OTHER = uuid4(), uuid4()


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


class Late:
    """An order that time has ended while its payment was at the provider, which took the money."""

    def __init__(self, app: BookingApp, session_id: UUID, order_id: str, seats: list[int]) -> None:
        self.app, self.session_id, self.order_id, self.seats = app, session_id, order_id, seats

    async def status(self) -> str:
        return str((await self.app.get(f"/orders/{self.order_id}", user=USER)).json["status"])

    async def money_comes(self) -> int:
        return await self.app.services.payments.reconcile(older_than_s=NOW)


@pytest.fixture
async def late(app: BookingApp, database_url: str) -> Late:
    session_id = app.neighbours.publish(max_tickets_per_user=4)
    order_id = (await app.order(USER, session_id, seats=[1, 2])).json["order_id"]
    disturbed = Disturbed(app, taken_in_silence)
    assert (await app.pay(USER, order_id, key="p1")).status == 202
    disturbed.end()
    async with booking_tables(database_url) as tables:
        await let_time_pass(tables, order_id, past_s=10.0)
    assert await sweep_orders(app.services.pool, app.services.holds) == 1
    return Late(app, session_id, order_id, [1, 2])


async def told(database_url: str, type_: str) -> list[str]:
    return [bytes(one.data).decode() for one in await events_waiting(database_url, type_)]


async def test_an_expired_order_takes_its_free_seats_again(
    app: BookingApp, late: Late, database_url: str
) -> None:
    assert await late.status() == "cancelled"
    assert await late.money_comes() == 1
    assert await late.status() == "paid"
    replay = await app.pay(USER, late.order_id, key="p1")
    assert [ticket["seat_id"] for ticket in replay.json["tickets"]] == late.seats
    _, seats = await app.services.holds.state(late.session_id)
    assert seats[:3] == b"ss."
    moved = [
        msgspec.json.decode(one, type=SeatsChanged).seats
        for one in await told(database_url, "seats.held")
    ]
    assert moved == [late.seats, late.seats]  # what cancelling had given back is taken again
    limited = await app.order(USER, late.session_id, seats=[3, 4, 5])
    assert limited.code == "ticket-limit-reached"  # they count again
    assert (await app.order(OTHER, late.session_id, seats=[2])).code == "seats-taken"
    assert await late.money_comes() == 0
    await is_sound(app)


async def test_seats_that_another_took_are_refunded_once_and_the_buyer_is_told(
    app: BookingApp, late: Late, database_url: str
) -> None:
    assert (await app.order(OTHER, late.session_id, seats=[2])).status == 201
    assert await late.money_comes() == 1
    assert [await app.services.payments.refund_what_is_due() for _ in range(2)] == [1, 0]
    assert await late.status() == "cancelled"
    (refunded,) = await told(database_url, "payment.refunded")
    event = msgspec.json.decode(refunded, type=PaymentRefunded)
    assert (event.user_id, event.amount, event.reason) == (USER, 256_000, "seats_gone")
    assert (await app.order(OTHER, late.session_id, seats=[1])).status == 201  # not half taken
    await is_sound(app)


async def test_an_expired_hold_of_another_gives_way_as_it_does_to_any_order(
    app: BookingApp, late: Late, database_url: str
) -> None:
    other = (await app.order(OTHER, late.session_id, seats=[2])).json["order_id"]
    async with booking_tables(database_url) as tables:
        await let_time_pass(tables, other, past_s=1.0)
    assert await late.money_comes() == 1
    assert await late.status() == "paid"
    await sweep_orders(app.services.pool, app.services.holds)
    assert (await app.pay(OTHER, other)).code == "order-expired"
    await is_sound(app)


async def test_more_tickets_than_one_may_have_are_not_bought_late(
    app: BookingApp, late: Late, database_url: str
) -> None:
    assert (await app.order(USER, late.session_id, seats=[3, 4, 5])).status == 201
    assert await late.money_comes() == 1
    assert await late.status() == "cancelled"
    assert await app.services.payments.refund_what_is_due() == 1
    (refunded,) = await told(database_url, "payment.refunded")
    assert msgspec.json.decode(refunded, type=PaymentRefunded).reason == "limit_reached"
    await is_sound(app)


async def test_who_cancelled_himself_gets_his_money_back_and_no_seats(
    app: BookingApp, database_url: str
) -> None:
    """The provider seemed never to have heard of it, so it could be cancelled; then it had."""
    order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    disturbed = Disturbed(app, taken_in_silence)
    await app.pay(USER, order_id)
    look_up = disturbed.inner.look_up

    async def nothing(_: UUID) -> None:
        return None

    provider: Any = disturbed
    provider.look_up = nothing
    assert await app.services.payments.reconcile(older_than_s=NOW) == 1
    assert (await app.cancel(USER, order_id)).status == 200
    async with booking_tables(database_url) as tables:
        payment = await tables.fetchval("SELECT payment_id FROM payments")
    verdict = await look_up(payment)
    settled = await outcomes_of(app).apply_outcome(payment, verdict)
    assert settled is not None
    assert settled.state == "refund_due"
    assert [await app.services.payments.refund_what_is_due() for _ in range(2)] == [1, 0]
    assert (await app.get(f"/orders/{order_id}", user=USER)).json["status"] == "cancelled"
    await is_sound(app)


async def test_control_without_the_claims_of_others_respected_a_seat_is_sold_twice(
    app: BookingApp, late: Late, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    """If this one fails, the tests above prove nothing: the taking counts no seats any more."""
    assert (await app.order(OTHER, late.session_id, seats=[2])).status == 201

    async def all_of_them(*_: Any) -> int:
        return 2

    monkeypatch.setattr(payments, "take_seats", all_of_them)
    assert await late.money_comes() == 1
    assert await late.status() == "paid"
    found = {one.name: one.ok for one in await audit_booking(app.services, looks_max=1)}
    assert not found["claims_and_orders_agree"]


async def test_the_provider_is_asked_in_growing_intervals(
    app: BookingApp, database_url: str
) -> None:
    asked: list[UUID] = []

    async def silent(_: Any, charge: Charge) -> ChargeResult:
        raise Unavailable()

    provider: Any = Disturbed(app, silent)

    async def pending(payment_id: UUID) -> ChargeResult:
        asked.append(payment_id)
        return ChargeResult(state="pending", amount=256_000, currency="CNY")

    provider.look_up = pending
    order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    await app.pay(USER, order_id)
    async with booking_tables(database_url) as tables:
        waits = []
        for _ in range(8):
            assert await app.services.payments.reconcile() == 0  # not its turn, or still no answer
            wait = "SELECT extract(epoch FROM ask_at - now())::float8 FROM payments"
            waits.append(await tables.fetchval(wait))
            await tables.execute("UPDATE payments SET ask_at = now()")
    assert len(asked) == 7
    assert 4 < waits[0] <= 5
    for before, after in itertools.pairwise(waits[1:7]):
        assert before * 1.2 < after < before * 3.1
    assert 239 < waits[7] <= 361


async def test_only_seats_that_were_taken_again_are_told_redis_anew(
    app: BookingApp, late: Late
) -> None:
    """A sale in time changes what Redis has by its order's hold alone: nothing is late of it."""
    in_time = (await app.order(OTHER, late.session_id, seats=[5, 6])).json
    Disturbed(app, taken_in_silence)
    assert (await app.pay(OTHER, in_time["order_id"], key="p2")).status == 202
    services = app.services
    batched_outcomes = BatchedOutcomes(
        services.pool, tickets=services.issuing, holds=services.holds
    )
    for order_id, user, seats in (
        (in_time["order_id"], OTHER, []),
        (late.order_id, USER, late.seats),
    ):
        order = (await app.get(f"/orders/{order_id}", user=user)).json
        taken = ChargeResult(state="succeeded", amount=order["total_amount"], currency="CNY")
        settled = await batched_outcomes.apply_outcome(UUID(order["payment"]["payment_id"]), taken)
        assert settled is not None
        assert (settled.is_new, settled.seats_to_sync) == (True, seats)
    assert (await app.services.holds.state(late.session_id))[1][:7] == b"ss..ss."
    await is_sound(app)
