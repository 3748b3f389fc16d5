"""The outbox relay: everything goes out, in order, and one relay at a time sends it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY

from chassis.events.broker import MemoryBroker, PartlyTaken
from chassis.events.envelope import Event
from chassis.events.inbox import Inbox
from chassis.events.relay import Relay
from chassis.observability import logs
from chassis.postgres.pool import Pool, open_pool
from tests.support.brokers import until
from tests.support.events import (
    TYPE,
    event,
    make_scratch_schema,
    numbers,
    put_out,
    subscriber,
    write_effects,
)

LOG = logs.get("test")
OTHER_TYPE = "stampede.tests.other.v1"
IN_TIME_S = 10.0
LEADERS = """FROM pg_locks WHERE locktype = 'advisory' AND granted AND database =
             (SELECT oid FROM pg_database WHERE datname = current_database())"""


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await make_scratch_schema(database_url)
    opened = await open_pool(database_url, "scratch", size=6)
    yield opened
    opened.terminate()


def relay(pool: Pool, *subscribers: Any, source: str = "scratch") -> Relay:
    return Relay(pool, MemoryBroker(subscribers), source=source, log=LOG)


class Recorder:
    """A subscriber that writes down what it was given, and can be told how to answer."""

    def __init__(self, types: frozenset[str] = frozenset({TYPE}), name: str = "recorder") -> None:
        self.seen: list[Event] = []
        self.arrived = asyncio.Event()
        self.status: int | None = None
        self.hold: asyncio.Event | None = None
        self.subscriber = subscriber(self.take, name, types)

    async def take(self, events: list[Event]) -> int | None:
        self.arrived.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.status is None:
            self.seen.extend(events)
        return self.status


@asynccontextmanager
async def running(*relays: Relay) -> AsyncIterator[list["asyncio.Task[None]"]]:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(one.run(stop)) for one in relays]
    try:
        yield tasks
    finally:
        stop.set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), IN_TIME_S)


async def test_a_round_hands_over_everything_in_order_and_forgets_it(pool: Pool) -> None:
    events = [event(number, subject=str(number % 3)) for number in range(20)]
    await put_out(pool, events)
    recorder = Recorder()

    assert await relay(pool, recorder.subscriber).round() == 20
    assert [one.id for one in recorder.seen] == [one.id for one in events]
    first = recorder.seen[0]
    assert (first.source, first.requestid, first.specversion) == ("scratch", "req-1", "1.0")
    assert first.time.tzinfo is not None
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 0
    assert await relay(pool, recorder.subscriber).round() == 0


async def test_a_row_that_commits_late_with_a_low_number_still_goes_out(pool: Pool) -> None:
    recorder = Recorder()
    one = relay(pool, recorder.subscriber)
    async with pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await put_out(slow, [event(1)])  # draws position 1, not committed
        await put_out(pool, [event(2)])  # position 2, committed
        assert await one.round() == 1
        await transaction.commit()
    assert await one.round() == 1
    assert numbers(recorder.seen) == [2, 1]


async def test_nothing_is_forgotten_that_a_subscriber_did_not_take(pool: Pool) -> None:
    recorder = Recorder()
    recorder.status = 503
    await put_out(pool, [event(1), event(2)])
    one = relay(pool, recorder.subscriber)
    with pytest.raises(PartlyTaken):
        await one.round()
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 2
    recorder.status = None
    assert await one.round() == 2
    assert len(recorder.seen) == 2


async def test_a_subscriber_that_is_away_holds_up_nobody_else(pool: Pool) -> None:
    away, well = Recorder(name="away"), Recorder(frozenset({TYPE, OTHER_TYPE}), name="well")
    away.status = 503
    shared, for_well_only = event(1), event(2, type_=OTHER_TYPE)
    await put_out(pool, [shared, for_well_only])
    one = relay(pool, away.subscriber, well.subscriber)
    for _ in range(2):
        with pytest.raises(PartlyTaken):
            await one.round()
    assert [e.id for e in well.seen] == [shared.id, for_well_only.id]  # and not twice
    assert await pool.fetchval("SELECT array_agg(event_id) FROM outbox") == [shared.id]
    away.status = None
    assert await one.round() == 1
    assert [e.id for e in away.seen] == [shared.id]


async def test_a_backlog_for_one_subscriber_does_not_hide_what_others_wait_for(pool: Pool) -> None:
    away, well = Recorder(name="away"), Recorder(frozenset({OTHER_TYPE}), name="well")
    away.status = 503
    await put_out(pool, [event(number) for number in range(1200)])
    await put_out(pool, [event(1, type_=OTHER_TYPE)])
    async with running(relay(pool, away.subscriber, well.subscriber)):
        await until(pool, "NOT EXISTS (SELECT 1 FROM outbox WHERE type = $1)", OTHER_TYPE)
        away.status = None
        await until(pool, "NOT EXISTS (SELECT 1 FROM outbox)")
    assert numbers(away.seen) == [*range(1200)]


async def test_an_event_that_is_refused_as_such_keeps_back_its_own_subject_only(pool: Pool) -> None:
    taken: list[int] = []

    async def take(events: list[Event]) -> int | None:
        if 2 in numbers(events):
            return 400
        taken.extend(numbers(events))
        return None

    await put_out(pool, [event(1, "a"), event(2, "b"), event(3, "b"), event(4, "c")])
    one = relay(pool, subscriber(take))
    with pytest.raises(PartlyTaken, match="400"):
        await one.round()
    assert taken == [1, 4]
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 2


async def test_a_subscriber_that_hangs_gets_one_call_while_the_others_go_on(pool: Pool) -> None:
    hanging, well = Recorder(name="hanging"), Recorder(name="well")
    hanging.hold = asyncio.Event()
    async with running(relay(pool, hanging.subscriber, well.subscriber)):
        await put_out(pool, [event(1)])
        await asyncio.wait_for(hanging.arrived.wait(), IN_TIME_S)
        well.arrived.clear()
        await put_out(pool, [event(2)])
        await asyncio.wait_for(well.arrived.wait(), IN_TIME_S)
        assert hanging.seen == []
        hanging.hold.set()
        await until(pool, "NOT EXISTS (SELECT 1 FROM outbox)")
    assert numbers(hanging.seen) == [1, 2]


async def test_two_relays_send_everything_once_and_the_second_takes_over(pool: Pool) -> None:
    recorder = Recorder()
    first, second = relay(pool, recorder.subscriber), relay(pool, recorder.subscriber)
    async with running(first, second):
        await until(pool, f"count(*) = 1 {LEADERS}")
        await put_out(pool, [event(number) for number in range(50)])
        await until(pool, "NOT EXISTS (SELECT 1 FROM outbox)")
        leader = await pool.fetchval(f"SELECT pid {LEADERS}")
        await pool.execute("SELECT pg_terminate_backend($1)", leader)
        await put_out(pool, [event(number) for number in range(50, 100)])
        await until(pool, "NOT EXISTS (SELECT 1 FROM outbox)")
    assert numbers(recorder.seen) == [*range(100)]


async def test_a_relay_that_lost_its_lock_stops_publishing_at_once(pool: Pool) -> None:
    cancelled = asyncio.Event()

    class Hanging:
        def __init__(self) -> None:
            self.calls = 0
            self.called = asyncio.Event()

        async def publish(self, events: Any) -> None:
            self.calls += 1
            self.called.set()
            if self.calls > 1:
                return
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise

    broker = Hanging()
    await put_out(pool, [event(1)])
    async with running(Relay(pool, broker, source="scratch", log=LOG)):
        await asyncio.wait_for(broker.called.wait(), IN_TIME_S)
        leader = await pool.fetchval(f"SELECT pid {LEADERS}")
        await pool.execute("SELECT pg_terminate_backend($1)", leader)
        await asyncio.wait_for(cancelled.wait(), IN_TIME_S)
        await until(pool, "NOT EXISTS (SELECT 1 FROM outbox)")
    assert broker.calls == 2


async def test_a_relay_killed_between_publishing_and_deleting_doubles_no_effect(pool: Pool) -> None:
    inbox = Inbox(pool, "test", write_effects, LOG)
    taken = asyncio.Event()

    async def take_and_be_cut_off(events: list[Event]) -> None:
        await inbox.take(events)
        taken.set()
        await asyncio.Event().wait()

    await put_out(pool, [event(number) for number in range(5)])
    dying = asyncio.create_task(relay(pool, subscriber(take_and_be_cut_off)).round())
    await asyncio.wait_for(taken.wait(), IN_TIME_S)
    dying.cancel()
    with suppress(asyncio.CancelledError):
        await dying
    assert await pool.fetchval("SELECT count(*) FROM outbox") == 5
    assert await relay(pool, subscriber(inbox.take)).round() == 5
    assert await pool.fetchval("SELECT array_agg(number ORDER BY place) FROM effects") == [
        *range(5)
    ]


async def test_the_relay_survives_a_database_that_throws_it_out(pool: Pool) -> None:
    recorder = Recorder()
    async with running(relay(pool, recorder.subscriber)) as tasks:
        for number in range(3):
            await put_out(pool, [event(number)])
            await until(pool, "NOT EXISTS (SELECT 1 FROM outbox)")
            leader = await pool.fetchval(f"SELECT pid {LEADERS}")
            if leader is not None:
                await pool.execute("SELECT pg_terminate_backend($1)", leader)
        assert not tasks[0].done()
    assert numbers(recorder.seen) == [0, 1, 2]


async def test_the_backlog_is_measured_while_leading_and_forgotten_afterwards(pool: Pool) -> None:
    recorder = Recorder()
    recorder.status = 503
    await put_out(pool, [event(number) for number in range(7)])

    def depth() -> float | None:
        return REGISTRY.get_sample_value("stampede_outbox_depth_rows", {"source": "measured"})

    async with running(relay(pool, recorder.subscriber, source="measured")):
        async with asyncio.timeout(IN_TIME_S):
            while depth() is None:  # noqa: ASYNC110  a gauge rings no bell
                await asyncio.sleep(0.01)
        assert depth() == 7
    assert depth() is None


async def test_calls_stay_below_the_size_that_a_service_takes(pool: Pool) -> None:
    sizes: list[int] = []

    async def take(events: list[Event]) -> None:
        sizes.append(sum(len(bytes(e.data)) for e in events))

    await pool.executemany(
        "INSERT INTO outbox (event_id, type, subject, request_id, data)"
        " VALUES (gen_random_uuid(), $1, 'a', 'r', jsonb_build_object('text', repeat('x', $2)))",
        [(TYPE, 100_000)] * 12,
    )
    assert await relay(pool, subscriber(take)).round() == 12
    assert len(sizes) == 3
    assert max(sizes) <= 512 * 1024


async def test_the_relay_of_another_schema_does_not_stand_in_the_way(
    pool: Pool, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "public"})
    recorder = Recorder()
    try:
        key = "hashtextextended('outbox relay of ' || current_schema(), 7383)"
        assert await connection.fetchval(f"SELECT pg_try_advisory_lock({key})")
        async with running(relay(pool, recorder.subscriber)):
            await put_out(pool, [event(1)])
            await until(pool, "NOT EXISTS (SELECT 1 FROM outbox)")
    finally:
        await connection.close()
    assert len(recorder.seen) == 1
