"""Outgoing webhooks: an event reaches whoever hears it, once each, signed, and is tried for three days."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from aiohttp import web
from yarl import URL

from chassis.ids import uuid7
from chassis.inbox import Inbox
from chassis.problems import Unavailable
from notification import workers
from notification.effects import take_effect
from notification.webhooks import addresses, connecting, posting, store
from notification.webhooks.connecting import Destinations
from notification.webhooks.planning import plan_deliveries
from notification.webhooks.posting import RESPONSE_KEPT_MAX
from notification.webhooks.schedule import ATTEMPTS_MAX
from stampede.compose import migrate_all
from tests.support.notification import RecordedLines, names
from tests.support.orders import event_of, order_cancelled, order_created, order_paid, refund
from tests.support.webhooks import (
    ADMIN,
    CREATED,
    ENDPOINTS,
    OTHER,
    PAID,
    Message,
    Receiver,
    Webhooks,
    closed_port,
    documented_verify,
    look_up,
    receiving,
    running_webhooks,
    self_signed,
)

verify = documented_verify()


@pytest.fixture(scope="module")
async def running(
    run_database: Callable[[str], Awaitable[str]],
) -> AsyncIterator[Webhooks]:
    database_url = await run_database("webhooks")
    await migrate_all(database_url, ["notification"])
    async with running_webhooks(database_url) as webhooks:
        yield webhooks


@pytest.fixture
async def service(running: Webhooks) -> Webhooks:
    await running.forget_everything()
    return running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening


def paid(session_id: UUID, **changes: Any) -> Any:
    return event_of(order_paid(session_id=session_id, order_id=uuid7(), **changes))


async def test_a_paid_order_reaches_its_organizer_signed(
    service: Webhooks, receiver: Receiver
) -> None:
    endpoint = await service.subscribe(receiver.url)
    event = paid(service.catalog.session())
    await service.deliver(event)
    assert await service.round() == 1
    (message,) = receiver.messages
    assert verify(endpoint["secret"], message.headers, message.body)
    assert not verify(endpoint["secret"], message.headers, message.body + b" ")
    assert not verify("whsec_" + "A" * 44, message.headers, message.body)
    assert message.id == event.id
    assert message.headers["content-type"] == "application/json"
    assert message.event["id"] == str(event.id)
    assert message.event["type"] == PAID
    assert message.event["subject"] == event.subject
    assert message.event["specversion"] == "1.0"
    (delivery,) = await service.deliveries(endpoint)
    assert (delivery["status"], delivery["attempts"], delivery["last_status"]) == (
        "delivered",
        1,
        200,
    )
    assert await service.round() == 0


async def test_no_ticket_code_and_no_field_beyond_the_listed_ones_leaves(
    service: Webhooks, receiver: Receiver
) -> None:
    await service.subscribe(receiver.url)
    event = paid(service.catalog.session())
    data = msgspec.json.decode(event.data) | {"email": "lilei@example.com", "full_name": "李雷"}
    await service.deliver(
        msgspec.structs.replace(event, data=msgspec.Raw(msgspec.json.encode(data)))
    )
    await service.round()
    (message,) = receiver.messages
    assert b"qr_code" not in message.body
    assert b"lilei" not in message.body
    assert "李雷" not in message.body.decode()
    assert message.event["data"]["total_amount"] == 186000
    assert len(message.event["data"]["tickets"]) == 2


async def test_a_refund_is_told_without_the_buyers_own_words(
    service: Webhooks, receiver: Receiver
) -> None:
    kind = "stampede.refund.requested.v1"
    await service.subscribe(receiver.url, kind)
    asked = refund(session_id=service.catalog.session(), reason="我病了")
    await service.deliver(event_of(asked, type_=kind))
    await service.round()
    (message,) = receiver.messages
    assert message.event["data"].keys() & {"reason", "note", "tickets"} == set()
    assert message.event["data"]["amount"] == asked.amount
    (item,) = message.event["data"]["items"]
    assert item.keys() == {"ticket_id", "seat_id", "area", "row", "number", "price"}


async def test_each_hears_of_own_shows_and_chosen_types_only(
    service: Webhooks, receiver: Receiver
) -> None:
    show_id = uuid4()
    mine, also_mine = service.catalog.session(), service.catalog.session(show_id=show_id)
    theirs = service.catalog.session(OTHER)
    await service.subscribe(f"{receiver.url}/all", PAID, CREATED)
    await service.subscribe(f"{receiver.url}/show", show_id=show_id)
    await service.subscribe(f"{receiver.url}/other", by=OTHER)
    await service.subscribe(f"{receiver.url}/admin", by=ADMIN)
    for session_id in (mine, also_mine, theirs):
        await service.deliver(
            paid(session_id), event_of(order_created(session_id=session_id, order_id=uuid7()))
        )
    await service.round()
    heard = sorted(
        (m.path[6:], m.event["data"]["session_id"], m.event["type"]) for m in receiver.messages
    )
    assert heard == sorted(
        [("all", str(session), kind) for session in (mine, also_mine) for kind in (PAID, CREATED)]
        + [("show", str(also_mine), PAID), ("other", str(theirs), PAID)]
        + [("admin", str(session), PAID) for session in (mine, also_mine, theirs)]
    )


async def test_an_event_delivered_five_times_is_sent_once(
    service: Webhooks, receiver: Receiver
) -> None:
    await service.subscribe(receiver.url)
    first, second = (paid(service.catalog.session()) for _ in range(2))
    for _ in range(5):
        await service.deliver(first, second, first)
        await service.round()
    assert sorted(message.id for message in receiver.messages) == sorted([first.id, second.id])


async def test_an_event_whose_transaction_rolls_back_is_sent_to_nobody(
    service: Webhooks, receiver: Receiver
) -> None:
    await service.subscribe(receiver.url)
    event = paid(service.catalog.session())

    async def fails(held: Any, events: Any) -> None:
        await take_effect(held, events)
        raise ValueError("after all was written")

    await Inbox(service.pool, "notification", fails, RecordedLines()).take([event])
    assert await service.round() == 0
    assert await service.pool.fetchval("SELECT count(*) FROM webhook_events") == 0
    await service.pool.execute("UPDATE dead_letters SET next_attempt = now()")
    await Inbox(service.pool, "notification", take_effect, RecordedLines()).retry_due()
    assert await service.round() == 1


async def test_without_subscribers_a_batch_costs_one_query_and_no_row(service: Webhooks) -> None:
    asked: list[str] = []
    async with service.pool.acquire() as held:
        held.add_query_logger(lambda query: asked.append(query.query))
        async with held.transaction():
            await asyncio.sleep(0)  # loggers are called from the loop
            asked.clear()
            await plan_deliveries(held, [paid(uuid4()) for _ in range(100)])
            await asyncio.sleep(0)
            assert len(asked) == 1
    assert await service.pool.fetchval("SELECT count(*) FROM webhook_events") == 0
    assert service.catalog.asked == 0


async def test_catalog_is_asked_once_a_session_and_may_be_away(
    service: Webhooks, receiver: Receiver
) -> None:
    await service.subscribe(receiver.url)
    known, late = service.catalog.session(), service.catalog.session()
    await service.deliver(paid(known), paid(known))
    await service.round()
    assert service.catalog.asked == 1
    service.catalog.down = True
    await service.deliver(paid(known), paid(late))
    with pytest.raises(Unavailable):
        await service.router.round()
    async with service.dispatcher() as dispatcher:
        assert await dispatcher.round() == 1  # the known session's went out at once
    service.catalog.down = False
    assert await service.round() == 1
    assert len(receiver.messages) == 4
    await service.deliver(paid(uuid4()))  # catalog knows no such session
    assert await service.round() == 0
    assert names(service.log.lines)[-1] == "webhook_session_unknown"
    assert await service.pool.fetchval("SELECT count(*) FROM webhook_events WHERE NOT routed") == 0


async def test_of_sessions_that_nobody_hears_nothing_is_kept(
    service: Webhooks, receiver: Receiver
) -> None:
    await service.subscribe(receiver.url)
    theirs = service.catalog.session(OTHER)
    await service.deliver(paid(theirs))
    await service.round()
    await service.deliver(paid(theirs))
    assert await service.pool.fetchval("SELECT count(*) FROM webhook_events") == 0


async def test_an_endpoint_is_not_told_what_happened_long_before_it_was_there(
    service: Webhooks, receiver: Receiver
) -> None:
    await service.subscribe(receiver.url)
    old = msgspec.structs.replace(
        paid(service.catalog.session()), time=datetime.now(UTC) - timedelta(hours=1)
    )
    await service.deliver(old)
    assert await service.round() == 0


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


async def test_redirects_are_not_followed(service: Webhooks, receiver: Receiver) -> None:
    await service.subscribe(receiver.url)
    target = receiver.url.replace("/hook", "/elsewhere")
    receiver.answer = lambda message: web.Response(status=307, headers={"Location": target})
    await service.deliver(paid(service.catalog.session()))
    await service.round()
    assert [message.path for message in receiver.messages] == ["/hook"]


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


async def test_a_sender_that_dies_after_sending_leaves_a_resend_with_the_same_id(
    service: Webhooks, receiver: Receiver
) -> None:
    """At least once, and recognisable: what notification.webhooks.dispatching promises."""
    await service.subscribe(receiver.url)
    await service.deliver(paid(service.catalog.session()))
    await service.router.round()
    async with service.dispatcher() as dying:
        (claimed,) = await store.claim_deliveries(
            service.pool, limit=9, each=9, busy=[], lease_s=60
        )
        await dying._poster.post(claimed, {"webhook-id": str(claimed.event_id)})
        assert await dying.round() == 0  # its lease still runs; and here it dies: nothing marks it
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


async def test_whatever_fails_is_said_in_plain_words_without_an_address(
    service: Webhooks, receiver: Receiver
) -> None:
    async def cut(message: Message) -> Any:
        raise asyncio.CancelledError  # the server closes the connection

    receiver.answer = cut
    endpoints = {
        f"http://127.0.0.1:{closed_port()}/": "no connection could be made",
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


async def test_the_proxies_of_the_environment_are_not_used(
    service: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setitem(os.environ, name, f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    await service.subscribe(receiver.url)
    await service.deliver(paid(service.catalog.session()))
    await service.round()
    assert len(receiver.messages) == 1


async def test_a_delivery_is_refused_where_a_subscription_would_be(
    service: Webhooks, receiver: Receiver
) -> None:
    """Whatever is in the table: the address, the scheme and the port are judged at every attempt."""
    endpoint = await service.subscribe(receiver.url)
    await service.deliver(paid(service.catalog.session()))
    assert await service.round(allow_private=False) == 1
    assert receiver.messages == []
    (delivery,) = await service.deliveries(endpoint)
    assert delivery["last_error"] == "the URL must begin with https://"


async def test_a_name_that_changes_its_meaning_gains_nothing(
    service: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: an open address when its owner subscribes, one of ours when it is called."""
    monkeypatch.setattr(addresses, "PORTS", frozenset({receiver.port}))
    endpoint = await service.subscribe(receiver.url)
    url = f"https://rebound.example.org:{receiver.port}/hook"
    look = look_up(["93.184.216.34"], ["127.0.0.1"])
    await Destinations(look, allow_private=False).check(url)
    await service.pool.execute("UPDATE webhook_endpoints SET url = $1", url)
    await service.deliver(paid(service.catalog.session()))
    assert await service.round(look=look, allow_private=False) == 1
    assert receiver.connections == 0
    (delivery,) = await service.deliveries(endpoint)
    assert delivery["last_error"] == "the host has a private or reserved address"


