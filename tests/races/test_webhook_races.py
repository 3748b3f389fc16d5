"""Many at once: one sender a delivery, one delivery an event, one cap; and the same without the lock."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import aiosql
import pytest

from chassis.ids import uuid7
from notification.webhooks import store
from notification.webhooks.endpoints import ENDPOINTS_MAX
from notification.webhooks.schedule import GIVE_UP_HOURS
from tests.support.booking import until_one_waits
from tests.support.orders import event_of, order_paid
from tests.support.webhooks import (
    ENDPOINTS,
    PAID,
    Receiver,
    Webhooks,
    receiving,
    running_webhooks,
)

EVENTS = 40


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Webhooks]:
    async with running_webhooks(database_url) as running:
        yield running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as listening:
        yield listening


async def plan(service: Webhooks) -> list[UUID]:
    """So many deliveries that are due, of as many endpoints as it takes to claim them together."""
    session_id = service.catalog.session()
    events = [event_of(order_paid(session_id=session_id, order_id=uuid7())) for _ in range(EVENTS)]
    await service.deliver(*events)
    await service.router.round()
    return [event.id for event in events]


async def send_all(service: Webhooks, workers: int) -> None:
    """Several workers side by side, round for round, until nothing is due."""

    async def work() -> None:
        async with service.dispatcher() as dispatcher:
            while await dispatcher.round():
                pass

    await asyncio.gather(*[work() for _ in range(workers)])


async def test_four_workers_send_each_delivery_once(service: Webhooks, receiver: Receiver) -> None:
    await service.subscribe(receiver.url)
    ids = await plan(service)
    await send_all(service, 4)
    sent = Counter(message.id for message in receiver.messages)
    assert sent == Counter(ids)


async def test_control_without_the_lease_a_delivery_is_sent_twice(
    service: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this one fails, the race above proves nothing."""
    sql = Path("notification/webhooks/sql/deliveries.sql").read_text(encoding="utf-8")
    sql, skips = re.subn(r"FOR UPDATE SKIP LOCKED\)", ")", sql)
    lease = "next_attempt = now() + make_interval(secs => :lease_s::float8)"
    assert (skips, sql.count(lease)) == (1, 1)
    sql = sql.replace(
        lease, "next_attempt = d.next_attempt + 0 * make_interval(secs => :lease_s::float8)"
    )
    mutated: Any = aiosql.from_str(sql, "asyncpg", mandatory_parameters=False)
    monkeypatch.setattr(store._sql, "claim_deliveries", mutated.claim_deliveries)
    arrived = asyncio.Barrier(2)
    answers = iter((arrived.wait, arrived.wait))

    async def together(message: Any) -> int:
        await next(answers)()
        return 200

    receiver.answer = together
    endpoint = await service.subscribe(receiver.url)
    await service.call("POST", f"{ENDPOINTS}/{endpoint['endpoint_id']}/test")
    async with asyncio.timeout(10), service.dispatcher() as one, service.dispatcher() as other:
        await asyncio.gather(one.round(), other.round())
    assert len(receiver.messages) == 2
    assert len({message.id for message in receiver.messages}) == 1


async def test_an_event_that_comes_from_all_sides_at_once_is_one_delivery(
    service: Webhooks, receiver: Receiver
) -> None:
    await service.subscribe(receiver.url)
    known, new = service.catalog.session(), service.catalog.session()
    await service.deliver(event_of(order_paid(session_id=known, order_id=uuid7())))
    await service.router.round()
    events = [
        event_of(order_paid(session_id=session_id, order_id=uuid7()))
        for session_id in (known, new)
        for _ in range(10)
    ]
    calls = [service.deliver(*events), service.deliver(*reversed(events)), service.deliver(*events)]
    routing = [service.router.round() for _ in range(6)]
    await asyncio.gather(*calls, *routing)
    await service.router.round()
    await send_all(service, 2)
    sent = Counter(message.id for message in receiver.messages)
    assert len(sent) == 21
    assert set(sent.values()) == {1}


async def test_making_endpoints_at_once_stays_within_the_cap(service: Webhooks) -> None:
    body = {"url": "http://127.0.0.1:9/", "event_types": [PAID]}
    answers = await asyncio.gather(
        *[service.call("POST", ENDPOINTS, body) for _ in range(ENDPOINTS_MAX + 5)]
    )
    assert Counter(answer.status for answer in answers) == {201: ENDPOINTS_MAX, 409: 5}


async def test_a_delivery_that_arrives_while_it_is_given_up_has_arrived(
    service: Webhooks, database_url: str
) -> None:
    """An endpoint is switched off, its last request is on its way, and the housekeeping comes by."""
    await service.subscribe("http://127.0.0.1:9/")
    await service.deliver(event_of(order_paid(session_id=service.catalog.session())))
    await service.router.round()
    await service.pool.execute("UPDATE webhook_endpoints SET active = false")
    await service.pool.execute(
        "UPDATE webhook_deliveries SET started_at = now() - make_interval(hours => $1)",
        GIVE_UP_HOURS + 1,
    )
    async with service.pool.acquire() as db:
        async with db.transaction():
            await db.execute(
                "UPDATE webhook_deliveries SET state = 'delivered', next_attempt = NULL, ended_at = now()"
            )
            pruning = asyncio.create_task(store.prune(service.pool, days=14, lease_s=60))
            await until_one_waits(database_url)
        await pruning
    assert await service.pool.fetchval("SELECT state FROM webhook_deliveries") == "delivered"
