"""Real servers for every test: one PostgreSQL and one Valkey a run, a fresh database a test.

STAMPEDE_TEST_DATABASE_URL and STAMPEDE_TEST_REDIS_URL name servers to use instead of embedded ones;
the tests make and drop databases of their own there, and flush the Redis databases 1 to 15.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import asyncpg
import pytest

from chassis.redis.scripts import RedisCalls
from chassis.redis.servers import Servers
from runtime.embedded import EmbeddedServers, ServerUrls, postgres
from runtime.services import migrate_all
from tests.support.cluster import RedisCluster
from tests.support.collector import Receiver, collector
from tests.support.nats import NatsServer
from tests.support.platform import RunningPlatform, all_in_one, one_process_each
from tests.support.scheduling import LongestFirst, rank_of
from tests.support.servers import (
    TESTS_REDIS_DBS,
    redis_of,
    roomy_memory,
    with_database,
    with_redis_db,
)

# The shared server's data die with the run. Tests that kill a server start their own, which keeps them.
FORGETFUL = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "128MB",
    "min_wal_size": "32MB",
}
_numbers = itertools.count(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # one of several processes
        items.sort(key=lambda item: rank_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LongestFirst | None:
    return LongestFirst(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def servers() -> Iterator[ServerUrls]:
    """The PostgreSQL and Valkey that this run's tests share."""
    database_url = os.environ.pop("STAMPEDE_TEST_DATABASE_URL", None)
    redis_url = os.environ.pop("STAMPEDE_TEST_REDIS_URL", None)
    if database_url and redis_url:
        yield ServerUrls(database_url=database_url, redis_url=redis_url)
        return
    directory = Path(tempfile.mkdtemp(prefix="stampede-test-", dir=roomy_memory()))
    on_a_cluster = os.environ.pop("STAMPEDE_TEST_TOPOLOGY", "") == "cluster"
    cluster = RedisCluster(directory / "cluster") if on_a_cluster else None
    embedded = EmbeddedServers(directory, redis=cluster is None)
    try:
        with mock.patch.dict(postgres.SETTINGS, FORGETFUL):
            urls = embedded.start()
        if cluster is not None:
            cluster.start()
            urls = ServerUrls(urls.database_url, cluster.url)
        yield urls
    finally:
        if cluster is not None:
            cluster.kill()
        embedded.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
async def template(servers: ServerUrls) -> AsyncIterator[str]:
    """The name of a migrated database, copied for each test."""
    name = f"stampede_template_{os.getpid()}"
    admin = await asyncpg.connect(with_database(servers.database_url, "postgres"))
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        await migrate_all(with_database(servers.database_url, name))
        yield name
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
async def database_url(servers: ServerUrls, template: str) -> AsyncIterator[str]:
    """A migrated, empty database for this test alone."""
    name = f"stampede_test_{os.getpid()}_{next(_numbers)}"
    admin = await asyncpg.connect(with_database(servers.database_url, "postgres"))
    try:
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield with_database(servers.database_url, name)
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture
async def redis_url(servers: ServerUrls) -> str:
    """An empty Redis database for this test alone."""
    url = with_redis_db(servers.redis_url, 1 + next(_numbers) % TESTS_REDIS_DBS)
    calls = RedisCalls(Servers(url), {})
    try:
        await calls.command_to_each_node("FLUSHDB")
    finally:
        await calls.close()
    return url


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory for this run, with a space and a Chinese letter in its path."""
    directory = Path(tempfile.mkdtemp(prefix="stampede run 票-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
async def run_database(servers: ServerUrls) -> AsyncIterator[Callable[[str], Awaitable[str]]]:
    """Makes empty databases that live as long as the run."""
    admin = await asyncpg.connect(with_database(servers.database_url, "postgres"))
    made = []

    async def make(purpose: str) -> str:
        name = f"stampede_run_{os.getpid()}_{next(_numbers)}_{purpose}"
        await admin.execute(f"CREATE DATABASE {name}")
        made.append(name)
        return with_database(servers.database_url, name)

    yield make
    for name in made:
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture(scope="session")
async def together(
    servers: ServerUrls, scratch: Path, run_database: Callable[[str], Awaitable[str]]
) -> AsyncIterator[RunningPlatform]:
    """`stampede up` with the demo, two web processes and a worker, for the whole run."""
    directory = scratch / "together"
    directory.mkdir()
    with all_in_one(
        directory,
        STAMPEDE_DATABASE_URL=await run_database("together"),
        STAMPEDE_REDIS_URL=redis_of(servers, "together"),
    ) as platform:
        yield platform


@pytest.fixture(scope="session")
async def nats_server(scratch: Path) -> AsyncIterator[NatsServer]:
    """The broker of the platform that is apart."""
    server = NatsServer(scratch / "nats")
    try:
        server.start()
        await server.ready()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def telemetry() -> Iterator[Receiver]:
    """What has come through the collector, from every platform that exports to it."""
    with Receiver().running() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def collector_url(scratch: Path, telemetry: Receiver) -> Iterator[str]:
    with collector(scratch / "collector", telemetry) as url:
        yield url


@pytest.fixture(scope="session")
async def apart(
    servers: ServerUrls,
    scratch: Path,
    run_database: Callable[[str], Awaitable[str]],
    nats_server: NatsServer,
    collector_url: str,
) -> AsyncIterator[RunningPlatform]:
    """The same as five services and a worker that know each other by HTTP only, over NATS. Every request is
    traced, while none is in the other platform."""
    directory = scratch / "apart"
    directory.mkdir()
    with one_process_each(
        directory,
        STAMPEDE_DATABASE_URL=await run_database("apart"),
        STAMPEDE_REDIS_URL=redis_of(servers, "apart"),
        STAMPEDE_NATS_URL=nats_server.url,
        STAMPEDE_OTLP_ENDPOINT=collector_url,
        STAMPEDE_OTLP_SAMPLE="1",
        STAMPEDE_OTLP_METRICS_INTERVAL_S="5",
    ) as platform:
        yield platform


@pytest.fixture(scope="session")
def platform_url(together: RunningPlatform) -> str:
    """Where the browser finds the demo."""
    return together.base_url
