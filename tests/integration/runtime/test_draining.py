"""A web process ends: it says so, serves on for a while, and finishes what it has begun."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import psutil
import pytest

from runtime.embedded import ServerUrls
from tests.support.platform import environment
from tests.support.servers import ROOT, free_port

IN_TIME_S = 40.0


class Web:
    """Catalog alone, as its supervisor starts it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), IN_TIME_S)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@asynccontextmanager
async def web(
    database_url: str, servers: ServerUrls, data: Path, drain_s: str
) -> AsyncIterator[Web]:
    port = free_port()
    environ = environment(
        STAMPEDE_DATABASE_URL=database_url,
        STAMPEDE_REDIS_URL=servers.redis_url,
        STAMPEDE_DATA_DIR=str(data),
        STAMPEDE_PORT=str(port),
        STAMPEDE_WORKERS="1",
        STAMPEDE_DRAIN_S=drain_s,
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "runtime.serving", "catalog"), cwd=ROOT, env=environ,
        start_new_session=True,
    )  # fmt: skip
    running = Web(process, port)
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(IN_TIME_S):
            while True:
                try:
                    async with http.get(f"{running.url}/healthz") as answer:
                        assert answer.status == 200
                        break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)
        yield running
    finally:
        family = psutil.Process(os.getpid()).children(recursive=True)
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        assert not [one for one in family if one.is_running() and one.ppid() == process.pid]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def until_draining(http: aiohttp.ClientSession, url: str) -> aiohttp.ClientResponse:
    async with asyncio.timeout(IN_TIME_S):
        while True:
            async with http.get(f"{url}/readyz") as answer:
                if answer.status == 503:
                    assert (await answer.json(content_type=None))["code"] == "draining"
                    return answer
            await asyncio.sleep(0.01)


async def test_a_process_that_was_told_to_end_says_so_serves_on_and_ends(
    database_url: str, servers: ServerUrls, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with web(database_url, servers, tmp_path, "4") as running:
        async with http.get(f"{running.url}/readyz") as before:
            assert before.status == 200
            assert "Connection" not in before.headers
        running.signal(signal.SIGTERM)
        answer = await until_draining(http, running.url)
        assert (answer.headers["Connection"], answer.headers["Retry-After"]) == ("close", "1")
        async with http.get(f"{running.url}/api/v1/shows") as served:  # on a connection of its own
            assert (served.status, served.headers["Connection"]) == (200, "close")
        assert await running.ended() == 0
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.get(f"{running.url}/healthz")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_and_ctrl_c_end_it_at_once(
    database_url: str,
    servers: ServerUrls,
    tmp_path: Path,
    http: aiohttp.ClientSession,
    number: signal.Signals,
) -> None:
    async with web(database_url, servers, tmp_path, "300") as running:
        running.signal(signal.SIGTERM)
        await until_draining(http, running.url)
        running.signal(number)
        assert await running.ended() == 0


async def test_without_a_drain_it_ends_at_once(
    database_url: str, servers: ServerUrls, tmp_path: Path
) -> None:
    async with web(database_url, servers, tmp_path, "0") as running:
        running.signal(signal.SIGTERM)
        assert await running.ended() == 0
