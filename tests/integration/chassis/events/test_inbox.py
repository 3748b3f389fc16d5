"""The inbox: an effect once for each event, and a way back for those that fail."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from chassis.events import inbox as inbox_module
from chassis.events.archive import DAYS_MAX
from chassis.events.envelope import Event
from chassis.events.inbox import ATTEMPTS_MAX, Apply, Entered, Inbox, list_dead, purge, retry
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, open_pool
from chassis.problems import Unavailable
from chassis.settings import SettingsError, load
from tests.support.events import event, make_scratch_schema, numbers, write_effects

LOG = logs.get("test")


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await make_scratch_schema(database_url)
    opened = await open_pool(database_url, "scratch", size=6)
    yield opened
    opened.terminate()


def inbox(pool: Pool, apply: Apply = write_effects, **limits: Any) -> Inbox:
    return Inbox(pool, "test", apply, LOG, **limits)


async def effects(pool: Pool, subject: str | None = None) -> list[int]:
    rows = await pool.fetch(
        "SELECT number FROM effects WHERE $1::text IS NULL OR subject = $1 ORDER BY place", subject
    )
    return [row["number"] for row in rows]


async def make_due(pool: Pool) -> None:
    """Time passes: every letter's next attempt is now."""
    await pool.execute(
        "UPDATE dead_letters SET next_attempt = now() WHERE next_attempt IS NOT NULL"
    )


async def heal(pool: Pool) -> None:
    """What made events poison is mended."""
    await pool.execute(
        "UPDATE dead_letters SET event = jsonb_set(event, '{data,number}',"
        " to_jsonb(abs((event #>> '{data,number}')::int)))"
    )


async def test_an_event_delivered_five_times_takes_effect_once(pool: Pool) -> None:
    one = inbox(pool)
    events = [event(1), event(2, "b")]
    for _ in range(5):
        await one.take(events)
    assert await effects(pool) == [1, 2]


async def test_an_event_twice_in_one_batch_takes_effect_once(pool: Pool) -> None:
    twice = event(1)
    await inbox(pool).take([twice, event(2), twice])
    assert await effects(pool) == [1, 2]


async def test_concurrent_and_permuted_deliveries_take_effect_once(pool: Pool) -> None:
    one = inbox(pool, ordered=False)
    events = [event(number, str(number)) for number in range(60)]
    shuffler = random.Random(7)

    async def deliver() -> None:
        mine = list(events)
        shuffler.shuffle(mine)
        for start in range(0, len(mine), 10):
            await one.take(mine[start : start + 10])

    await asyncio.gather(*[deliver() for _ in range(5)])
    assert sorted(await effects(pool)) == [*range(60)]


