"""Payments whose answer comes later, through the gateway, with the sandbox's own webhooks."""

import asyncio
from typing import Any

from tests.e2e.test_buyer import eventually, order_two
from tests.support.api import Api

HANG_S = 60.0  # nobody waits for so long unless something hangs
LATER_S = 20.0  # the worker may have been started this moment


async def test_each_token_is_answered_in_time_and_the_webhook_does_the_rest(
    api: Api, session: Any
) -> None:
    buyer = await api.register()

    async def pay(token: str) -> str:
        order_id: str = (await order_two(api, buyer, session))["order_id"]
        body = {"payment_method": "wechat_pay", "payment_token": token}
        async with asyncio.timeout(HANG_S):  # tok_timeout itself is never answered
            waiting = await api.post(f"/orders/{order_id}/pay", body, token=buyer.token)
        assert (waiting.status, waiting.json["status"]) == (202, "pending_payment"), waiting
        payment = waiting.json["payment"]
        assert (payment["status"], payment["payment_method"]) == ("processing", "wechat_pay")
        return order_id

    async def types(order_id: str) -> list[str]:
        history = await api.get(f"/orders/{order_id}/events", token=buyer.token)
        return [event["type"] for event in history.json["events"]]

    async def taken_later() -> None:
        order_id = await pay("tok_async")
        await eventually(lambda: heard(order_id, "stampede.order.paid.v1"), within_s=LATER_S)
        order = await api.get(f"/orders/{order_id}", token=buyer.token)
        assert (order.json["status"], len(order.json["tickets"])) == ("paid", 2)

    async def declined_later() -> None:
        order_id = await pay("tok_async_declined")
        await eventually(lambda: heard(order_id, "stampede.payment.failed.v1"), within_s=LATER_S)
        order = await api.get(f"/orders/{order_id}", token=buyer.token)
        assert order.json["status"] == "pending_payment"

    async def heard(order_id: str, type_: str) -> bool:
        return type_ in await types(order_id)

    await asyncio.gather(taken_later(), declined_later(), pay("tok_timeout"))
