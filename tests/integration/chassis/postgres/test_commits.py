"""Commits that wait for a standby: nobody of ours cancels one, and one that others cancel is no success."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY

from chassis.observability.reports import Report
from chassis.postgres.metrics import STANDBYS, measure_standbys
from chassis.postgres.pool import Pool, connection, open_pool, own_session, transaction
from chassis.postgres.replicated import until_replicated, weak_commits
from chassis.problems import Unavailable
from tests.support.standby import Pair, ask, connected, running_pair

SHORT_S = 0.3
WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


@pytest.fixture
async def pool(pair: Pair) -> AsyncIterator[Pool]:
    async with connected(pair.primary_url) as db:
        await db.execute("CREATE SCHEMA IF NOT EXISTS scratch")
        await db.execute("CREATE TABLE IF NOT EXISTS scratch.notes (n int)")
        await db.execute("TRUNCATE scratch.notes")
    pool = await open_pool(pair.url, "scratch", size=4)
    yield pool
    pool.terminate()


async def seen(pair: Pair) -> list[int]:
    async with connected(pair.primary_url) as db:
        return [row["n"] for row in await db.fetch("SELECT n FROM scratch.notes ORDER BY n")]


async def note(pool: Pool, number: int, **how: Any) -> None:
    async with connection(pool) as db:
        await db.execute("INSERT INTO notes VALUES ($1)", number, **how)


async def note_in_transaction(pool: Pool, number: int) -> None:
    async with transaction(pool) as tx:
        await tx.execute("INSERT INTO notes VALUES ($1)", number)


async def end_waiting(pair: Pair, function: str) -> None:
    """As an administrator does: pg_cancel_backend or pg_terminate_backend."""
    assert await ask(pair.primary_url, f"SELECT count({function}(pid)) FROM ({WAITING}) AS w")


async def test_a_commit_that_takes_too_long_is_left_to_the_server_and_seen_by_nobody(
    pair: Pair, pool: Pool
) -> None:
    with pair.standby_cut_off():
        with pytest.raises(Unavailable):
            await note(pool, 1, timeout=SHORT_S)
        await pair.commits_waiting(1)
        assert await seen(pair) == []
    await pair.commits_waiting(0)
    assert await seen(pair) == [1]


@pytest.mark.parametrize("write", [note, note_in_transaction])
async def test_a_cancelled_task_leaves_its_commit_to_the_server_and_stays_cancelled(
    pair: Pair, pool: Pool, write: Any
) -> None:
    with pair.standby_cut_off():
        writing = asyncio.create_task(write(pool, 1))
        await pair.commits_waiting(1)
        writing.cancel()
        await asyncio.wait([writing])
        assert writing.cancelled()
        await pair.commits_waiting(1)
        assert await seen(pair) == []
    await pair.commits_waiting(0)


async def test_a_task_that_is_cancelled_in_the_middle_of_a_transaction_stays_cancelled(
    pair: Pair, pool: Pool
) -> None:
    async def work() -> None:
        async with transaction(pool) as tx:
            await tx.execute("INSERT INTO notes VALUES (1)")
            await tx.execute("SELECT pg_sleep(60)")

    working = asyncio.create_task(work())
    sleeping = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep')"
    while not await ask(pair.primary_url, sleeping):  # noqa: ASYNC110  PostgreSQL has no bell for it
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.wait([working])
    assert working.cancelled()
    await note(pool, 2)
    assert await seen(pair) == [2]


@pytest.mark.parametrize("write", [note, note_in_transaction])
async def test_a_commit_that_somebody_else_cancels_is_no_success(
    pair: Pair, pool: Pool, write: Any
) -> None:
    """PostgreSQL answers it with success and a warning."""
    with pair.standby_cut_off():
        writing = asyncio.create_task(write(pool, 1))
        await pair.commits_waiting(1)
        await end_waiting(pair, "pg_cancel_backend")
        with pytest.raises(Unavailable, match="not confirmed"):
            await writing
        assert await seen(pair) == [1]
    await write(pool, 2)


async def test_control_without_the_warning_a_cancelled_commit_is_a_success(pair: Pair) -> None:
    with pair.standby_cut_off():
        async with connected(pair.primary_url) as db:
            writing = asyncio.create_task(db.execute("CREATE TABLE elsewhere ()"))
            await pair.commits_waiting(1)
            await end_waiting(pair, "pg_cancel_backend")
            assert await writing == "CREATE TABLE"


async def test_what_is_visible_before_it_is_replicated_is_waited_for(
    pair: Pair, pool: Pool
) -> None:
    with pair.standby_cut_off():
        writing = asyncio.create_task(note(pool, 1))
        await pair.commits_waiting(1)
        await end_waiting(pair, "pg_terminate_backend")
        with pytest.raises(Unavailable):
            await writing

        async def reread(read: asyncio.Event) -> None:
            async with connection(pool) as db:
                assert await db.fetchval("SELECT n FROM notes") == 1
                read.set()
                await until_replicated(db)

        read = asyncio.Event()
        answering = asyncio.create_task(reread(read))
        await read.wait()
        await pair.commits_waiting(1)
        assert not answering.done()
    await answering


async def test_a_lead_is_lost_with_its_connection_and_can_be_had_again(
    pair: Pair, pool: Pool
) -> None:
    lock = "SELECT pg_try_advisory_lock(7)"

    async def lead() -> None:
        async with own_session(pool) as db:
            assert await db.fetchval(lock)
            await db.execute("SELECT pg_sleep(0.6)", timeout=SHORT_S)

    with pytest.raises(Unavailable):
        await lead()
    async with connected(pair.primary_url) as other:
        while not await other.fetchval(lock):  # noqa: ASYNC110  locks have no bell
            await asyncio.sleep(0)


async def test_the_pool_has_all_its_connections_after_some_were_dropped(
    pair: Pair, pool: Pool
) -> None:
    async def too_long(number: int) -> None:
        await note(pool, number, timeout=SHORT_S)

    with pair.standby_cut_off():
        dropped = await asyncio.gather(*map(too_long, range(8)), return_exceptions=True)
        assert {type(one) for one in dropped} == {Unavailable}
    barrier = asyncio.Barrier(4)

    async def together() -> None:
        async with connection(pool) as db:
            await db.execute("SELECT 1")
            await barrier.wait()

    await asyncio.wait_for(asyncio.gather(*(together() for _ in range(4))), 20)
    assert pool.get_size() == 4


@pytest.mark.parametrize(
    ("waits_for", "weak_with_standby", "weak_alone"),
    [
        ("on", False, False),
        ("remote_apply", False, False),
        ("remote_write", True, False),
        ("local", True, False),
        ("off", True, True),
    ],
)
async def test_a_server_that_answers_before_a_commit_is_safe_is_named(
    pair: Pair, waits_for: str, weak_with_standby: bool, weak_alone: bool
) -> None:
    for url, weak in ((pair.primary_url, weak_with_standby), (pair.standby_url, weak_alone)):
        async with connected(url) as db:
            await db.execute(f"SET synchronous_commit = {waits_for}")
            assert await weak_commits(db) == (waits_for if weak else None)


async def test_a_standby_is_shown_with_its_lag_and_no_longer_when_it_is_withdrawn(
    pair: Pair, pool: Pool
) -> None:
    report = Report()
    await measure_standbys(pool, report)
    (family,) = STANDBYS.collect()
    (sample,) = family.samples
    assert sample.value == 1
    assert sample.labels["state"] in {"streaming", "catchup"}
    async with connected(pair.primary_url) as db:
        name = await db.fetchval("SELECT application_name FROM pg_stat_replication")
    lag = REGISTRY.get_sample_value("stampede_postgres_standby_lag_bytes", {"standby": name})
    assert lag is not None
    assert lag >= 0
    report.withdraw()
    (family,) = STANDBYS.collect()
    assert family.samples == []
