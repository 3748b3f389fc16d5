"""What every broker promises, over each of them: outbox → relay → broker → subscriber → inbox.

The subscribers' effects show order and doubles. NATS is a real nats-server with files.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from booking.asgi import create_app
from chassis import logs
from chassis.broker import Broker, MemoryBroker, PartlyTaken
from chassis.events import Event
from chassis.inbox import Inbox
from chassis.nats_broker import NatsBroker
from chassis.postgres import Pool, open_pool
from chassis.relay import Relay
from tests.support.booking import running_booking
from tests.support.catalog import exchange, in_a_task_of_its_own
from tests.support.events import (
    TYPE,
    event,
    make_scratch_schema,
    numbers,
    put_out,
    subscriber,
    write_effects,
)
from tests.support.nats import NatsServer
from tests.support.platform import free_port

LOG = logs.get("test")
OTHER_TYPE = "stampede.tests.other.v1"
BOTH = frozenset({TYPE, OTHER_TYPE})
IN_TIME_S = 15.0
ACK_WAIT_S = 0.6  # in the house itself it is longer than a subscriber is given
_prefixes = itertools.count(1)

Take = Callable[[list[Event]], Awaitable[int | None]]
Make = Callable[..., Broker]


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

    def make(*subscribers: Any) -> Broker:
        broker = NatsBroker(
            server.url,
            subscribers,
            database_url=database_url,
            prefix=prefix,
            ack_wait_s=ACK_WAIT_S,
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


@asynccontextmanager
async def working(pool: Pool, broker: Broker) -> AsyncIterator[asyncio.Event]:
    """A worker: its relay and what brings stored events to the subscribers."""
    stop = asyncio.Event()
    relay = Relay(pool, broker, source="scratch", log=LOG)
    tasks = [asyncio.create_task(relay.run(stop)), asyncio.create_task(broker.run(stop))]
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks), IN_TIME_S)


async def until(pool: Pool, condition: str, *args: Any) -> None:
    async with asyncio.timeout(IN_TIME_S):
        while not await pool.fetchval(f"SELECT {condition}", *args):  # noqa: ASYNC110  no bell rings
            await asyncio.sleep(0.01)


async def effects(pool: Pool) -> dict[str, list[int]]:
    """The numbers of each subject in the order of their effects."""
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


async def test_everything_takes_effect_once_and_in_the_order_of_its_subject(
    pool: Pool, make_broker: Make
) -> None:
    inbox = Inbox(pool, "test", write_effects, LOG)
    events = [event(number, subject=f"s{number % 7}.*") for number in range(1500)]
    async with working(pool, make_broker(subscriber(inbox.take))):
        for start in range(0, 1500, 300):
            await put_out(pool, events[start : start + 300])
        await until(pool, "count(*) = 1500 FROM effects")
        await until(pool, "NOT EXISTS (SELECT FROM outbox)")
    assert await effects(pool) == {f"s{n}.*": [*range(n, 1500, 7)] for n in range(7)}


async def test_each_subscriber_gets_its_types_and_waits_for_no_other(
    pool: Pool, make_broker: Make
) -> None:
    away, well = Recorder("away", frozenset({TYPE})), Recorder("well")
    away.status = 503
    other = [event(number, f"o{number}", OTHER_TYPE) for number in range(3)]
    mine = [event(number, "a") for number in range(3)]
    async with working(pool, make_broker(away.subscriber, well.subscriber)):
        await put_out(pool, [*mine, *other])
        await _seen(well, 6)
        assert away.seen == []
        away.status = None
        await _seen(away, 3)
        await until(pool, "NOT EXISTS (SELECT FROM outbox)")
    assert [one.id for one in away.seen] == [one.id for one in mine]
    assert {one.type for one in well.seen} == BOTH
    assert (well.seen[0].source, well.seen[0].requestid) == ("scratch", "req-1")
    assert well.seen[0].time.tzinfo is not None


async def test_a_poison_event_blocks_nobody_and_is_kept_with_its_reason(
    pool: Pool, make_broker: Make
) -> None:
    inbox = Inbox(pool, "test", write_effects, LOG)
    async with working(pool, make_broker(subscriber(inbox.take))):
        await put_out(pool, [event(1, "a"), event(-2, "b"), event(3, "b"), event(4, "c")])
        await until(pool, "count(*) = 2 FROM effects")
        await until(pool, "count(*) = 2 FROM dead_letters")
        await put_out(pool, [event(5, "a")])
        await until(pool, "count(*) = 3 FROM effects")
    assert await effects(pool) == {"a": [1, 5], "c": [4]}
    letter = await pool.fetchrow("SELECT * FROM dead_letters WHERE attempts > 0")
    assert "poison" in letter["reason"]
    assert letter["first_failed"] <= letter["next_attempt"]


async def test_an_event_that_is_refused_as_such_keeps_back_its_own_subject_only(
    pool: Pool, make_broker: Make
) -> None:
    taken: list[int] = []
    accepts_two = False

    async def take(events: list[Event]) -> int | None:
        if 2 in numbers(events) and not accepts_two:
            return 400
        taken.extend(numbers(events))
        return None

    async with working(pool, make_broker(subscriber(take))):
        await put_out(pool, [event(1, "a"), event(2, "b"), event(3, "b"), event(4, "c")])
        await _holds(lambda: len(taken) == 2)
        await put_out(pool, [event(5, "b"), event(6, "a")])
        await _holds(lambda: len(taken) == 3)
        assert taken == [1, 4, 6]
        accepts_two = True
        await _holds(lambda: len(taken) == 6)
    assert taken[3:] == [2, 3, 5]


async def test_a_relay_that_dies_before_it_could_forget_doubles_no_effect(
    pool: Pool, make_broker: Make
) -> None:
    inbox = Inbox(pool, "test", write_effects, LOG)
    broker = make_broker(subscriber(inbox.take))
    events = [event(number) for number in range(20)]
    await put_out(pool, events)
    rows = await pool.fetch("SELECT event_id, created_at FROM outbox ORDER BY position")
    assert [row["event_id"] for row in rows] == [one.id for one in events]
    await broker.publish(events)  # and the process that did so is gone before it deletes
    async with working(pool, broker):
        await until(pool, "NOT EXISTS (SELECT FROM outbox)")
        await until(pool, "count(*) = 20 FROM effects")
    assert await effects(pool) == {"a": [*range(20)]}


async def test_a_worker_that_dies_in_the_middle_of_a_call_is_followed_by_one_that_goes_on(
    pool: Pool, make_broker: Make
) -> None:
    """Its successor gets what was under way before all that came later: nothing is overtaken."""
    inbox = Inbox(pool, "test", write_effects, LOG, ordered=False)
    hanging = asyncio.Event()

    async def hang(events: list[Event]) -> None:
        hanging.set()
        await asyncio.Event().wait()

    dying = make_broker(subscriber(hang))
    relay = Relay(pool, dying, source="scratch", log=LOG)
    stop = asyncio.Event()
    tasks = [asyncio.create_task(relay.run(stop)), asyncio.create_task(dying.run(stop))]
    await put_out(pool, [event(number) for number in range(10)])
    await asyncio.wait_for(hanging.wait(), IN_TIME_S)
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
    await dying.close()

    await put_out(pool, [event(number) for number in range(10, 20)])
    async with working(pool, make_broker(subscriber(inbox.take))):
        await until(pool, "count(*) = 20 FROM effects")
    assert await effects(pool) == {"a": [*range(20)]}


async def test_two_workers_bring_every_event_once_between_them(
    pool: Pool, make_broker: Make
) -> None:
    """Without an inbox: one of them feeds a subscriber at a time."""
    seen: list[int] = []

    async def take(events: list[Event]) -> None:
        await asyncio.sleep(0)
        seen.extend(numbers(events))

    one, two = make_broker(subscriber(take)), make_broker(subscriber(take))
    async with working(pool, one), working(pool, two):
        for start in range(0, 200, 20):
            await put_out(pool, [event(number) for number in range(start, start + 20)])
        await _holds(lambda: len(seen) >= 200)
    assert seen == [*range(200)]


async def test_a_second_worker_asks_for_nothing_while_the_first_is_there(
    pool: Pool, nats: Make
) -> None:
    """JetStream would give it what comes next, of whatever subject."""
    recorder = Recorder("one")
    one: Any = nats(recorder.subscriber)
    two = nats(recorder.subscriber)
    async with working(pool, one), working(pool, two):
        await put_out(pool, [event(1)])
        await _seen(recorder, 1)
        context = await one._link.jetstream()

        async def both_ask() -> None:
            while True:
                found = await context.consumer_info(one._link.stream, "one")
                if (found.num_waiting or 0) > 1:
                    return
                await asyncio.sleep(0.02)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(both_ask(), 2 * ACK_WAIT_S)


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

    broker = nats(subscriber(take))
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


async def test_what_was_stored_comes_to_a_consumer_that_was_not_running(
    pool: Pool, nats: Make
) -> None:
    """The durable consumer is made before the first event is stored, by whoever is first."""
    seen: list[Event] = []

    async def take(events: Sequence[Event]) -> None:
        seen.extend(events)

    publisher: Any = nats(subscriber(take))
    await publisher.publish([event(number) for number in range(3)])
    await publisher.publish([event(number) for number in range(3, 5)])
    async with working(pool, nats(subscriber(take))):
        await _holds(lambda: len(seen) == 5)
    assert numbers(seen) == [*range(5)]


async def test_an_event_published_twice_is_stored_once(nats: Make) -> None:
    broker: Any = nats(Recorder("one").subscriber)
    events = [event(number) for number in range(4)]
    for _ in range(3):
        await broker.publish(events)
    context = await broker._link.jetstream()
    found = await context.stream_info(broker._link.stream)
    assert found.state.messages == 4
    assert (found.config.storage, found.config.retention) == ("file", "interest")
    consumer = await context.consumer_info(broker._link.stream, "one")
    assert (consumer.config.ack_policy, consumer.num_pending) == ("explicit", 4)


async def test_what_is_no_event_is_dropped_and_the_rest_goes_on(pool: Pool, nats: Make) -> None:
    recorder = Recorder("one")
    broker: Any = nats(recorder.subscriber)
    await broker.publish([event(1)])
    context = await broker._link.jetstream()
    await context.publish(broker._link.subject_of(TYPE, "a"), b"not an event")
    await broker.publish([event(2)])
    async with working(pool, broker):
        await _seen(recorder, 2)
    assert numbers(recorder.seen) == [1, 2]
    found = await context.stream_info(broker._link.stream)
    assert found.state.messages == 0


async def test_a_stream_that_was_deleted_is_made_again(pool: Pool, nats: Make) -> None:
    recorder = Recorder("one")
    broker: Any = nats(recorder.subscriber)
    async with working(pool, broker):
        await put_out(pool, [event(1)])
        await _seen(recorder, 1)
        await (await broker._link.jetstream()).delete_stream(broker._link.stream)
        await put_out(pool, [event(2)])
        await _seen(recorder, 2)
    assert numbers(recorder.seen) == [1, 2]


async def test_a_later_event_is_not_stored_while_an_earlier_one_of_its_subject_is_not(
    nats: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker: Any = nats(Recorder("one").subscriber)
    context = await broker._link.jetstream()
    first, second, other = event(1, "a"), event(2, "a"), event(3, "b")
    publish_async = context.publish_async

    async def losing(subject: str, payload: bytes, **how: Any) -> Any:
        if how["headers"]["Nats-Msg-Id"] == str(first.id):
            return asyncio.get_running_loop().create_future()  # on a connection that broke
        return await publish_async(subject, payload, **how)

    monkeypatch.setattr(context, "publish_async", losing)
    monkeypatch.setattr("chassis.nats_broker.CALL_TIMEOUT_S", 0.3)
    with pytest.raises(PartlyTaken) as partly:
        await broker.publish([first, second, other])
    assert partly.value.taken == {other.id}
    monkeypatch.undo()
    await broker.publish([first, second, other])
    found = await context.stream_info(broker._link.stream)
    assert found.state.messages == 3


async def test_a_cluster_keeps_three_copies_and_goes_on_without_one_server(
    tmp_path: Path, pool: Pool, database_url: str
) -> None:
    servers = [NatsServer(tmp_path / str(number)) for number in range(3)]
    routes = [NatsServer(tmp_path).port for _ in servers]
    for number, one in enumerate(servers):
        one.in_cluster(f"n{number}", routes[number], routes)
        one.start()
    recorder = Recorder("one")
    urls = ",".join(one.url for one in servers)
    broker = NatsBroker(urls, [recorder.subscriber], database_url=database_url, ack_wait_s=1)
    try:
        async with working(pool, broker):
            await put_out(pool, [event(1)])
            await _seen(recorder, 1)
            context = await broker._link.jetstream()
            config = (await context.stream_info(broker._link.stream)).config
            assert config.num_replicas == 3
            servers[0].kill()
            await put_out(pool, [event(2)])
            await _seen(recorder, 2)
            await until(pool, "NOT EXISTS (SELECT FROM outbox)")
    finally:
        await broker.close()
        for one in servers:
            one.kill()
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


async def _seen(recorder: Recorder, count: int) -> None:
    await _holds(lambda: len(recorder.seen) >= count)


async def _holds(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(IN_TIME_S):
        while not condition():  # noqa: ASYNC110  what a subscriber was given rings no bell
            await asyncio.sleep(0.005)