async def test_the_socket_is_the_last_gate_for_whatever_was_never_a_name(
    service: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The URL's check taken out: a literal address goes past every resolver, and not past this."""
    monkeypatch.setattr(posting, "check_url", lambda text, allow_private: URL(text))
    endpoint = await service.subscribe(receiver.url)
    await service.deliver(paid(service.catalog.session()))
    assert await service.round(allow_private=False) == 1
    assert receiver.connections == 0
    (delivery,) = await service.deliveries(endpoint)
    assert delivery["last_error"] == "the host has a private or reserved address"


async def test_control_without_the_gates_the_request_would_arrive(
    service: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this one fails, the two above prove nothing."""
    monkeypatch.setattr(posting, "check_url", lambda text, allow_private: URL(text))
    monkeypatch.setattr(connecting, "is_open", lambda address: True)
    await service.subscribe(receiver.url)
    await service.pool.execute(
        "UPDATE webhook_endpoints SET url = $1", f"http://rebound.example.org:{receiver.port}/hook"
    )
    await service.deliver(paid(service.catalog.session()))
    await service.round(look=look_up(["127.0.0.1"]), allow_private=False)
    assert len(receiver.messages) == 1


async def test_a_certificate_that_nobody_vouches_for_is_refused(service: Webhooks) -> None:
    async with receiving(self_signed("hooks.example.org")) as receiver:
        endpoint = await service.subscribe(receiver.url)
        await service.deliver(paid(service.catalog.session()))
        await service.round()
        assert receiver.messages == []
    (delivery,) = await service.deliveries(endpoint)
    assert delivery["last_error"] == "TLS failed"


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
