"""PostgreSQL changes its primary under the services: refusals say so, nothing is tried twice, and
writing goes on with the new one."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import asyncpg
import pytest

from chassis.concurrency.coalescer import Coalescer
from chassis.postgres.pool import connection, open_pool
from chassis.problems import Unavailable
from runtime.services import migrate_all
from tests.support.catalog import Catalog, running_catalog
from tests.support.standby import Pair, running_pair

VENUE = {"name": "Hall", "city": "上海", "address": "", "time_zone": "Asia/Shanghai"}
TRIES_MAX = 600


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair(synchronous=False) as pair:
        yield pair


@pytest.fixture
async def catalog(pair: Pair) -> AsyncIterator[Catalog]:
    assert await migrate_all(pair.url, ["catalog"])
    async with running_catalog(pair.url) as running:
        yield running


class Writers:
    """Four organizers that make one venue after another."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._enough = asyncio.Event()
        self.answers: list[tuple[int, str | None]] = []
        self.made: list[str] = []
        self._tasks = [asyncio.create_task(self._write()) for _ in range(4)]

    async def _write(self) -> None:
        while not self._enough.is_set():
            answer = await self._catalog.post("/venues", VENUE)
            self.answers.append((answer.status, answer.headers.get("retry-after")))
            if answer.status == 201:
                self.made.append(answer.json["venue_id"])
            await asyncio.sleep(0.01)

    async def made_more(self, count: int) -> None:
        wanted = len(self.made) + count
        for _ in range(TRIES_MAX):
            if len(self.made) >= wanted:
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"nothing is written any more: {self.answers[-5:]}")

    async def refused(self) -> None:
        before = len(self.answers)
        for _ in range(TRIES_MAX):
            if any(status == 503 for status, _ in self.answers[before:]):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("nobody was refused")

    async def end(self) -> None:
        self._enough.set()
        await asyncio.gather(*self._tasks)


def only_503_said_when_to_come_back(writers: Writers) -> None:
    assert {status for status, _ in writers.answers} == {201, 503}
    assert all(after for status, after in writers.answers if status == 503)


async def test_a_killed_primary_is_503_until_its_standby_is_promoted(
    pair: Pair, catalog: Catalog
) -> None:
    writers = Writers(catalog)
    await writers.made_more(20)
    await pair.caught_up()
    pair.kill_primary()
    await writers.refused()
    pair.promote()
    await writers.made_more(20)
    await writers.end()
    only_503_said_when_to_come_back(writers)


async def test_a_primary_that_takes_no_more_writes_is_left_for_the_promoted_standby(
    pair: Pair, catalog: Catalog
) -> None:
    """Its connections stay open, and would refuse every write for as long as they live."""
    writers = Writers(catalog)
    await writers.made_more(20)
    await pair.fence_primary()
    await writers.refused()
    pair.promote()
    await writers.made_more(20)
    await writers.end()
    only_503_said_when_to_come_back(writers)
    newest = await asyncpg.connect(pair.primary_url)
    try:
        query = "SELECT count(*) FROM catalog.venues WHERE venue_id = ANY($1::uuid[])"
        assert await newest.fetchval(query, writers.made[-20:]) == 20
    finally:
        await newest.close()


async def test_a_batch_whose_connection_was_lost_is_not_tried_again(database_url: str) -> None:
    """It may have been committed. The server ends the session while the statement waits."""
    tried: list[Sequence[int]] = []
    pool = await open_pool(database_url, "catalog", size=2)
    other = await asyncpg.connect(database_url)

    async def lock(items: Sequence[int]) -> list[int | BaseException]:
        tried.append(items)
        async with connection(pool) as db:
            await db.execute("SELECT pg_advisory_xact_lock(77), pg_backend_pid()")
        return list(items)

    coalescer: Coalescer[int, int] = Coalescer(lock, batch_max=10, queue_max=10)
    try:
        await other.execute("SELECT pg_advisory_lock(77)")
        waiting = [asyncio.create_task(coalescer.call(item)) for item in (1, 2, 3)]
        end = """SELECT pg_terminate_backend(pid) FROM pg_locks
                 WHERE locktype = 'advisory' AND objid = 77 AND NOT granted"""
        while not await other.fetchval(end):  # noqa: ASYNC110  locks have no bell
            await asyncio.sleep(0)
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in answers] == [Unavailable] * 3
        assert len({id(one) for one in answers}) == 3
        assert [list(items) for items in tried] == [[1, 2, 3]]
    finally:
        await other.close()
        await pool.close()
