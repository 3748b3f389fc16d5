"""Which of several servers a connection goes to, while some of them are down, silent or standbys."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from chassis.postgres.connecting import NoPrimary, Servers
from chassis.postgres.pool import connection, open_pool
from tests.support.platform import environment
from tests.support.servers import ROOT, free_port
from tests.support.standby import Pair, running_pair

PROMPTLY_S = 5.0  # asyncpg alone would wait for its ten seconds at the silent one


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with running_pair(synchronous=False) as pair:
        yield pair


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that never answers, like a machine that is gone."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield listening.getsockname()[1]


def socket_of(url: str) -> str:
    return url.partition("host=")[2].partition("&")[0]


async def test_a_server_that_does_not_answer_delays_nobody(pair: Pair, silent: int) -> None:
    there = socket_of(pair.primary_url)
    url = f"postgresql://postgres@/stampede?host=127.0.0.1,{there}&port={silent},5432"
    servers = Servers(url)
    async with asyncio.timeout(PROMPTLY_S):
        for _ in range(3):
            db = await servers.connect()
            assert not await db.fetchval("SELECT pg_is_in_recovery()")
            await db.close()


async def test_the_server_that_was_right_last_is_asked_first(pair: Pair) -> None:
    there = socket_of(pair.primary_url)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        listening.settimeout(0)
        port = listening.getsockname()[1]
        servers = Servers(f"postgresql://postgres@/db?host=127.0.0.1,{there}&port={port},5432")
        for _ in range(2):
            await (await servers.connect(database="stampede")).close()
        listening.accept()[0].close()
        with pytest.raises(BlockingIOError):
            listening.accept()


@pytest.mark.parametrize("names", ["the standby", "two standbys"])
async def test_without_a_primary_the_error_is_one_sentence(pair: Pair, names: str) -> None:
    url = pair.standby_url
    if names == "two standbys":
        there = socket_of(url)
        url = f"postgresql://postgres@/stampede?host={there},{there}&port=5432"
    with pytest.raises(NoPrimary, match=r"^[^.]*\.$"):
        await Servers(url).connect()
    reader = await Servers(f"{pair.standby_url}&target_session_attrs=standby").connect()
    assert await reader.fetchval("SELECT pg_is_in_recovery()")
    await reader.close()


@pytest.mark.parametrize(
    "command",
    [
        ["up", "--no-demo"],
        ["serve", "booking"],
        ["worker"],
        ["migrate"],
        ["audit"],
        ["dlq", "list"],
    ],
)
async def test_a_command_that_is_given_a_standby_says_so_in_one_sentence(
    pair: Pair, redis_url: str, command: list[str], tmp_path: Path
) -> None:
    environ = environment(
        STAMPEDE_DATABASE_URL=pair.standby_url,
        STAMPEDE_REDIS_URL=redis_url,
        STAMPEDE_DATA_DIR=str(tmp_path),
        STAMPEDE_PORT=str(free_port()),
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "stampede", *command),
        cwd=ROOT,
        env=environ,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    said = "stampede: The PostgreSQL server is a standby: name its primary, or both.\n"
    assert (process.returncode, errors.decode()) == (1, said)


async def test_a_pool_finds_the_promoted_standby_by_itself(pair: Pair) -> None:
    """The last test here: the pair has changed roles."""
    pool = await open_pool(pair.url, "public", size=3)
    try:
        async with connection(pool) as db:
            before = await db.fetchval("SHOW unix_socket_directories")
        await asyncio.to_thread(pair.promote)
        async with connection(pool) as db:
            assert await db.fetchval("SHOW unix_socket_directories") != before
            await db.execute("CREATE TABLE written ()")
    finally:
        await pool.close()
