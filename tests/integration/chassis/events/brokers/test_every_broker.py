"""What every broker promises, over each of them: outbox → relay → broker → subscriber → inbox.

The subscribers' effects show order and doubles. NATS is a real nats-server with files.
"""

import asyncio
from contextlib import suppress

from chassis.events.envelope import Event
from chassis.events.inbox import Inbox
from chassis.events.relay import Relay
from chassis.postgres.pool import Pool
from tests.support.brokers import (
    BOTH,
    IN_TIME_S,
    LOG,
    OTHER_TYPE,
    Make,
    Recorder,
    effects,
    holds,
    seen,
    until,
    working,
)
from tests.support.events import TYPE, event, numbers, put_out, subscriber, write_effects


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
        await seen(well, 6)
        assert away.seen == []
        away.status = None
        await seen(away, 3)
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
        await holds(lambda: len(taken) == 2)
        await put_out(pool, [event(5, "b"), event(6, "a")])
        await holds(lambda: len(taken) == 3)
        assert taken == [1, 4, 6]
        accepts_two = True
        await holds(lambda: len(taken) == 6)
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
    fed: list[int] = []

    async def take(events: list[Event]) -> None:
        await asyncio.sleep(0)
        fed.extend(numbers(events))

    one, two = make_broker(subscriber(take)), make_broker(subscriber(take))
    async with working(pool, one), working(pool, two):
        for start in range(0, 200, 20):
            await put_out(pool, [event(number) for number in range(start, start + 20)])
        await holds(lambda: len(fed) >= 200)
    assert fed == [*range(200)]
