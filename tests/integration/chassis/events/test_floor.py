"""The floor of the relay's reads: it keeps them cheap beside a dump, and hides no event."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

import chassis.events
from chassis.events.broker import MemoryBroker
from chassis.events.floor import ReadingFloor, read_by_key
from chassis.events.relay import BATCH_MAX, Relay
from chassis.observability import logs
from chassis.postgres.pool import Pool, load_queries, open_pool, own_session
from tests.support.brokers import Recorder, until
from tests.support.events import event, make_scratch_schema, numbers, put_out

LOG = logs.get("test")
OUTBOX = load_queries(Path(chassis.events.__file__).parent / "sql" / "outbox.sql")
EMPTY = "NOT EXISTS (SELECT 1 FROM outbox)"
DELETED = 6_000
BUFFERS_MAX = 15  # of a read beside a dump, whatever was deleted; 110 from the start of the table
IN_TIME_S = 10.0


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    await make_scratch_schema(database_url)
    opened = await open_pool(database_url, "scratch", size=6)
    yield opened
    opened.terminate()


@asynccontextmanager
async def relaying(pool: Pool) -> AsyncIterator[tuple[Relay, Recorder]]:
    recorder, stop = Recorder("recorder"), asyncio.Event()
    relay = Relay(pool, MemoryBroker([recorder.subscriber]), source="scratch", log=LOG)
    task = asyncio.create_task(relay.run(stop))
    try:
        yield relay, recorder
    finally:
        stop.set()
        await asyncio.wait_for(task, IN_TIME_S)


@asynccontextmanager
async def dump(pool: Pool) -> AsyncIterator[None]:
    """A transaction that sees every row which is deleted while it lasts."""
    async with pool.acquire() as db, db.transaction(isolation="repeatable_read", readonly=True):
        await db.fetch("SELECT count(*) FROM outbox")
        yield


async def buffers(pool: Pool, floor: int) -> int:
    """How many the relay's read touches."""
    async with own_session(pool) as db:
        await read_by_key(db)
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {OUTBOX.undelivered.sql}"
        told = msgspec.json.decode(await db.fetchval(explain, floor, BATCH_MAX))
    plan = told[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


async def risen(pool: Pool, relay: Relay, above: int) -> None:
    async with asyncio.timeout(IN_TIME_S):
        while relay.floor.position <= above:  # noqa: ASYNC110  a floor rings no bell
            await asyncio.sleep(0.01)


async def test_a_read_beside_a_dump_costs_the_same_whatever_was_deleted(pool: Pool) -> None:
    async with relaying(pool) as (relay, _), dump(pool):
        for first in range(0, DELETED, 1_000):
            await put_out(pool, [event(number) for number in range(first, first + 1_000)])
        await until(pool, EMPTY)
        await risen(pool, relay, DELETED)
        assert await buffers(pool, 0) > 5 * BUFFERS_MAX  # the dump does hold them
        assert await buffers(pool, relay.floor.position) < BUFFERS_MAX


async def test_a_row_that_commits_late_is_never_below_the_floor(pool: Pool) -> None:
    """Others come, are delivered and let the floor rise, while one has drawn its position only."""
    async with relaying(pool) as (relay, recorder):
        await put_out(pool, [event(0)])
        await risen(pool, relay, 1)
        async with pool.acquire() as slow, slow.transaction():
            await put_out(slow, [event(1)])
            for number in range(2, 6):  # each is read, deleted, and a reason to rise
                await put_out(pool, [event(number)])
                await until(pool, EMPTY)
            assert relay.floor.position <= 2
        await until(pool, EMPTY)
        assert numbers(recorder.seen) == [0, 2, 3, 4, 5, 1]
        await risen(pool, relay, 6)


async def test_a_position_that_is_drawn_before_its_transaction_has_an_id_counts(pool: Pool) -> None:
    """The position is drawn, and the row is not written yet: no snapshot knows of this transaction."""
    await pool.execute(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF NEW.subject = 'slow' THEN PERFORM pg_advisory_xact_lock_shared(1); END IF;"
        " RETURN NEW; END $$;"
        "CREATE TRIGGER waiting BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION wait()"
    )
    async with relaying(pool) as (relay, recorder):
        async with pool.acquire() as lock, lock.transaction():
            await lock.execute("SELECT pg_advisory_xact_lock(1)")
            slow = asyncio.create_task(put_out(pool, [event(1, "slow")]))
            await until(pool, "EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
            for number in range(2, 6):
                await put_out(pool, [event(number)])
                await until(pool, EMPTY)
            assert relay.floor.position <= 1
        await slow
        await until(pool, EMPTY)
    assert numbers(recorder.seen) == [2, 3, 4, 5, 1]


async def test_the_floor_rises_though_somebody_always_writes(pool: Pool) -> None:
    floor = ReadingFloor()
    async with pool.acquire() as one, pool.acquire() as other:
        writing = one.transaction()
        await writing.start()
        await put_out(one, [event(0)])
        for number in range(1, 8):
            db = (one, other)[number % 2]
            following = db.transaction()
            await following.start()
            await put_out(db, [event(number)])
            await writing.commit()
            writing = following
            await read(pool, floor)
            await rise(pool, floor)
        await writing.rollback()
    await read(pool, floor)
    assert floor.position >= 5


async def test_a_row_that_nobody_takes_stays_above_the_floor(pool: Pool) -> None:
    floor = ReadingFloor()
    await put_out(pool, [event(number) for number in range(5)])
    for _ in range(3):
        await read(pool, floor, but=3)
        await rise(pool, floor)
    assert floor.position == 3
    assert [row["position"] async for row in rows(pool, floor)] == [3]


async def rows(pool: Pool, floor: ReadingFloor) -> AsyncIterator[object]:
    async with pool.acquire() as db:
        async for row in OUTBOX.undelivered(db, floor=floor.position, limit=BATCH_MAX):
            yield row


async def read(pool: Pool, floor: ReadingFloor, *, but: int = 0) -> None:
    """As the relay does it: reads, and deletes what was delivered."""
    found = [row["position"] async for row in rows(pool, floor)]  # type: ignore[index]
    floor.has_read(found)
    await pool.execute("DELETE FROM outbox WHERE position = ANY($1) AND position <> $2", found, but)


async def rise(pool: Pool, floor: ReadingFloor) -> None:
    async with pool.acquire() as db:
        await floor.rise(db)
