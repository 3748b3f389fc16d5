"""What JetStream adds: stored events, durable consumers, one of several workers, servers that die."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from booking.asgi import create_app
from chassis.events.broker import PartlyTaken
from chassis.events.envelope import Event
from chassis.events.inbox import Inbox
from chassis.events.nats.broker import NatsBroker
from chassis.events.relay import Relay
from chassis.postgres.pool import Pool
from chassis.problems import Unavailable
from tests.integration.chassis.events.brokers.conftest import ACK_WAIT_S
from tests.support.asgi import exchange, in_a_task_of_its_own
from tests.support.booking import running_booking
from tests.support.brokers import (
    IN_TIME_S,
    LOG,
    Make,
    Recorder,
    acknowledgements_lost,
    effects,
    holds,
    seen,
    until,
    working,
)
from tests.support.events import TYPE, event, numbers, put_out, subscriber, write_effects
from tests.support.nats import NatsCluster, NatsServer
from tests.support.servers import free_port


async def test_a_second_worker_asks_for_nothing_while_the_first_is_there(
    pool: Pool, nats: Make
) -> None:
    """JetStream would give it what comes next, of whatever subject."""
    recorder = Recorder("one")
    one: Any = nats(recorder.subscriber)
    two = nats(recorder.subscriber)
    async with working(pool, one), working(pool, two):
        await put_out(pool, [event(1)])
        await seen(recorder, 1)
        context = await one.link.jetstream()

        until = time.monotonic() + 1.2
        while time.monotonic() < until:
            found = await context.consumer_info(one.link.stream, "one")
            assert (found.num_waiting or 0) <= 1
            await asyncio.sleep(0.02)


async def test_nats_is_killed_twice_in_mid_run_and_nothing_is_lost_or_doubled(
    pool: Pool, nats: Make, server: NatsServer
) -> None:
    inbox = Inbox(pool, "test", write_effects, LOG)
    calls = 0
    half = asyncio.Event()

    async def take(events: list[Event]) -> None:
        nonlocal calls
        calls += 1
        half.set()
        await inbox.take(events)

    # A confirmation that died with the server is waited for: for less time than we have here.
    broker = nats(subscriber(take), call_timeout_s=IN_TIME_S / 4)
    async with working(pool, broker):
        for kill in range(2):
            start = kill * 600
            half.clear()
            await put_out(pool, [event(n, f"s{n % 5}") for n in range(start, start + 300)])
            await asyncio.wait_for(half.wait(), IN_TIME_S)
            await put_out(pool, [event(n, f"s{n % 5}") for n in range(start + 300, start + 600)])
            server.kill()
            assert await broker.dependencies() == {"nats": False}
            server.start()
            await server.ready()
        await until(pool, "count(*) >= 1200 FROM effects")
        await until(pool, "NOT EXISTS (SELECT FROM outbox)")
    assert await effects(pool) == {f"s{n}": [*range(n, 1200, 5)] for n in range(5)}
    assert await pool.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_what_arrived_behind_a_call_that_never_ends_does_not_overtake_it(
    pool: Pool, nats: Make
) -> None:
    """The worker dies in that call; its successor gets both in their order."""
    inbox = Inbox(pool, "test", write_effects, LOG, ordered=False)
    hanging = asyncio.Event()

    async def hang(events: list[Event]) -> None:
        hanging.set()
        await asyncio.Event().wait()

    dying: Any = nats(subscriber(hang))
    relay = Relay(pool, dying, source="scratch", log=LOG)
    stop = asyncio.Event()
    tasks = [asyncio.create_task(relay.run(stop)), asyncio.create_task(dying.run(stop))]
    await put_out(pool, [event(0)])
    await asyncio.wait_for(hanging.wait(), IN_TIME_S)
    await put_out(pool, [event(1)])
    context = await dying.link.jetstream()
    found = await context.consumer_info(dying.link.stream, "test")
    while found.num_ack_pending != 2:
        await asyncio.sleep(0.02)
        found = await context.consumer_info(dying.link.stream, "test")
    await asyncio.sleep(ACK_WAIT_S / 2)  # JetStream is told meanwhile that they are in progress
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await dying.close()

    async with working(pool, nats(subscriber(inbox.take))):
        await until(pool, "count(*) = 2 FROM effects")
    assert await effects(pool) == {"a": [0, 1]}


async def test_while_nats_is_away_the_outbox_keeps_everything(
    pool: Pool, nats: Make, server: NatsServer
) -> None:
    inbox = Inbox(pool, "test", write_effects, LOG)
    async with working(pool, nats(subscriber(inbox.take))):
        await put_out(pool, [event(0)])
        await until(pool, "count(*) = 1 FROM effects")
        server.kill()
        await put_out(pool, [event(number) for number in range(1, 30)])
        relay = Relay(pool, nats(), source="scratch", log=LOG)
        with pytest.raises(Exception, match="NATS"):
            await relay.round()
        assert await pool.fetchval("SELECT count(*) FROM outbox") == 29
        server.start()
        await until(pool, "NOT EXISTS (SELECT FROM outbox)")
        await until(pool, "count(*) = 30 FROM effects")
    assert await effects(pool) == {"a": [*range(30)]}


async def test_an_event_stays_in_the_outbox_until_nats_has_confirmed_it(
    pool: Pool, nats: Make
) -> None:
    broker: Any = nats(Recorder("one").subscriber, call_timeout_s=0.3)
    context = await broker.link.jetstream()
    relay = Relay(pool, broker, source="scratch", log=LOG)
    await put_out(pool, [event(1)])
    unconfirmed = asyncio.create_task(relay.round())
    async with acknowledgements_lost(context):
        with pytest.raises(Unavailable):
            await unconfirmed
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 1
    assert await relay.round() == 1
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0
    found = await context.stream_info(broker.link.stream)
    assert found.state.messages == 1


async def test_what_was_stored_comes_to_a_consumer_that_was_not_running(
    pool: Pool, nats: Make
) -> None:
    """The durable consumer is made before the first event is stored, by whoever is first."""
    stored: list[Event] = []

    async def take(events: Sequence[Event]) -> None:
        stored.extend(events)

    publisher: Any = nats(subscriber(take))
    await publisher.publish([event(number) for number in range(3)])
    await publisher.publish([event(number) for number in range(3, 5)])
    async with working(pool, nats(subscriber(take))):
        await holds(lambda: len(stored) == 5)
    assert numbers(stored) == [*range(5)]


async def test_an_event_published_twice_is_stored_once(nats: Make) -> None:
    broker: Any = nats(Recorder("one").subscriber)
    events = [event(number) for number in range(4)]
    for _ in range(3):
        await broker.publish(events)
    context = await broker.link.jetstream()
    found = await context.stream_info(broker.link.stream)
    assert found.state.messages == 4
    assert (found.config.storage, found.config.retention) == ("file", "interest")
    consumer = await context.consumer_info(broker.link.stream, "one")
    assert (consumer.config.ack_policy, consumer.num_pending) == ("explicit", 4)


async def test_what_is_no_event_is_dropped_and_the_rest_goes_on(pool: Pool, nats: Make) -> None:
    recorder = Recorder("one")
    broker: Any = nats(recorder.subscriber)
    await broker.publish([event(1)])
    context = await broker.link.jetstream()
    await context.publish(broker.link.subject_of(TYPE, "a"), b"not an event")
    await broker.publish([event(2)])
    async with working(pool, broker):
        await seen(recorder, 2)
    assert numbers(recorder.seen) == [1, 2]
    found = await context.stream_info(broker.link.stream)
    assert found.state.messages == 0


async def test_a_stream_that_was_deleted_is_made_again(pool: Pool, nats: Make) -> None:
    recorder = Recorder("one")
    broker: Any = nats(recorder.subscriber)
    async with working(pool, broker):
        await put_out(pool, [event(1)])
        await seen(recorder, 1)
        await (await broker.link.jetstream()).delete_stream(broker.link.stream)
        await put_out(pool, [event(2)])
        await seen(recorder, 2)
    assert numbers(recorder.seen) == [1, 2]


async def test_a_later_event_is_not_stored_while_an_earlier_one_of_its_subject_is_not(
    nats: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker: Any = nats(Recorder("one").subscriber, call_timeout_s=0.3)
    context = await broker.link.jetstream()
    first, second, other = event(1, "a"), event(2, "a"), event(3, "b")
    publish_async = context.publish_async

    async def losing(subject: str, payload: bytes, **how: Any) -> Any:
        if how["headers"]["Nats-Msg-Id"] == str(first.id):
            return asyncio.get_running_loop().create_future()  # on a connection that broke
        return await publish_async(subject, payload, **how)

    monkeypatch.setattr(context, "publish_async", losing)
    with pytest.raises(PartlyTaken) as partly:
        await broker.publish([first, second, other])
    assert partly.value.taken == {other.id}
    monkeypatch.undo()
    await broker.publish([first, second, other])
    found = await context.stream_info(broker.link.stream)
    assert found.state.messages == 3


async def test_a_cluster_keeps_three_copies_and_goes_on_without_one_server(
    tmp_path: Path, pool: Pool, database_url: str
) -> None:
    recorder = Recorder("one")
    async with NatsCluster(tmp_path).running() as cluster:
        broker = NatsBroker(
            cluster.urls, [recorder.subscriber], database_url=database_url, ack_wait_s=1
        )
        async with working(pool, broker):
            await put_out(pool, [event(1)])
            await seen(recorder, 1)
            context = await broker.link.jetstream()
            config = (await context.stream_info(broker.link.stream)).config
            assert config.num_replicas == 3
            cluster.servers[0].kill()
            await put_out(pool, [event(2)])
            await seen(recorder, 2)
            await until(pool, "NOT EXISTS (SELECT FROM outbox)")
        await broker.close()
    assert sorted(set(numbers(recorder.seen))) == [1, 2]


async def test_readiness_shows_that_nats_is_away_and_orders_go_on(
    database_url: str, redis_url: str
) -> None:
    broker = NatsBroker(f"nats://127.0.0.1:{free_port()}", [], database_url=database_url)
    async with running_booking(database_url, redis_url) as app:
        wiring = msgspec.structs.replace(app.wiring, broker=broker)
        other = create_app(wiring)
        async with in_a_task_of_its_own(other.lifespan):
            answer = await exchange(other, "GET", "/readyz", {"host": "booking"}, b"")
    assert answer.status == 200
    assert answer.json["dependencies"] == {"postgresql": True, "redis": True, "nats": False}
