"""Three NATS servers, of which some die, lose their disk, and come back, while events are published and
taken. Nothing is missing, nothing is twice, and each subject keeps its order.

How long publishing stops is in docs/adr/0058-nats-timeouts.md; a test judges no time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chassis.events.broker import Broker
from chassis.events.inbox import Inbox
from chassis.events.nats.broker import NatsBroker
from chassis.events.relay import Relay
from chassis.postgres.pool import Pool
from tests.support.brokers import LOG, acknowledgements_lost, effects
from tests.support.events import event, put_out, subscriber, write_effects
from tests.support.nats import NatsCluster

SUBJECTS = 5
BATCH = 10
ENDS_WITHIN_S = 90.0  # elections take up to nine seconds each

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsCluster]:
    async with NatsCluster(tmp_path_factory.mktemp("three")).running() as running:
        yield running


class Platform:
    """A worker over the cluster, and a writer that puts out one batch after the other."""

    def __init__(self, pool: Pool, broker: NatsBroker) -> None:
        self.pool, self.broker = pool, broker
        self.put = 0
        self.enough = asyncio.Event()

    async def write(self) -> None:
        while not self.enough.is_set():
            numbers = range(self.put, self.put + BATCH)
            await put_out(self.pool, [event(n, f"s{n % SUBJECTS}") for n in numbers])
            self.put += BATCH
            await asyncio.sleep(0.02)

    async def takes_more(self, count: int) -> None:
        """Returns when so many more events have taken effect."""
        taken = await self.pool.fetchval("SELECT count(*) FROM effects")
        await self.holds("(SELECT count(*) FROM effects) >= $1", taken + count)

    async def holds(self, condition: str, *args: Any) -> None:
        async with asyncio.timeout(ENDS_WITHIN_S):
            while not await self.pool.fetchval(f"SELECT {condition}", *args):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def everything_once_and_in_order(self) -> None:
        self.enough.set()
        await self.holds("NOT EXISTS (SELECT FROM outbox)")
        await self.holds("(SELECT count(*) FROM effects) >= $1", self.put)
        assert await effects(self.pool) == {
            f"s{n}": [*range(n, self.put, SUBJECTS)] for n in range(SUBJECTS)
        }
        assert await self.pool.fetchval("SELECT count(*) FROM dead_letters") == 0

    async def stored_once(self) -> None:
        """JetStream stored each event once, though some were published again."""
        context = await self.broker.link.jetstream()
        assert (await context.stream_info(self.broker.link.stream)).state.last_seq == self.put


@asynccontextmanager
async def selling(
    pool: Pool, cluster: NatsCluster, database_url: str, prefix: str
) -> AsyncIterator[Platform]:
    inbox = Inbox(pool, "test", write_effects, LOG)
    broker = NatsBroker(
        cluster.urls,
        [subscriber(inbox.take)],
        database_url=database_url,
        prefix=prefix,
        ack_wait_s=2.0,
    )
    platform = Platform(pool, broker)
    stop = asyncio.Event()
    as_broker: Broker = broker
    relay = Relay(pool, as_broker, source="scratch", log=LOG)
    tasks = [asyncio.create_task(relay.run(stop)), asyncio.create_task(broker.run(stop))]
    writing = asyncio.create_task(platform.write())
    try:
        await platform.takes_more(5 * BATCH)
        await cluster.whole(await broker.link.jetstream(), broker.link.stream)
        yield platform
    finally:
        platform.enough.set()
        stop.set()
        await asyncio.wait_for(asyncio.gather(writing, *tasks), ENDS_WITHIN_S)
        await broker.close()


async def leader_killed(cluster: NatsCluster, platform: Platform) -> None:
    """What it has stored last, it has told nobody: the next leader is given that again."""
    context = await platform.broker.link.jetstream()
    leader = await cluster.leader(context, platform.broker.link.stream)
    async with acknowledgements_lost(context):
        leader.kill()
    await platform.takes_more(10 * BATCH)
    leader.start()


async def quorum_lost(cluster: NatsCluster, platform: Platform) -> None:
    for one in cluster.servers[:2]:
        one.kill()
    before = platform.put
    while platform.put < before + 5 * BATCH:  # noqa: ASYNC110  the writer rings no bell
        await asyncio.sleep(0.02)
    assert await platform.pool.fetchval("SELECT count(*) FROM outbox") > 0
    for one in cluster.servers[:2]:
        one.start()
    await platform.takes_more(10 * BATCH)


async def disk_lost(cluster: NatsCluster, platform: Platform) -> None:
    """Of the leader: the worst one."""
    context = await platform.broker.link.jetstream()
    leader = await cluster.leader(context, platform.broker.link.stream)
    leader.kill()
    leader.wipe()
    await platform.takes_more(5 * BATCH)
    leader.start()
    await platform.takes_more(5 * BATCH)


Accident = Callable[[NatsCluster, Platform], Awaitable[None]]


@pytest.mark.parametrize(
    "accident",
    [
        leader_killed,
        pytest.param(quorum_lost, marks=pytest.mark.long),
        pytest.param(disk_lost, marks=pytest.mark.long),
    ],
)
async def test_nothing_is_missing_and_nothing_is_twice_when(
    cluster: NatsCluster, pool: Pool, database_url: str, accident: Accident
) -> None:
    prefix = f"{accident.__name__}.events"
    async with selling(pool, cluster, database_url, prefix) as platform:
        await accident(cluster, platform)
        await platform.everything_once_and_in_order()
        await platform.stored_once()
        context = await platform.broker.link.jetstream()
        await cluster.whole(context, platform.broker.link.stream)
