"""Who has lost the lead ends, also where the client takes the cancellation for its own.

nats-py does so wherever it flushes, and where it waits for room for one more publication.
"""

import asyncio
from typing import Any

import pytest
from nats.aio.msg import Msg

from chassis.postgres.pool import Pool
from tests.support.brokers import IN_TIME_S, Make, Recorder
from tests.support.events import event, subscriber


async def test_a_publication_that_waits_for_room_can_be_cancelled(nats: Make) -> None:
    broker: Any = nats(Recorder("one").subscriber)
    room = (await broker.link.jetstream())._publish_async_pending_semaphore
    while not room.locked():
        await room.acquire()
    publishing = asyncio.create_task(broker.publish([event(1)]))
    while not room._waiters:  # noqa: ASYNC110  it rings no bell
        await asyncio.sleep(0.01)
    publishing.cancel()
    await asyncio.wait([publishing], timeout=IN_TIME_S)
    assert publishing.cancelled()


@pytest.mark.parametrize("wait", ["ack_sync", "in_progress"])
async def test_a_consumer_that_waits_for_nats_can_be_cancelled(
    pool: Pool, nats: Make, monkeypatch: pytest.MonkeyPatch, wait: str
) -> None:
    waits = asyncio.Event()
    takes = asyncio.Event()

    async def swallow(message: Msg, timeout: float = 1) -> None:
        if waits.is_set():
            return
        waits.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async def take(events: Any) -> int:
        if wait == "in_progress":  # which is said while the subscriber is at it
            await takes.wait()
        return 204

    monkeypatch.setattr(Msg, wait, swallow)
    broker: Any = nats(subscriber(take))
    running = asyncio.create_task(broker.run(asyncio.Event()))
    await broker.publish([event(1)])
    await asyncio.wait_for(waits.wait(), IN_TIME_S)
    running.cancel()
    await asyncio.wait([running], timeout=IN_TIME_S)
    assert running.cancelled()
