"""A worker over a broker, and the events that its subscribers received. For the tests of every broker."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from chassis.events.broker import Broker
from chassis.events.envelope import Event
from chassis.events.relay import Relay
from chassis.observability import logs
from chassis.postgres.pool import Pool
from tests.support.events import TYPE, subscriber

LOG = logs.get("test")
OTHER_TYPE = "stampede.tests.other.v1"
BOTH = frozenset({TYPE, OTHER_TYPE})
IN_TIME_S = 30.0
STORED_WITHIN_S = 90.0  # elections take up to nine seconds each

Make = Callable[..., Broker]


@asynccontextmanager
async def working(pool: Pool, broker: Broker) -> AsyncIterator[asyncio.Event]:
    """A worker: its relay, and what delivers stored events to the subscribers."""
    stop = asyncio.Event()
    relay = Relay(pool, broker, source="scratch", log=LOG)
    tasks = [asyncio.create_task(relay.run(stop)), asyncio.create_task(broker.run(stop))]
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), IN_TIME_S)


async def until(pool: Pool, condition: str, *args: Any) -> None:
    """Returns once the SQL condition holds."""
    async with asyncio.timeout(IN_TIME_S):
        while not await pool.fetchval(f"SELECT {condition}", *args):  # noqa: ASYNC110  no signal
            await asyncio.sleep(0.01)


async def effects(pool: Pool) -> dict[str, list[int]]:
    """The numbers of each subject, in the order of their effects."""
    rows = await pool.fetch(
        "SELECT subject, array_agg(number ORDER BY place) AS numbers FROM effects GROUP BY subject"
    )
    return {row["subject"]: row["numbers"] for row in rows}


class Recorder:
    def __init__(self, name: str, types: frozenset[str] = BOTH) -> None:
        self.seen: list[Event] = []
        self.status: int | None = None
        self.subscriber = subscriber(self.take, name, types)

    async def take(self, events: list[Event]) -> int | None:
        if self.status is None:
            self.seen.extend(events)
        return self.status


async def seen(recorder: Recorder, count: int) -> None:
    await holds(lambda: len(recorder.seen) >= count)


async def holds(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(IN_TIME_S):
        while not condition():  # noqa: ASYNC110  the subscriber sends no signal
            await asyncio.sleep(0.005)


@asynccontextmanager
async def acknowledgements_lost(context: Any) -> AsyncIterator[None]:
    """Begins once an event is stored without the relay having heard of it."""
    publish, stored = context.publish_async, asyncio.Event()

    def told(answer: "asyncio.Future[Any]") -> None:
        if not answer.cancelled() and answer.exception() is None:
            stored.set()

    async def unheard(subject: str, payload: bytes, **how: Any) -> "asyncio.Future[Any]":
        (await publish(subject, payload, **how)).add_done_callback(told)
        return asyncio.get_running_loop().create_future()

    context.publish_async = unheard
    try:
        await asyncio.wait_for(stored.wait(), STORED_WITHIN_S)
        yield
    finally:
        context.publish_async = publish
