"""Clients that ask for a long answer and do not take it, against the real web server."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from runtime.embedded.spawning import tethered
from runtime.listening import GRACE_S, tune
from tests.support.long_answers import LONG_BYTES, LONG_PATH, SHORT_PATH
from tests.support.servers import ROOT, eventually, free_port

TIMEOUT_S = 2
NOBODY_READS = 200
PER_ADDRESS = 8
LISTENS = "silent_takers_are_cut"
MORE_MIB_MAX = 160  # 220 KiB for each of them, 550 with a service apart; whole answers: 760 MiB


class Servers:
    """Processes started here; `mib()` is what they all hold."""

    def __init__(self, log: Path) -> None:
        self.port = 0
        self._log = log
        self._all: list[subprocess.Popen[bytes]] = []

    def start(self, role: str, **settings: str) -> int:
        port = free_port()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("STAMPEDE_")}
        environ = (
            inherited
            | settings
            | {
                "STAMPEDE_PORT": str(port),
                "STAMPEDE_WORKERS": "1",
                "STAMPEDE_UNREAD_TIMEOUT_S": str(TIMEOUT_S),
                "STAMPEDE_UNREAD_ANSWERS_PER_IP": str(PER_ADDRESS),
                "STAMPEDE_TRUSTED_PROXIES": "127.0.0.1",
                "STAMPEDE_RATE_LIMIT_PER_IP": "100000/s",
                "STAMPEDE_RATE_LIMIT_PER_IP_BURST": "100000",
            }
        )
        with self._log.open("ab") as console:
            process = subprocess.Popen(
                tethered(
                    [sys.executable, "-m", "tests.support.long_answers", role], signal.SIGTERM
                ),
                cwd=ROOT,
                env=environ,
                stdout=console,
                stderr=console,
            )
        self._all.append(process)
        assert eventually(lambda: _answers(port)), self._log.read_text()
        ready = lambda: self._log.read_text().count(LISTENS) == len(self._all)  # noqa: E731
        assert eventually(ready), self._log.read_text()
        return port

    def mib(self) -> float:
        family = [psutil.Process(one.pid) for one in self._all]
        family += [child for one in family for child in one.children(recursive=True)]
        return sum(one.memory_info().rss for one in family) / 1_048_576

    def connections(self) -> int:
        """Of clients, as the gateway has them."""
        found = 0
        for one in psutil.Process(self._all[-1].pid).children(recursive=True):
            for connection in one.net_connections("tcp"):
                mine = connection.laddr and connection.laddr.port == self.port
                found += bool(mine and connection.status == psutil.CONN_ESTABLISHED)
        return found

    def stop(self) -> None:
        for one in self._all:
            one.send_signal(signal.SIGTERM)
        for one in self._all:
            one.wait(20)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


@pytest.fixture(params=["together", pytest.param("apart", marks=pytest.mark.long)])
def serving(request: pytest.FixtureRequest, tmp_path: Path, redis_url: str) -> Iterator[Servers]:
    running = Servers(tmp_path / "console")
    settings = {"STAMPEDE_REDIS_URL": redis_url}
    try:
        if request.param == "apart":
            port = running.start("service", **settings)
            settings["STAMPEDE_CATALOG_URL"] = f"http://127.0.0.1:{port}"
            running.port = running.start("gateway", **settings)
        else:
            running.port = running.start("together", **settings)
        yield running
    finally:
        running.stop()


@pytest.fixture
async def clients(serving: Servers) -> AsyncIterator["Clients"]:
    made = Clients(serving.port)
    yield made
    made.close()


class Clients:
    """Connections that have sent a request each."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._writers: list[asyncio.StreamWriter] = []

    async def ask(self, path: str, address: str) -> asyncio.StreamReader:
        """`address`: the client's, as a proxy of ours would tell it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=4096)
        self._writers.append(writer)
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n\r\n"
        writer.write(head.encode())
        return reader

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


async def status_of(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        return (await reader.readline()).split(b" ")[1]


async def test_what_nobody_takes_costs_no_memory_and_is_cut(
    serving: Servers, clients: Clients
) -> None:
    """Two hundred clients, each with an address of its own."""
    async with asyncio.timeout(60):
        await status_of(await clients.ask(SHORT_PATH, "198.51.100.1"))
        before = serving.mib()
        readers = [await clients.ask(LONG_PATH, f"203.0.113.{n}") for n in range(NOBODY_READS)]
        statuses = [await status_of(reader) for reader in readers]
        assert statuses.count(b"200") > NOBODY_READS // 2  # a slow machine may shed some
        assert serving.mib() - before < MORE_MIB_MAX
        # the places of those who take nothing are free for others
        assert await status_of(await clients.ask(SHORT_PATH, "198.51.100.1")) == b"200"
        refused = NOBODY_READS - statuses.count(
            b"200"
        )  # these were answered, and stay open for more
        few = refused + 10
        assert await asyncio.to_thread(eventually, lambda: serving.connections() < few)
        for reader in readers:
            with contextlib.suppress(ConnectionResetError):
                assert len(await reader.read()) < LONG_BYTES


async def test_one_address_has_so_many_long_answers_under_way(clients: Clients) -> None:
    async with asyncio.timeout(30):
        asked = [await clients.ask(LONG_PATH, "203.0.113.7") for _ in range(PER_ADDRESS + 3)]
        statuses = [await status_of(reader) for reader in asked]
        assert sorted(statuses) == [b"200"] * PER_ADDRESS + [b"429"] * 3
        # short ones, and other addresses, are served
        assert await status_of(await clients.ask(SHORT_PATH, "203.0.113.7")) == b"200"
        assert await status_of(await clients.ask(LONG_PATH, "203.0.113.8")) == b"200"


async def test_a_slow_client_gets_all_of_it(clients: Clients) -> None:
    """One that takes longer than the limit over the whole, and some of it all the time."""
    async with asyncio.timeout(30):
        reader = await clients.ask(LONG_PATH, "198.51.100.2")
        assert await status_of(reader) == b"200"
        await reader.readuntil(b"\r\n\r\n")
        taken, began = 0, time.monotonic()
        while taken < LONG_BYTES:
            due_s = (taken / LONG_BYTES) * 2 * TIMEOUT_S
            await asyncio.sleep(max(0.0, began + due_s - time.monotonic()))
            taken += len(await reader.readexactly(min(40_000, LONG_BYTES - taken)))
        assert time.monotonic() - began > TIMEOUT_S


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's option is Linux's")
def test_who_was_accepted_before_the_listener_was_told_is_told_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        with client, accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0
            assert tune(TIMEOUT_S) >= 1
            told = (TIMEOUT_S + GRACE_S) * 1000
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == told
