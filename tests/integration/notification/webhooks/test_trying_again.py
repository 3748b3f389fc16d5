"""What fails is tried again for three days, and an endpoint that keeps failing is switched off."""

import asyncio
from typing import Any

from aiohttp import web

from notification.webhooks import store
from notification.webhooks.schedule import ATTEMPTS_MAX
from tests.support.notification import names
from tests.support.servers import free_port
from tests.support.webhooks import (
    ENDPOINTS,
    Message,
    Receiver,
    Webhooks,
    documented_verify,
    paid,
)

verify = documented_verify()


async def test_what_fails_is_tried_again_under_the_same_id_and_at_last_given_up(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    receiver.answer = lambda message: 500
    event = paid(service.catalog.session())
    await service.deliver(event)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        assert await service.round() == 1, attempt
        (delivery,) = await service.deliveries(endpoint)
        assert delivery["attempts"] == attempt
        assert delivery["status"] == ("failed" if attempt == ATTEMPTS_MAX else "pending")
        assert (delivery["last_status"], delivery["last_error"]) == (500, "answered 500")
        assert await service.round() == 0  # not before its time
        await service.make_due()
    assert {message.id for message in receiver.messages} == {event.id}
    assert len({message.body for message in receiver.messages}) == 1
    assert all(verify(endpoint["secret"], m.headers, m.body) for m in receiver.messages)
    assert (await service.endpoint(endpoint))["failing_since"] is not None


async def test_the_wait_grows_by_the_schedule(service: Webhooks, receiver: Receiver) -> None:
    await service.subscribe(receiver.url)
    receiver.answer = lambda message: 503
    await service.deliver(paid(service.catalog.session()))
    waits = []
    for _ in range(4):
        await service.round()
        waits.append(
            await service.pool.fetchval(
                "SELECT extract(epoch FROM next_attempt - now())::float8 FROM webhook_deliveries"
            )
        )
        await service.make_due()
    for wait, planned in zip(waits, (5, 60, 300, 1800), strict=True):
        assert 0.8 * planned < wait <= 1.1 * planned


async def test_a_delivery_recovers_and_the_endpoint_with_it(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    answers = [302, 404, 204]
    receiver.answer = lambda message: answers.pop(0)
    await service.deliver(paid(service.catalog.session()))
    for _ in range(3):
        await service.round()
        await service.make_due()
    (delivery,) = await service.deliveries(endpoint)
    assert (delivery["status"], delivery["attempts"], delivery["last_error"]) == (
        "delivered",
        3,
        None,
    )
    assert (await service.endpoint(endpoint))["failing_since"] is None


async def test_retry_after_is_heeded(service: Webhooks, receiver: Receiver) -> None:
    await service.subscribe(receiver.url)
    receiver.answer = lambda message: web.Response(status=429, headers={"Retry-After": "600"})
    await service.deliver(paid(service.catalog.session()))
    await service.round()
    wait = await service.pool.fetchval(
        "SELECT extract(epoch FROM next_attempt - now())::float8 FROM webhook_deliveries"
    )
    assert 590 < wait <= 600


async def test_gone_switches_the_endpoint_off_at_once(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    receiver.answer = lambda message: 410
    session_id = service.catalog.session()
    await service.deliver(paid(session_id))
    await service.round()
    now = await service.endpoint(endpoint)
    assert (now["active"], now["disabled_reason"]) == (False, "gone")
    assert [one["status"] for one in await service.deliveries(endpoint)] == ["failed"]
    await service.deliver(paid(session_id))
    assert await service.round() == 0
    assert "webhook_endpoint_disabled" in names(service.log.lines)


async def test_five_days_of_failures_switch_it_off_and_its_owner_on_again(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    receiver.answer = lambda message: 500
    await service.deliver(paid(service.catalog.session()))
    await service.round()
    await service.pool.execute(
        "UPDATE webhook_endpoints SET failing_since = now() - interval '119 hours'"
    )
    await service.make_due()
    await service.round()
    assert (await service.endpoint(endpoint))["active"]
    await service.pool.execute(
        "UPDATE webhook_endpoints SET failing_since = now() - interval '121 hours'"
    )
    await service.make_due()
    await service.round()
    now = await service.endpoint(endpoint)
    assert (now["active"], now["disabled_reason"]) == (False, "failing")
    await service.make_due()
    assert await service.round() == 0
    path = f"{ENDPOINTS}/{endpoint['endpoint_id']}"
    again = await service.call("PATCH", path, {"active": True})
    assert (again.json["active"], again.json["disabled_reason"]) == (True, None)
    assert again.json["failing_since"] is None
    receiver.answer = lambda message: 200
    assert await service.round() == 1
    assert [one["status"] for one in await service.deliveries(endpoint)] == ["delivered"]


async def test_a_delivery_beyond_its_days_is_given_up_though_attempts_are_left(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    receiver.answer = lambda message: 500
    await service.deliver(paid(service.catalog.session()))
    await service.router.round()
    await service.pool.execute(
        "UPDATE webhook_deliveries SET started_at = now() - interval '77 hours'"
    )
    await service.round()
    assert [one["status"] for one in await service.deliveries(endpoint)] == ["failed"]


async def test_a_sender_that_dies_after_sending_leaves_a_resend_with_the_same_id(
    service: Webhooks, receiver: Receiver
) -> None:
    """At least once, and recognisable: what notification.webhooks.dispatching promises."""
    await service.subscribe(receiver.url)
    await service.deliver(paid(service.catalog.session()))
    await service.router.round()
    async with service.poster() as poster, service.dispatcher() as other:
        (claimed,) = await store.claim_deliveries(
            service.pool, limit=9, each=9, busy=[], lease_s=60
        )
        await poster.post(claimed, {"webhook-id": str(claimed.event_id)})
        assert await other.round() == 0  # its lease still runs; here it died: nothing marks it
    await service.make_due()
    assert await service.round() == 1
    first, second = receiver.messages
    assert (first.id, first.body) == (second.id, second.body)


async def test_a_sender_whose_lease_ran_out_cannot_mark_the_next_ones_delivery(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    await service.deliver(paid(service.catalog.session()))
    await service.router.round()
    how: dict[str, Any] = {"limit": 9, "each": 9, "busy": []}
    (stale,) = await store.claim_deliveries(service.pool, **how, lease_s=0)
    (fresh,) = await store.claim_deliveries(service.pool, **how, lease_s=60)
    said: dict[str, Any] = {"status": 500, "latency_ms": 1, "response": None}
    assert (
        await store.mark_failed(service.pool, stale, delay_s=None, gone=False, error="late", **said)
        is None
    )
    await store.mark_delivered(service.pool, stale, **said)
    assert [one["status"] for one in await service.deliveries(endpoint)] == ["pending"]
    await store.mark_delivered(service.pool, fresh, **said)
    assert [one["status"] for one in await service.deliveries(endpoint)] == ["delivered"]


async def test_an_endpoint_that_fails_gets_one_request_at_a_time(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    session_id = service.catalog.session()
    await service.deliver(*[paid(session_id) for _ in range(12)])
    assert await service.round() == 8
    await service.pool.execute("UPDATE webhook_endpoints SET failing_since = now()")
    assert await service.round() == 1  # and it succeeded
    assert (await service.endpoint(endpoint))["failing_since"] is None
    assert await service.round() == 3


async def test_whatever_fails_is_said_in_plain_words_without_an_address(
    service: Webhooks, receiver: Receiver
) -> None:
    async def cut(message: Message) -> Any:
        raise asyncio.CancelledError  # the server closes the connection

    receiver.answer = cut
    endpoints = {
        f"http://127.0.0.1:{free_port()}/": "no connection could be made",
        receiver.url.replace("http:", "https:"): "TLS failed",
        receiver.url: "the connection was closed without an answer",
    }
    made = {url: await service.subscribe(url) for url in endpoints}
    lost = await service.subscribe(receiver.url)
    await service.pool.execute(
        "UPDATE webhook_endpoints SET url = 'http://lost.invalid/' WHERE endpoint_id = $1",
        lost["endpoint_id"],
    )
    await service.deliver(paid(service.catalog.session()))
    assert await service.round() == 4
    for url, words in endpoints.items():
        (delivery,) = await service.deliveries(made[url])
        assert (delivery["status"], delivery["last_status"]) == ("pending", None)
        assert delivery["last_error"] == words
    (delivery,) = await service.deliveries(lost)
    assert delivery["last_error"] == "the host cannot be found"
