"""NATS is a real nats-server with files; its brokers are of one platform a test."""

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chassis.events.broker import Broker, MemoryBroker
from chassis.events.nats.broker import NatsBroker
from chassis.postgres.pool import Pool, open_pool
from tests.support.brokers import IN_TIME_S, Make
from tests.support.events import make_scratch_schema
from tests.support.nats import NatsServer

ACK_WAIT_S = 0.6  # in the house itself it is longer than a subscriber is given
_prefixes = itertools.count(1)


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    running = NatsServer(tmp_path_factory.mktemp("nats"))
    running.start()
    await running.ready()
    yield running
    running.kill()


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await make_scratch_schema(database_url)
    opened = await open_pool(database_url, "scratch", size=8)
    yield opened
    opened.terminate()


@pytest.fixture
async def nats(server: NatsServer, database_url: str) -> AsyncIterator[Make]:
    """Brokers of one platform: what one stored, another one's consumers find."""
    made: list[Broker] = []
    prefix = f"test{next(_prefixes)}.events"

    def make(*subscribers: Any, **limits: float) -> Broker:
        broker = NatsBroker(
            server.url,
            subscribers,
            database_url=database_url,
            prefix=prefix,
            ack_wait_s=ACK_WAIT_S,
            **{"call_timeout_s": IN_TIME_S, **limits},  # a busy disk is no failure here
        )
        made.append(broker)
        return broker

    yield make
    for broker in made:
        await broker.close()


@pytest.fixture(params=["memory", "nats"])
def make_broker(request: pytest.FixtureRequest) -> Make:
    if request.param == "memory":
        return lambda *subscribers: MemoryBroker(subscribers)
    made: Make = request.getfixturevalue("nats")
    return made