async def test_without_the_inbox_row_the_effect_doubles(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutation control of the tests above: their mechanism taken out."""
    monkeypatch.setattr(Inbox, "_enter", _everything_is_new)
    one, events = inbox(pool), [event(1), event(2)]
    await one.take(events)
    await one.take(events)
    assert await effects(pool) == [1, 2, 1, 2]


async def _everything_is_new(self: Inbox, db: Connection, events: Sequence[Event]) -> Entered:
    return Entered(list(events), all_are_new=True, some_wait=False)


async def test_a_connection_lost_in_the_middle_leaves_nothing_and_the_next_delivery_all(
    pool: Pool,
) -> None:
    events = [event(number) for number in range(3)]
    lost = False

    async def apply(db: Connection, taken: Sequence[Event]) -> None:
        nonlocal lost
        await write_effects(db, taken)
        if not lost:
            lost = True
            pid = await db.fetchval("SELECT pg_backend_pid()")
            await pool.execute("SELECT pg_terminate_backend($1)", pid)
            await db.fetchval("SELECT 1")

    one = inbox(pool, apply)
    with pytest.raises(Unavailable):
        await one.take(events)
    assert await effects(pool) == []
    assert await pool.fetchval("SELECT count(*) FROM dead_letters") == 0
    await one.take(events)
    assert await effects(pool) == [0, 1, 2]


async def test_a_deadlock_is_nobodys_poison(pool: Pool) -> None:
    async def apply(db: Connection, taken: Sequence[Event]) -> None:
        raise asyncpg.DeadlockDetectedError("deadlock detected")

    with pytest.raises(Unavailable):
        await inbox(pool, apply).take([event(1)])
    assert await pool.fetchval("SELECT count(*) FROM dead_letters") == 0
    assert await pool.fetchval("SELECT count(*) FROM inbox") == 0


async def test_a_poison_event_is_set_aside_and_the_others_take_effect(pool: Pool) -> None:
    one = inbox(pool)
    poison = event(-1, "b")
    await one.take([event(1, "a"), poison, event(3, "c")])
    assert await effects(pool) == [1, 3]
    async with pool.acquire() as db:
        (letter,) = await list_dead(db)
    assert (letter.event_id, letter.attempts) == (poison.id, 1)
    assert (letter.subject, letter.request_id) == ("b", "req-1")
    assert letter.reason == "ValueError: number -1 is poison"
    assert letter.next_attempt is not None
    await one.take([poison])  # a redelivery does not try it beside its letter
    assert await pool.fetchval("SELECT attempts FROM dead_letters") == 1


async def test_an_argument_that_no_column_takes_is_poison_not_an_outage(pool: Pool) -> None:
    async def apply(db: Connection, taken: Sequence[Event]) -> None:
        for number in numbers(taken):
            await db.execute("INSERT INTO effects (number) VALUES ($1)", number)

    await inbox(pool, apply).take([event(10**12, "a"), event(2, "b")])
    assert await effects(pool) == [2]
    assert await pool.fetchval("SELECT count(*) FROM dead_letters") == 1


async def test_later_events_of_a_subject_wait_behind_the_one_that_failed(pool: Pool) -> None:
    one = inbox(pool)
    await one.take([event(1), event(-2), event(3), event(4), event(9, "b")])
    await one.take([event(5)])
    assert await effects(pool) == [1, 9]
    await make_due(pool)
    await heal(pool)
    assert await one.retry_due() == 4
    assert await effects(pool, "a") == [1, 2, 3, 4, 5]
    assert await pool.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_it_waits_too_if_that_one_fails_in_another_delivery_meanwhile(pool: Pool) -> None:
    """A successor's delivery begins with the same event, and waits for the row that the first one has not
    committed. Its statement began before anything waited for a retry."""
    first, later = event(-1, "a"), event(2, "a")
    async with pool.acquire() as other:
        setting_aside = other.transaction()
        await setting_aside.start()
        await other.execute("INSERT INTO inbox (event_id) VALUES ($1)", first.id)
        await other.execute(
            "INSERT INTO dead_letters (event_id, event, reason, next_attempt)"
            " VALUES ($1, $2, 'failed', now() + interval '1 hour')",
            first.id,
            msgspec.json.encode(first).decode(),
        )
        taking = asyncio.create_task(inbox(pool).take([first, later]))
        await somebody_waits_for_a_lock(pool)
        await setting_aside.commit()
        await taking
    assert await effects(pool) == []
    async with pool.acquire() as db:
        assert {letter.event_id for letter in await list_dead(db)} == {first.id, later.id}


async def somebody_waits_for_a_lock(pool: Pool) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    while not await pool.fetchval(waiting):  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def test_where_effects_commute_nothing_waits_for_a_failed_neighbour(pool: Pool) -> None:
    await inbox(pool, ordered=False).take([event(1), event(-2), event(3)])
    assert await effects(pool) == [1, 3]


async def test_after_its_last_attempt_an_event_is_dead_and_those_behind_it_go_on(
    pool: Pool,
) -> None:
    one = inbox(pool)
    await one.take([event(-1), event(2)])
    for _ in range(ATTEMPTS_MAX - 1):
        assert await effects(pool) == []
        await make_due(pool)
        await one.retry_due()
    assert await effects(pool) == [2]
    async with pool.acquire() as db:
        (letter,) = await list_dead(db)
    assert (letter.attempts, letter.next_attempt) == (ATTEMPTS_MAX, None)
    assert await one.retry_due() == 0


async def test_an_operator_sends_the_dead_back_or_throws_them_away(pool: Pool) -> None:
    one = inbox(pool, ordered=False)
    first, second, third = event(-1), event(-2), event(-3)
    await one.take([first, second, third])
    await pool.execute("UPDATE dead_letters SET next_attempt = NULL, attempts = 8")
    await heal(pool)
    async with pool.acquire() as db:
        assert await retry(db, [second.id]) == 1
        assert await one.retry_due() == 1
        assert await effects(pool) == [2]
        assert await purge(db, [third.id]) == 1
        assert await retry(db) == 1
        assert await purge(db) == 0  # what waits for its attempt is not dead
        assert await one.retry_due() == 1
        assert await list_dead(db) == []
    assert await effects(pool) == [2, 1]
    await one.take([third])  # purged is forgotten, not undone
    assert await effects(pool) == [2, 1]


async def test_two_workers_try_a_letter_once_between_them(pool: Pool) -> None:
    one = inbox(pool, ordered=False)
    await one.take([event(-number, str(number)) for number in range(1, 21)])
    await make_due(pool)
    await heal(pool)
    tried = await asyncio.gather(*[inbox(pool).retry_due() for _ in range(3)])
    assert sum(tried) == 20
    assert sorted(await effects(pool)) == [*range(1, 21)]


async def test_a_failed_retry_leaves_nothing_of_its_effect(pool: Pool) -> None:
    async def apply(db: Connection, taken: Sequence[Event]) -> None:
        await db.execute("INSERT INTO effects (number) VALUES (7)")
        raise ValueError("after half of it")

    one = inbox(pool, apply)
    await one.take([event(1)])
    await make_due(pool)
    assert await one.retry_due() == 1
    assert await effects(pool) == []
    assert await pool.fetchval("SELECT attempts FROM dead_letters") == 2


async def test_each_attempt_waits_longer_than_the_one_before(pool: Pool) -> None:
    one = inbox(pool)
    await one.take([event(-1)])
    waits = []
    for _ in range(4):
        waits.append(
            await pool.fetchval(
                "SELECT extract(epoch FROM next_attempt - last_failed)::float8 FROM dead_letters"
            )
        )
        await make_due(pool)
        await one.retry_due()
    assert all(2.4 * 2**n < wait < 5.1 * 2**n for n, wait in enumerate(waits))


async def test_the_background_loop_retries_until_it_is_stopped(
    pool: Pool,
) -> None:
    done = asyncio.Event()

    async def apply(db: Connection, taken: Sequence[Event]) -> None:
        if numbers(taken)[0] > 0:
            done.set()
        await write_effects(db, taken)

    one = inbox(pool, apply, poll_s=0.01)
    await one.take([event(-1)])
    await make_due(pool)
    await heal(pool)
    stop = asyncio.Event()
    loop = asyncio.create_task(one.run(stop))
    await asyncio.wait_for(done.wait(), 5)
    stop.set()
    await asyncio.wait_for(loop, 5)
    assert await effects(pool) == [1]


async def test_old_inbox_rows_are_pruned_and_young_ones_kept(
    pool: Pool,
) -> None:
    one = inbox(pool, prune_batch_max=2)  # more than one batch of them
    await one.take([event(1), event(2, "b")])
    old = [
        UUID(int=(int(time.time() - days * 86_400) * 1000 << 80) + n)
        for n, days in enumerate((44, 46, 47, 400))
    ]
    await pool.executemany("INSERT INTO inbox (event_id) VALUES ($1)", [(one,) for one in old])
    assert await one.prune() == 3
    assert await pool.fetchval("SELECT count(*) FROM inbox") == 3
    assert await one.prune() == 0


def test_the_inbox_remembers_longer_than_anything_can_be_replayed() -> None:
    assert inbox_module.KEEP_DAYS > DAYS_MAX + 7
    with pytest.raises(SettingsError):
        load({"STAMPEDE_EVENT_ARCHIVE_DAYS": str(DAYS_MAX + 1)})
