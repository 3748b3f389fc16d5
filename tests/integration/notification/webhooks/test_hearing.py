"""Who hears of an event: whoever subscribed to it, once, signed, and told no more than is listed."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from chassis.events.inbox import Inbox
from chassis.ids import uuid7
from chassis.problems import Unavailable
from contracts.rehearsals import rehearsal_id
from notification.consumer import take_effect
from notification.webhooks.planning import plan_deliveries
from tests.support.notification import RecordedLines, names
from tests.support.orders import event_of, order_created, refund
from tests.support.webhooks import (
    ADMIN,
    CREATED,
    OTHER,
    PAID,
    Receiver,
    Webhooks,
    documented_verify,
    paid,
)

verify = documented_verify()


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

    async def fails(tx: Any, events: Any) -> None:
        await take_effect(tx, events)
        raise ValueError("after all was written")

    await Inbox(service.pool, "notification", fails, RecordedLines()).take([event])
    assert await service.round() == 0
    assert await service.pool.fetchval("SELECT count(*) FROM webhook_events") == 0
    await service.pool.execute("UPDATE dead_letters SET next_attempt = now()")
    await Inbox(service.pool, "notification", take_effect, RecordedLines()).retry_due()
    assert await service.round() == 1


async def test_without_subscribers_a_batch_costs_one_query_and_no_row(service: Webhooks) -> None:
    asked: list[str] = []
    async with service.pool.acquire() as db:
        db.add_query_logger(lambda query: asked.append(query.query))
        async with db.transaction():
            await asyncio.sleep(0)  # loggers are called from the loop
            asked.clear()
            await plan_deliveries(db, [paid(uuid4()) for _ in range(100)])
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


async def test_no_endpoint_hears_of_a_rehearsal(service: Webhooks, receiver: Receiver) -> None:
    await service.subscribe(receiver.url, by=ADMIN)
    ordinary, marked = service.catalog.session(), rehearsal_id()
    terms = service.catalog.sessions[ordinary]
    service.catalog.sessions[marked] = msgspec.structs.replace(terms, session_id=marked)
    await service.deliver(paid(marked))
    assert await service.round() == 0
    await service.deliver(paid(ordinary))
    assert await service.round() == 1
    assert len(receiver.messages) == 1
