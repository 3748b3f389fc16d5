"""A real PgBouncer between us and PostgreSQL: what it must carry, and what is refused in a sentence."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from chassis.postgres.leadership import lead
from chassis.postgres.pool import connection, open_pool, own_session, transaction
from chassis.postgres.pooler import PoolerError, check_pooler
from runtime.embedded import ServerUrls
from tests.support.pgbouncer import PgBouncer
from tests.support.servers import with_database

SCHEMAS = ("booking", "catalog")
Start = Callable[..., PgBouncer]


async def limit_statements(database_url: str) -> None:
    """What the docs ask for, here for the test's database alone."""
    db = await asyncpg.connect(database_url)
    name = await db.fetchval("SELECT current_database()")
    await db.execute(f"ALTER DATABASE {name} SET statement_timeout = '10s'")
    await db.close()


@pytest.fixture
def start(database_url: str) -> Iterator[Start]:
    started = []

    def one(**settings: Any) -> PgBouncer:
        started.append(PgBouncer(database_url, **settings))
        return started[-1]

    yield one
    for bouncer in started:
        bouncer.stop()


async def test_a_pooler_that_carries_everything_is_taken(database_url: str, start: Start) -> None:
    await limit_statements(database_url)
    await check_pooler(start().url, database_url, SCHEMAS)
    await check_pooler(database_url, None, SCHEMAS)  # no pooler at all


async def test_a_pooler_without_a_way_around_it_is_refused(database_url: str, start: Start) -> None:
    bouncer = start(ignore_startup_parameters="search_path, statement_timeout")
    with pytest.raises(PoolerError, match=r"pooler .*: set STAMPEDE_DATABASE_DIRECT_URL to Post"):
        await check_pooler(bouncer.url, None, SCHEMAS)
    with pytest.raises(PoolerError, match="DIRECT_URL leads to a connection pooler"):
        await check_pooler(database_url, bouncer.url, SCHEMAS)


IGNORED = "search_path"
REFUSED = [
    ({"max_prepared_statements": 0}, "does not track prepared statements: it needs PgBouncer 1.21"),
    ({"pool_mode": "session"}, "does not track prepared statements"),
    ({"track_extra_parameters": "IntervalStyle"}, "startup parameter: search_path.* needs"),
    ({"track_extra_parameters": "IntervalStyle", "ignore_startup_parameters": IGNORED},
     "does not carry search_path"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "because"), REFUSED)
async def test_a_pooler_that_does_not_carry_what_we_need_is_refused(
    database_url: str, start: Start, settings: dict[str, Any], because: str
) -> None:
    await limit_statements(database_url)
    with pytest.raises(PoolerError, match=because) as refused:
        await check_pooler(start(**settings).url, database_url, SCHEMAS)
    assert str(refused.value).count("\n") == 0


async def test_statements_without_a_time_limit_are_refused(database_url: str, start: Start) -> None:
    with pytest.raises(PoolerError, match="have no time limit: ALTER ROLE"):
        await check_pooler(start().url, database_url, SCHEMAS)


async def test_two_urls_must_lead_to_one_database(
    database_url: str, servers: ServerUrls, start: Start
) -> None:
    elsewhere = with_database(servers.database_url, "postgres")
    with pytest.raises(PoolerError, match="different servers or databases"):
        await check_pooler(start().url, elsewhere, SCHEMAS)


async def test_one_service_may_have_a_database_of_its_own_in_the_pooler(
    database_url: str, start: Start
) -> None:
    """The way for PostgreSQL before 18, which does not report search_path to the pooler."""
    await limit_statements(database_url)
    name = urlsplit(database_url).path.lstrip("/")
    server = PgBouncer.server_of(database_url)
    bouncer = start(
        databases=f"booking = {server} dbname={name} connect_query='SET search_path TO booking'",
        track_extra_parameters="IntervalStyle",
        ignore_startup_parameters=IGNORED,
    )
    await check_pooler(bouncer.url_of("booking"), database_url, ["booking"])
    with pytest.raises(PoolerError, match="search_path"):
        await check_pooler(bouncer.url_of("booking"), database_url, SCHEMAS)


async def test_pools_of_several_schemas_share_servers_and_see_their_own_tables(
    database_url: str, start: Start
) -> None:
    """Both ask in the same words, and the pooler prepares those once a server."""
    bouncer = start(default_pool_size=1)
    pools = [
        await open_pool(bouncer.url, schema, size=2, direct_url=database_url) for schema in SCHEMAS
    ]
    servers = set()
    for _ in range(3):
        for pool, schema in zip(pools, SCHEMAS, strict=True):
            async with transaction(pool) as tx:
                servers.add(await tx.fetchval("SELECT pg_backend_pid()"))
                assert await tx.fetchval("SELECT current_schema()::text") == schema
                table = "SELECT 'inbox'::regclass::oid" if schema == "catalog" else None
                assert table is None or await tx.fetchval(table)
            async with connection(pool) as db:
                names = await db.fetch("SELECT name FROM migrations ORDER BY name LIMIT 3")
                assert names[0]["name"] == "0001_initial.sql"
    assert len(servers) == 1
    for pool in pools:
        await pool.close()


async def test_a_lock_that_outlives_a_transaction_is_taken_past_the_pooler(
    database_url: str, start: Start
) -> None:
    bouncer = start(default_pool_size=1)
    pool = await open_pool(bouncer.url, "booking", size=2, direct_url=database_url)
    async with own_session(pool) as db:
        assert db.get_server_pid() == await db.fetchval("SELECT pg_backend_pid()")
        assert await db.fetchval("SHOW search_path") == "booking"
        assert await db.fetchval("SHOW statement_timeout") == "10s"
        assert await db.fetchval("SELECT pg_try_advisory_lock(1)")
        async with own_session(pool) as other:
            assert not await other.fetchval("SELECT pg_try_advisory_lock(1)")
    async with own_session(pool) as db:
        assert await db.fetchval("SELECT pg_try_advisory_lock(1)")
    await pool.close()


async def test_only_one_leads_behind_a_pooler(database_url: str, start: Start) -> None:
    bouncer = start(default_pool_size=1)
    pools = [
        await open_pool(bouncer.url, "booking", size=2, direct_url=database_url) for _ in range(2)
    ]
    stop, leading = asyncio.Event(), asyncio.Event()
    leaders: list[int] = []

    async def work(number: int) -> None:
        leaders.append(number)
        leading.set()
        await stop.wait()

    tasks = [
        asyncio.create_task(lead(pool, "test", lambda number=number: work(number), stop))  # type: ignore[misc]
        for number, pool in enumerate(pools)
    ]
    await leading.wait()
    for pool in pools:  # the other one has tried by now: it tries before it waits
        async with connection(pool) as db:
            await db.fetchval("SELECT 1")
    assert len(leaders) == 1
    stop.set()
    await asyncio.gather(*tasks)
    for pool in pools:
        await pool.close()
