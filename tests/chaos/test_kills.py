"""kill -9 of anything, at any moment: what was acknowledged is there, nothing is sold twice."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from typing import Any

import aiohttp
import psutil
import pytest
import redis.asyncio

from runtime.embedded import running_urls
from tests.chaos.support import audit_is_clean, new_session, order_best
from tests.support.api import Answer, Api
from tests.support.platform import RunningPlatform

PAY = {"payment_method": "alipay", "payment_token": "tok_ok"}
KILLS_MIN = 4
BUYERS = 6
PAID_MIN = 5  # so many are sold between the kills, however long that takes
FLUSHES_MIN = 15
RECOVERY_S = 90.0  # nobody waits for so long unless something hangs
HANG_S = 120.0

pytestmark = pytest.mark.timeout(400)


def paid_of(said: list[Any]) -> int:
    return sum(kind == "paid" for kind, *_ in said)


async def buy_for(api: Api, session: Any, token: str, over: asyncio.Event, said: list[Any]) -> None:
    """Orders and pays single seats until the sale is over; keeps every acknowledgement."""
    while not over.is_set():
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            made = await order_best(api, session, token, 1)
            if made.status == 201:
                said.append(("ordered", made.json["order_id"], token))
                path = f"/orders/{made.json['order_id']}/pay"
                paid = await api.post(path, PAY, token=token)
                if paid.status == 200:
                    seats = tuple(ticket["seat_id"] for ticket in paid.json["tickets"])
                    said.append(("paid", made.json["order_id"], token, seats))
            elif made.status in {429, 503}:
                await asyncio.sleep(0.05)


def processes(platform: RunningPlatform, victim: str) -> list[psutil.Process]:
    family = psutil.Process(platform.processes["up"].pid).children(recursive=True)
    needles = {"web": "runtime.serving", "worker": "runtime.worker"}
    needles |= {"postgres": "postgres", "valkey": "valkey-server"}
    found = []
    for process in family:
        with contextlib.suppress(psutil.Error):
            if needles[victim] in " ".join([process.name(), *process.cmdline()]):
                found.append(process)
    return found


async def kill_during(
    platform: RunningPlatform, victim: str, over: asyncio.Event, said: list[Any]
) -> None:
    """kill -9 of one process of that kind about once a second, at random moments. Ends the sale once
    there were enough of them, and enough was sold. It first has to sell again after each: a PostgreSQL
    whose processes are killed while it recovers has stayed in recovery until it was stopped, and the
    supervisor gives up a child that is killed five times before it was ready."""
    killed = paid = 0
    while killed < KILLS_MIN or paid_of(said) < PAID_MIN:
        await asyncio.sleep(random.uniform(0.3, 1.2))
        if killed and paid_of(said) <= paid + BUYERS:
            continue  # as many answers may have been under way when it was killed
        paid = paid_of(said)
        candidates = processes(platform, victim)
        if candidates:
            with contextlib.suppress(psutil.NoSuchProcess):
                random.choice(candidates).kill()
                killed += 1
    over.set()


async def answers_again(api: Api) -> None:
    deadline = time.monotonic() + RECOVERY_S
    while True:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            if (await api.get("/readyz?deep")).status == 200:
                return
        assert time.monotonic() < deadline, "the platform did not come back"
        await asyncio.sleep(0.1)


async def read_order(api: Api, order_id: str, token: str) -> Answer:
    """Once it can be read: the last process may have been killed after the platform said it was well."""
    deadline = time.monotonic() + RECOVERY_S
    while True:
        answer: Answer = await api.get(f"/orders/{order_id}", token=token)
        if answer.status != 503 or time.monotonic() > deadline:
            return answer
        await asyncio.sleep(0.1)


async def acknowledged_is_there(api: Api, said: list[Any]) -> None:
    """Every 201 and every paid answer is found afterwards, and no seat has two owners."""
    owners: Counter[int] = Counter()
    for kind, order_id, token, *rest in said:
        answer = await read_order(api, order_id, token)
        assert answer.status == 200, (kind, answer)
        if kind == "paid":
            assert answer.json["status"] == "paid", answer
            owners.update(rest[0])
    assert [seat for seat, times in owners.items() if times > 1] == []


@pytest.mark.parametrize("victim", ["web", "worker", "valkey", "postgres"])
async def test_killing_it_over_and_over_loses_nothing(
    api: Api, broken: RunningPlatform, victim: str
) -> None:
    rows = [{"label": str(n), "seats": 50} for n in range(1, 41)]
    area = {"name": "大厅", "kind": "seated", "price": 100, "rows": rows}
    session = await new_session(api, broken, areas=[area], max_tickets_per_user=100)
    buyers = [await api.register() for _ in range(BUYERS)]
    said: list[Any] = []
    over = asyncio.Event()
    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        for buyer in buyers:
            group.create_task(buy_for(api, session, buyer.token, over, said))
        group.create_task(kill_during(broken, victim, over, said))
    await answers_again(api)
    await acknowledged_is_there(api, said)
    await audit_is_clean(broken)


async def test_redis_losing_everything_mid_sale_oversells_nothing(
    api: Api, broken: RunningPlatform
) -> None:
    session = await new_session(api, broken, max_tickets_per_user=20)
    buyers = [await api.register() for _ in range(10)]
    urls = running_urls(broken.data_dir)
    assert urls is not None
    client = redis.asyncio.from_url(urls.redis_url)
    said: list[Any] = []
    over = asyncio.Event()

    async def flush() -> None:
        flushes = 0
        while flushes < FLUSHES_MIN or paid_of(said) < 2 * PAID_MIN:
            await asyncio.sleep(0.2)
            await client.flushall()
            flushes += 1
        over.set()

    async with asyncio.timeout(HANG_S), asyncio.TaskGroup() as group:
        for buyer in buyers:
            group.create_task(buy_for(api, session, buyer.token, over, said))
        group.create_task(flush())
    await client.aclose()
    assert paid_of(said) <= 50
    await acknowledged_is_there(api, said)
    await audit_is_clean(broken)
