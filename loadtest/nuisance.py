"""The effect of abusive clients on others: `python -m loadtest.nuisance` (`make nuisance`). With one
argument, `unread` or `patches`, only that kind.

Starts its own platform on loopback. Two hundred ordinary reads per second run first alone, then beside
500 connections that request a seat map of 3.6 MB and never read it, and ten PATCHes per second with
20,000 combining marks. Prints the readers' times and answers, and the memory of the web processes.
"""

import asyncio
import contextlib
import secrets
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import msgspec
import psutil

from chassis.settings import Settings
from identity.administration import create_account
from loadtest.flash_sale import allow_many_files, scratch_platform
from loadtest.plan import PREPARE_DEADLINE_S, make_session, post
from runtime.starting import attached

SEATS = 40_000
UNREAD = 500
ADDRESSES = 20  # of the clients that do not read: each stays within its limits
PATCHES_A_SECOND = 10
READS_A_SECOND = 200
SECONDS = 10.0
WORST_TEXT = "a" + "\u0323\u0301" * 9_999


class Felt(msgspec.Struct):
    """The readers' milliseconds, and the number of each status."""

    times_ms: list[float] = []
    statuses: Counter[int] = msgspec.field(default_factory=Counter)

    def __str__(self) -> str:
        cuts = statistics.quantiles(self.times_ms, n=100)
        worst = max(self.times_ms)
        return f"p50 {cuts[49]:.0f} ms, p99 {cuts[98]:.0f} ms, worst {worst:.0f} ms, {dict(self.statuses)}"


class Victim(msgspec.Struct):
    """The show that is read and changed, and a token that may change it."""

    base_url: str
    show_id: str
    session_id: str
    token: str


async def measure(loaded: Settings, which: str) -> None:
    """Prints both. `which`: one kind of client, or None for all."""
    victim = await _prepare(loaded)
    web = _web_processes(loaded.port)
    async with aiohttp.ClientSession(victim.base_url) as http:
        await _read(http, victim, Felt())  # opens connections and fills caches
        before = _mib(web)
        alone = await _readers(http, victim)
        print(f"alone      {alone}; {before:.0f} MiB")
        unread = 0 if which == "patches" else UNREAD
        a_second = 0 if which == "unread" else PATCHES_A_SECOND
        async with _unread(victim, unread), _patches(http, victim, a_second) as patched:
            beside = await _readers(http, victim)
            print(f"beside it  {beside}; {_mib(web):.0f} MiB; the PATCHes: {dict(patched)}")


async def _prepare(loaded: Settings) -> Victim:
    email, password = f"n-{secrets.token_hex(4)}@loadtest.stampede.example", secrets.token_hex(16)
    assert loaded.database_url is not None
    await create_account(
        loaded.database_url, email=email, password=password, role="organizer", full_name="N"
    )
    timeout = aiohttp.ClientTimeout(total=PREPARE_DEADLINE_S)
    async with aiohttp.ClientSession(f"{loaded.base_url}/api/v1/", timeout=timeout) as http:
        login = await post(http, "auth/login", {"email": email, "password": password}, "")
        session = await make_session(http, login["access_token"], SEATS, 0.0)
        async with http.get("shows") as answer:
            (show,) = (await answer.json())["shows"]
    return Victim(loaded.base_url, show["show_id"], session["session_id"], login["access_token"])


async def _readers(http: aiohttp.ClientSession, victim: Victim) -> Felt:
    """READS_A_SECOND for SECONDS. Each begins when it is due, independent of earlier ones."""
    felt = Felt()
    began = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(READS_A_SECOND * SECONDS)):
            await asyncio.sleep(max(0.0, began + number / READS_A_SECOND - time.monotonic()))
            tasks.create_task(_read(http, victim, felt, number))
    return felt


async def _read(http: aiohttp.ClientSession, victim: Victim, felt: Felt, number: int = 0) -> None:
    headers = {"X-Forwarded-For": f"198.51.100.{number % 200}"}
    paths = ("/api/v1/shows", f"/api/v1/shows/{victim.show_id}/sessions")
    began = time.monotonic()
    async with http.get(paths[number % 2], headers=headers) as answer:
        await answer.read()
        felt.statuses[answer.status] += 1
    felt.times_ms.append((time.monotonic() - began) * 1000)


@contextlib.asynccontextmanager
async def _unread(victim: Victim, most: int) -> AsyncIterator[None]:
    """Connections that have sent a request and read nothing."""
    where = urlsplit(victim.base_url)
    writers = []
    for number in range(most):
        _, writer = await asyncio.open_connection(where.hostname, where.port, limit=1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        head = (
            f"GET /api/v1/sessions/{victim.session_id}/seat-map HTTP/1.1\r\nHost: x\r\n"
            f"X-Forwarded-For: 203.0.113.{number % ADDRESSES}\r\n\r\n"
        )
        writer.write(head.encode("ascii"))
        writers.append(writer)
    try:
        yield
    finally:
        for writer in writers:
            writer.close()


@contextlib.asynccontextmanager
async def _patches(
    http: aiohttp.ClientSession, victim: Victim, a_second: int
) -> AsyncIterator[Counter[int]]:
    """Sends PATCHes at a fixed rate until the end. Returns the statuses."""
    statuses: Counter[int] = Counter()

    async def one(number: int) -> None:
        headers = {
            "Authorization": f"Bearer {victim.token}",
            "X-Forwarded-For": f"203.0.113.{100 + number % 100}",
        }
        path, body = f"/api/v1/shows/{victim.show_id}", {"description": WORST_TEXT}
        async with http.patch(path, json=body, headers=headers) as answer:
            await answer.read()
            statuses[answer.status] += 1

    async def all_of_them() -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(int(a_second * SECONDS)):
                tasks.create_task(one(number))
                await asyncio.sleep(1 / a_second)

    running = asyncio.create_task(all_of_them())
    try:
        yield statuses
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def _web_processes(port: int) -> list[psutil.Process]:
    listening = {
        one.pid
        for one in psutil.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN and one.pid and one.laddr and one.laddr[1] == port
    }
    return [psutil.Process(pid) for pid in listening]


def _mib(processes: list[psutil.Process]) -> float:
    return sum(one.memory_info().rss for one in processes) / 1_048_576


if __name__ == "__main__":
    allow_many_files()
    with scratch_platform(print) as platform:
        asyncio.run(measure(attached(platform)[1], "".join(sys.argv[1:])))
