"""Nothing cancels a change that has begun: with the real web server, through the gateway's short way.

The gateway gives such a request no task of its own, since Granian cancels none. This is what shows it.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runtime.embedded import ServerUrls
from tests.support.platform import environment
from tests.support.servers import ROOT, free_port
from tests.support.unhurried import DIRECTORY, PATH, REDIS

IN_TIME_S = 40.0
SERVING = """
from chassis import settings
from runtime.serving import server
server("tests.support.unhurried:app", settings.load()).serve()
"""
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"


class Web:
    def __init__(self, process: asyncio.subprocess.Process, port: int, directory: Path) -> None:
        self.process, self.port, self.directory = process, port, directory

    def go_on(self) -> None:
        (self.directory / "go_on").touch()

    def happened(self) -> set[str]:
        return {path.name for path in self.directory.iterdir()} - {"go_on"}

    async def until(self, *what: str) -> None:
        async with asyncio.timeout(IN_TIME_S):
            while not self.happened() >= set(what):  # noqa: ASYNC110  another process makes the files
                await asyncio.sleep(0.01)

    async def ask(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(IN_TIME_S):
            while True:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
        writer.write(HEAD.encode() + b"{}")
        await writer.drain()
        await self.until("begun")
        return reader, writer


@pytest.fixture
async def web(servers: ServerUrls, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(servers, tmp_path) as running:
        yield running


@asynccontextmanager
async def serving(servers: ServerUrls, tmp_path: Path) -> AsyncIterator[Web]:
    port, directory = free_port(), tmp_path / "happened"
    directory.mkdir()
    environ = environment(
        STAMPEDE_DATA_DIR=str(tmp_path),
        STAMPEDE_PORT=str(port),
        STAMPEDE_WORKERS="1",
        STAMPEDE_DRAIN_S="0",
    ) | {DIRECTORY: str(directory), REDIS: servers.redis_url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVING), cwd=ROOT, env=environ, start_new_session=True
    )
    try:
        yield Web(process, port, directory)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def test_a_change_goes_on_when_its_client_disconnects(web: Web) -> None:
    _, writer = await web.ask()
    writer.transport.abort()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    await asyncio.sleep(0.3)  # time for a cancellation to come
    assert web.happened() == {"begun"}
    web.go_on()
    await web.until("committed")
    assert "cancelled" not in web.happened()


async def test_a_change_is_finished_and_answered_when_the_server_stops(web: Web) -> None:
    reader, writer = await web.ask()
    web.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(0.5)  # it does not wait for long, and so do we
    assert web.happened() == {"begun"}
    web.go_on()
    async with asyncio.timeout(IN_TIME_S):
        answer = await reader.read()
        await web.process.wait()
    assert answer.startswith(b"HTTP/1.1 200 ")
    writer.close()
    assert web.happened() == {"begun", "committed", "closed"}
