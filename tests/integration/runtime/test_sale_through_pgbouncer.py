"""The whole platform in its processes behind PgBouncer: fewer servers than clients, and nothing missing."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from identity.administration import create_account
from runtime.embedded import ServerUrls
from tests.chaos.support import audit_is_clean, order_best
from tests.support.api import PASSWORD, Api, Person, publish_session
from tests.support.pgbouncer import PgBouncer
from tests.support.platform import RunningPlatform, all_in_one
from tests.support.servers import redis_of

HOLD_TTL_S = 2
WITHIN_S = 20.0


@pytest.fixture(scope="module")
async def direct_url(run_database: Callable[[str], Awaitable[str]]) -> str:
    url = await run_database("pooled")
    db = await asyncpg.connect(url)
    name = await db.fetchval("SELECT current_database()")
    await db.execute(f"ALTER DATABASE {name} SET statement_timeout = '10s'")
    await db.close()
    return url


@pytest.fixture(scope="module")
async def pooled(
    direct_url: str, servers: ServerUrls, scratch: Path
) -> AsyncIterator[RunningPlatform]:
    """Two web processes with thirty-two connections each, and a worker, on six servers."""
    bouncer = PgBouncer(direct_url, default_pool_size=6)
    directory = scratch / "pooled"
    directory.mkdir()
    settings = {
        "STAMPEDE_DATABASE_URL": bouncer.url,
        "STAMPEDE_DATABASE_DIRECT_URL": direct_url,
        "STAMPEDE_REDIS_URL": redis_of(servers, "pgbouncer"),
        "STAMPEDE_HOLD_TTL_S": str(HOLD_TTL_S),
    }
    try:
        with all_in_one(directory, "--no-demo", **settings) as platform:
            yield platform
    finally:
        bouncer.stop()


@pytest.fixture
async def api(pooled: RunningPlatform) -> AsyncIterator[Api]:
    client = Api(pooled.base_url)
    yield client
    await client.close()


async def until(api: Api, order_id: str, person: Person, status: str) -> Any:
    deadline = time.monotonic() + WITHIN_S
    while True:
        read = await api.get(f"/orders/{order_id}", token=person.token)
        assert read.status == 200, read
        if read.json["status"] == status:
            return read.json
        assert time.monotonic() < deadline, read
        await asyncio.sleep(0.1)


async def test_a_small_sale_behind_a_pooler_is_sound(
    api: Api, pooled: RunningPlatform, direct_url: str, servers: ServerUrls
) -> None:
    email = "organizer@example.com"
    await create_account(
        direct_url, email=email, password=PASSWORD, role="organizer", full_name="Organizer"
    )
    login = await api.post("/auth/login", {"email": email, "password": PASSWORD})
    session = await publish_session(api, login.json["access_token"])
    people = [await api.register() for _ in range(12)]
    body = {"payment_method": "alipay", "payment_token": "tok_ok"}

    async def buy(person: Person) -> None:
        for _ in range(2):
            order = await order_best(api, session, person.token, 1)
            assert order.status == 201, order
            paid = await api.post(f"/orders/{order.json['order_id']}/pay", body, token=person.token)
            assert paid.status == 200, paid

    async with asyncio.TaskGroup() as group:
        for person in people:
            group.create_task(buy(person))

    # a leader and the sweeper: money that is said later, and a hold that ends
    late = await order_best(api, session, people[0].token, 1)
    asked = body | {"payment_token": "tok_async"}
    sent = await api.post(f"/orders/{late.json['order_id']}/pay", asked, token=people[0].token)
    assert sent.status == 202, sent
    left = await order_best(api, session, people[1].token, 1)
    await until(api, late.json["order_id"], people[0], "paid")
    await until(api, left.json["order_id"], people[1], "cancelled")

    # the seats rebuilt from PostgreSQL, under a lock of a session
    cache = redis.asyncio.from_url(redis_of(servers, "pgbouncer"))
    await cache.flushdb()
    await cache.aclose()
    deadline = time.monotonic() + WITHIN_S
    while (again := await order_best(api, session, people[2].token, 1)).status == 503:
        assert time.monotonic() < deadline, again
        await asyncio.sleep(0.1)
    assert again.status == 201, again
    cancelled = await api.post(f"/orders/{again.json['order_id']}/cancel", token=people[2].token)
    assert cancelled.status == 200, cancelled

    # the relay leads, and what it relays has arrived
    db = await asyncpg.connect(direct_url)
    while await db.fetchval("SELECT count(*) FROM booking.outbox"):
        assert time.monotonic() < deadline + WITHIN_S
        await asyncio.sleep(0.1)
    mails = await db.fetchval("SELECT count(*) FROM notification.messages")
    await db.close()
    assert mails >= len(people)
    await audit_is_clean(pooled)
    logs = "".join(path.read_text() for path in (pooled.data_dir / "logs").glob("*.log"))
    assert "unexpected_error" not in logs
    assert "round_failed" not in logs
