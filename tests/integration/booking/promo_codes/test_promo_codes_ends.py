"""Uses of promo codes as their orders end otherwise than by cancelling: refunded, or paid for late."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from booking.orders.expiry import sweep_orders
from tests.support.booking import (
    BookingApp,
    booking_tables,
    is_sound,
    let_time_pass,
    running_booking,
)
from tests.support.payments import NOW, Disturbed, taken_in_silence
from tests.support.promo_codes import Stall
from tests.support.refunds import ask_back

BUYER, OTHER = uuid4(), uuid4()


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.fixture
async def stall(app: BookingApp) -> Stall:
    """With a code that can be used once."""
    made = Stall(app)
    assert (await made.make(max_uses=1)).status == 201
    return made


async def test_a_code_is_used_until_its_order_is_refunded_whole(stall: Stall) -> None:
    order_id = (await stall.buy(BUYER, "early", seats=[1, 2])).json["order_id"]
    tickets = (await stall.app.pay(BUYER, order_id)).json["tickets"]
    part = await ask_back(stall.app, BUYER, order_id, ticket_ids=[tickets[0]["ticket_id"]])
    assert (part.status, await stall.uses()) == (202, [1])  # the rest of the order lives by it
    assert (await stall.buy(OTHER, "early", seats=[3])).code == "promo-code-used-up"
    assert (await ask_back(stall.app, BUYER, order_id)).status == 202
    assert await stall.uses() == [0]
    assert (await stall.buy(OTHER, "early", seats=[3])).status == 201
    await stall.app.services.refund_sending.send_all_due()
    await is_sound(stall.app)


async def paid_in_silence_and_expired(stall: Stall) -> str:
    """BUYER's order with the code: the provider has the money, and time has cancelled the order."""
    app = stall.app

    order_id: str = (await stall.buy(BUYER, "early", seats=[1, 2])).json["order_id"]
    Disturbed(app, taken_in_silence)
    assert (await app.pay(BUYER, order_id)).status == 202
    async with booking_tables(app.wiring.database_url) as tables:
        await let_time_pass(tables, order_id, past_s=10)
    assert await sweep_orders(app.services.pool, app.services.holds) == 1
    assert await stall.uses() == [0]
    return order_id


async def test_an_order_that_lives_again_since_its_money_came_late_uses_its_code_again(
    stall: Stall,
) -> None:
    order_id = await paid_in_silence_and_expired(stall)
    assert await stall.app.services.payments.reconcile(older_than_s=NOW) == 1
    order = (await stall.app.get(f"/orders/{order_id}", user=BUYER)).json
    assert (order["status"], order["promo_code"]) == ("paid", "EARLY")
    assert await stall.uses() == [1]
    assert (await stall.buy(OTHER, "early", seats=[3])).code == "promo-code-used-up"
    await is_sound(stall.app)


async def test_money_that_comes_after_the_last_use_buys_the_seats_at_the_price_it_paid(
    stall: Stall,
) -> None:
    order_id = await paid_in_silence_and_expired(stall)
    assert (await stall.buy(OTHER, "early", seats=[3])).status == 201
    assert await stall.app.services.payments.reconcile(older_than_s=NOW) == 1
    order = (await stall.app.get(f"/orders/{order_id}", user=BUYER)).json
    assert (order["status"], order["discount"]) == ("paid", 25_600)
    assert await stall.uses() == [1]  # the other's
    await is_sound(stall.app)
