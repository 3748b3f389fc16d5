"""Rotated secrets, sending again, a ping, a silent receiver; and what is kept, logged and audited."""

import asyncio

import pytest
from aiohttp import web

from notification import workers
from notification.webhooks import store
from notification.webhooks.dispatching import CONCURRENCY
from notification.webhooks.posting import RESPONSE_KEPT_MAX
from tests.support.notification import names
from tests.support.orders import event_of, order_cancelled
from tests.support.webhooks import (
    ENDPOINTS,
    OTHER,
    Message,
    Receiver,
    Webhooks,
    documented_verify,
    paid,
    receiving,
)

verify = documented_verify()

# Endpoints given to so many owners.
SPREAD = """UPDATE webhook_endpoints p SET owner_id = md5((one.place % $1::int)::text)::uuid
            FROM (SELECT endpoint_id, row_number() OVER () AS place FROM webhook_endpoints) AS one
            WHERE one.endpoint_id = p.endpoint_id"""


async def test_during_a_rotation_both_secrets_sign_and_afterwards_one(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    path = f"{ENDPOINTS}/{endpoint['endpoint_id']}"
    rotated = await service.call("POST", f"{path}/rotate-secret", {"overlap_hours": 2})
    assert rotated.status == 200, rotated
    old, new = endpoint["secret"], rotated.json["secret"]
    session_id = service.catalog.session()

    async def good() -> tuple[bool, bool]:
        await service.deliver(paid(session_id))
        await service.round()
        message = receiver.messages[-1]
        assert len(message.headers["webhook-signature"].split(" ")) in {1, 2}
        return tuple(verify(one, message.headers, message.body) for one in (old, new))  # type: ignore[return-value]

    assert await good() == (True, True)
    await service.pool.execute(
        "UPDATE webhook_secrets SET expires_at = now() WHERE expires_at IS NOT NULL"
    )
    assert await good() == (False, True)
    leaked = await service.call("POST", f"{path}/rotate-secret", {"overlap_hours": 0})
    old, new = new, leaked.json["secret"]
    assert await good() == (False, True)
    for _ in range(5):
        await service.call("POST", f"{path}/rotate-secret")
    assert await service.pool.fetchval("SELECT count(*) FROM webhook_secrets") == 3


async def test_what_was_delivered_or_given_up_can_be_sent_again(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    await service.deliver(paid(service.catalog.session()))
    await service.round()
    (delivery,) = await service.deliveries(endpoint)
    path = f"{ENDPOINTS}/deliveries/{delivery['delivery_id']}"
    again = await service.call("POST", f"{path}/resend")
    assert (again.status, again.json["status"], again.json["attempts"]) == (202, "pending", 0)
    await service.round()
    assert len({message.id for message in receiver.messages}) == 1
    assert len(receiver.messages) == 2
    shown = (await service.call("GET", path)).json
    assert shown["payload"].encode() == receiver.messages[0].body
    assert shown["webhook_id"] == str(receiver.messages[0].id)
    await service.call("PATCH", f"{ENDPOINTS}/{endpoint['endpoint_id']}", {"active": False})
    refused = await service.call("POST", f"{path}/resend")
    assert (refused.status, refused.code) == (409, "webhook-endpoint-inactive")


async def test_a_test_sends_a_ping_to_that_endpoint_alone(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    await service.subscribe(receiver.url)
    path = f"{ENDPOINTS}/{endpoint['endpoint_id']}/test"
    made = await service.call("POST", path, key="once")
    repeated = await service.call("POST", path, key="once")
    assert (made.status, repeated.body) == (202, made.body)
    assert await service.round() == 1
    (message,) = receiver.messages
    assert message.event["type"] == "stampede.webhook.ping.v1"
    assert verify(endpoint["secret"], message.headers, message.body)


async def test_a_silent_receiver_delays_nobody_else(service: Webhooks, receiver: Receiver) -> None:
    """Twenty for one that never answers, one for another: the worker's own loop brings the other's."""
    release = asyncio.Event()

    async def silence(message: Message) -> int:
        if message.path.endswith("/silent"):
            await release.wait()
        return 200

    receiver.answer = silence
    await service.subscribe(f"{receiver.url}/silent")
    await service.subscribe(f"{receiver.url}/brisk", by=OTHER)
    silent, brisk = service.catalog.session(), service.catalog.session(OTHER)
    await service.deliver(*[paid(silent) for _ in range(20)])
    stop = asyncio.Event()
    worker = asyncio.create_task(workers.run(service.wiring, stop))
    try:
        await receiver.got(8)  # as many as one endpoint may have under way
        await service.deliver(paid(brisk))
        await receiver.got(9)
        assert [m.path for m in receiver.messages] == ["/hook/silent"] * 8 + ["/hook/brisk"]
    finally:
        release.set()
    await receiver.got(21)
    stop.set()
    await asyncio.wait_for(worker, 10)


async def test_what_the_receiver_says_is_kept_in_bounds(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    receiver.answer = lambda message: web.Response(
        status=500, body="\x00no\ud83c".encode("utf-8", "surrogatepass") + b"x" * 5_000_000
    )
    await service.deliver(paid(service.catalog.session()))
    await service.round()
    (delivery,) = await service.deliveries(endpoint)
    assert len(delivery["response"]) == RESPONSE_KEPT_MAX
    assert delivery["response"].startswith("\ufffdno")
    assert delivery["last_latency_ms"] >= 0


async def test_old_deliveries_are_pruned_and_waiting_ones_never(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    gone = await service.subscribe(receiver.url)
    session_id = service.catalog.session()
    await service.deliver(paid(session_id))
    await service.round()
    await service.deliver(paid(session_id))
    await service.pool.execute(
        "UPDATE webhook_deliveries SET ended_at = now() - interval '15 days' WHERE state <> 'pending'"
    )
    await service.pool.execute("UPDATE webhook_events SET created_at = now() - interval '15 days'")
    deleted = await service.call("DELETE", f"{ENDPOINTS}/{gone['endpoint_id']}")
    assert (deleted.status, deleted.body) == (204, b"")
    await service.pool.execute(
        "UPDATE webhook_endpoints SET deleted_at = deleted_at - interval '1 h'"
    )
    await store.prune(service.pool, days=14, lease_s=60)
    assert [one["status"] for one in await service.deliveries(endpoint)] == ["pending"]
    for table, left in (("endpoints", 1), ("events", 1), ("deliveries", 1), ("secrets", 1)):
        assert await service.pool.fetchval(f"SELECT count(*) FROM webhook_{table}") == left, table


async def test_no_secret_and_no_url_is_logged(service: Webhooks, receiver: Receiver) -> None:
    endpoint = await service.subscribe(f"{receiver.url}?key=hidden")
    receiver.answer = lambda message: 500 if len(receiver.messages) == 1 else 200
    await service.deliver(paid(service.catalog.session(), title="x"))
    await service.round()
    await service.make_due()
    await service.round()
    text = str(service.log.lines)
    assert names(service.log.lines) == ["webhook_failed", "webhook_delivered"]
    assert {request_id for request_id, _, _ in service.log.lines} == {"req-1"}
    assert "hidden" not in text
    assert endpoint["secret"] not in text
    assert "whsec_" not in text


async def test_the_audit_finds_what_is_stuck(service: Webhooks, receiver: Receiver) -> None:
    await service.subscribe(receiver.url)
    await service.deliver(event_of(order_cancelled()), paid(service.catalog.session()))
    await service.router.round()

    async def broken() -> set[str]:
        found = {name: await store.broken_webhooks(service.pool, name) for name in store.INVARIANTS}
        return {name for name, details in found.items() if details}

    assert await broken() == set()
    await service.pool.execute(
        "UPDATE webhook_deliveries SET started_at = now() - interval '9 days'"
    )
    await service.pool.execute("UPDATE webhook_secrets SET expires_at = now()")
    await service.pool.execute(
        "UPDATE webhook_events SET routed = false, created_at = now() - interval '5 minutes'"
    )
    assert await broken() == set(store.INVARIANTS)


@pytest.mark.parametrize("slow_owners", [1, 4, 20])
async def test_slow_endpoints_of_some_delay_nobody_elses_deliveries(
    service: Webhooks, receiver: Receiver, slow_owners: int
) -> None:
    """Twenty endpoints that never answer, with more to say to them than fits into all places; who comes
    after them is heard while all of those still hang."""
    release = asyncio.Event()

    async def hang(message: Message) -> int:
        await release.wait()
        return 200

    stop = asyncio.Event()
    async with receiving() as slow, service.dispatcher() as dispatcher:
        slow.answer = hang
        for _ in range(20):
            await service.subscribe(slow.url)
        await service.deliver(*(paid(service.catalog.session()) for _ in range(10)))
        await service.router.round()
        await service.pool.execute(SPREAD, slow_owners)
        running = asyncio.create_task(dispatcher.run(stop))
        more: list[asyncio.Task[int]] = []
        try:
            await slow.got(20)
            # whatever else they are given: all that they get before others come
            more = [asyncio.create_task(dispatcher.round()) for _ in range(3)]
            await service.subscribe(receiver.url, by=OTHER)
            await service.deliver(paid(service.catalog.session(OTHER)))
            await service.router.round()
            await receiver.got(1, within_s=10)
            assert not release.is_set()
            assert len(slow.messages) < CONCURRENCY
        finally:
            release.set()
            stop.set()
            await asyncio.gather(running, *more)


async def test_an_owners_endpoints_have_their_turns_before_any_has_a_second(
    service: Webhooks, receiver: Receiver
) -> None:
    for _ in range(3):
        await service.subscribe(receiver.url)
    await service.deliver(*(paid(service.catalog.session()) for _ in range(4)))
    await service.router.round()
    first = await store.claim_deliveries(service.pool, limit=9, each=8, owner_most=3, lease_s=60)
    assert len({one.endpoint_id for one in first}) == 3
    owners = [one.owner_id for one in first]
    none = await store.claim_deliveries(
        service.pool, limit=9, each=8, owners=owners, owner_most=3, lease_s=60
    )
    assert none == []
