"""Every service has two processes. One after the other is restarted, and then killed, while people buy.

What is measured beside: docs/adr/0057-a-roll-loses-no-request.md.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from identity.administration import create_account
from runtime.embedded import ServerUrls
from tests.support.api import PASSWORD, Api, publish_session
from tests.support.fleet import END_WITHIN_S, ROLES, TWINS, Balancer, Buyers, Fleet, two_of_each
from tests.support.servers import redis_of

RATE_PER_S = float(os.environ.get("STAMPEDE_TEST_ROLL_RATE", "20"))
SETTLED = int(2 * RATE_PER_S)  # answers between two restarts
SHED = "503 overloaded"  # other tests share these cores, and one gateway of two sheds load sooner
AREA = {"name": "Floor", "kind": "standing", "price": 1000, "capacity": 20_000}

pytestmark = pytest.mark.timeout(400)  # ten processes start, one after the other, twice


@pytest.fixture(scope="module")
async def database(run_database: Callable[[str], Awaitable[str]]) -> str:
    return await run_database("rolling")


@pytest.fixture(scope="module")
def fleet(scratch: Path, servers: ServerUrls, database: str) -> Iterator[Fleet]:
    directory = scratch / "rolling"
    directory.mkdir()
    with two_of_each(
        directory,
        STAMPEDE_DATABASE_URL=database,
        STAMPEDE_REDIS_URL=redis_of(servers, "rolling"),
        STAMPEDE_DATABASE_POOL_SIZE="2",
        STAMPEDE_DRAIN_S="2",
    ) as fleet:
        yield fleet


class OnSale(NamedTuple):
    session: Any
    tokens: list[str]


@pytest.fixture(scope="module")
async def on_sale(fleet: Fleet, database: str) -> OnSale:
    api = Api(fleet.base_url)
    email = "organizer@example.com"
    await create_account(
        database, email=email, password=PASSWORD, role="organizer", full_name="Organizer"
    )
    organizer = (await api.post("/auth/login", {"email": email, "password": PASSWORD})).json
    session = await publish_session(
        api, organizer["access_token"], areas=[AREA], max_tickets_per_user=100
    )
    tokens = [(await api.register()).token for _ in range(max(40, int(RATE_PER_S)))]
    await api.close()
    return OnSale(session, tokens)


@pytest.fixture
async def buyers(fleet: Fleet, on_sale: OnSale) -> AsyncIterator[Buyers]:
    async with Balancer(fleet.ports["gateway"]) as balancer:
        buyers = Buyers(balancer, *on_sale, rate_per_s=RATE_PER_S)
        await buyers.answered(SETTLED)
        yield buyers
        await buyers.end()


async def test_a_rolling_restart_of_every_service_fails_no_request(
    fleet: Fleet, buyers: Buyers
) -> None:
    for role in ROLES:
        await fleet.restart(role, TWINS[0])
        await buyers.answered(SETTLED)
    await buyers.end()
    print(f"rolling: {buyers.requests} requests, {buyers.outcomes}, {buyers.slowest_s:.2f} s")
    assert [one.outcome for one in buyers.failures if one.outcome != SHED] == []


async def test_a_kill_of_each_fails_only_what_can_be_tried_again(
    fleet: Fleet, buyers: Buyers
) -> None:
    for role in ROLES:
        await fleet.kill(role, TWINS[1])
        await buyers.answered(20)
        fleet.launch(role, TWINS[1])
        await fleet.serves(role, TWINS[1])
    await buyers.end()
    print(f"killing: {buyers.requests} requests, {buyers.outcomes}, {buyers.slowest_s:.2f} s")
    assert {one.outcome for one in buyers.failures} <= {"503 unavailable", SHED}
    assert all(one.retry_after for one in buyers.failures)
    for failure in buyers.failures:
        if failure.key:
            again = await buyers.retry(failure)
            assert again.status == 201
            assert (await buyers.retry(failure)).json["order_id"] == again.json["order_id"]


async def test_an_event_stream_ends_when_its_gateway_drains(fleet: Fleet, on_sale: OnSale) -> None:
    """Its browser reconnects, and the balancer sends it to the other one."""
    url = f"http://{TWINS[1]}:{fleet.ports['gateway']}/api/v1/sessions/{on_sale.session['session_id']}"
    async with aiohttp.ClientSession() as http, http.get(f"{url}/seats/stream") as stream:
        assert await stream.content.readany()
        ending = fleet.terminate("gateway", TWINS[1])
        with contextlib.suppress(aiohttp.ClientPayloadError):
            async with asyncio.timeout(END_WITHIN_S):
                while await stream.content.readany():
                    pass
        assert ending.poll() is None  # it was told, and not cut by the end of the process
    await asyncio.to_thread(ending.wait, END_WITHIN_S)
    fleet.launch("gateway", TWINS[1])
    await fleet.serves("gateway", TWINS[1])
