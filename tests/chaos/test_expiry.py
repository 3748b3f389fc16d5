"""Unpaid orders end by themselves, and their seats are on sale again within five seconds."""

import asyncio
from typing import Any

from booking.orders.expiry import PAYMENT_GRACE_S
from booking.workers import EXPIRE_INTERVAL_S, SWEEP_INTERVAL_S
from tests.chaos.conftest import HOLD_TTL_S
from tests.chaos.support import audit_is_clean, new_session, order_best
from tests.support.api import Api
from tests.support.platform import RunningPlatform

HANG_S = 60.0  # nobody waits for so long unless something hangs


async def seats_of(api: Api, session_id: str) -> str:
    return str((await api.get(f"/sessions/{session_id}/seats")).json["seats"])


def test_what_an_order_waits_for_after_its_end_is_within_the_five_seconds_promised() -> None:
    """Grace for a payment, and a round of each loop: by design, whatever a busy machine adds."""
    assert PAYMENT_GRACE_S + EXPIRE_INTERVAL_S + SWEEP_INTERVAL_S < 5


async def test_an_unpaid_orders_seats_come_back(api: Api, broken: RunningPlatform) -> None:
    session = await new_session(api, broken)
    buyer, late = await api.register(), await api.register()
    made = await order_best(api, session, buyer.token, 2)
    assert made.status == 201, made
    async with asyncio.timeout(HOLD_TTL_S + HANG_S):
        while "h" in await seats_of(api, session["session_id"]):  # noqa: ASYNC110  over HTTP
            await asyncio.sleep(0.1)
    order: Any = await api.get(f"/orders/{made.json['order_id']}", token=buyer.token)
    assert order.json["status"] == "cancelled"
    pay = {"payment_method": "alipay", "payment_token": "tok_ok"}
    paid = await api.post(f"/orders/{made.json['order_id']}/pay", pay, token=buyer.token)
    assert (paid.status, paid.code) == (409, "order-expired")
    again = await order_best(api, session, late.token, 2)
    assert [i["seat_id"] for i in again.json["items"]] == [i["seat_id"] for i in made.json["items"]]
    await audit_is_clean(broken)
