"""An operator puts new processes into the place of a service's only one while people use it.

With SIGTERM and a start instead of the reload, 274 of 424 requests are lost (ADR 42).
"""

import asyncio
import collections
import contextlib
import itertools
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from runtime.embedded import ServerUrls
from tests.support.api import PASSWORD, Api
from tests.support.platform import RunningPlatform, one_process_each
from tests.support.servers import redis_of

EVERY_S = 0.02  # 50 requests a second


@pytest.fixture(scope="module")
async def apart(
    scratch: Path, servers: ServerUrls, run_database: Callable[[str], Awaitable[str]]
) -> AsyncIterator[RunningPlatform]:
    directory = scratch / "restarts"
    directory.mkdir()
    with one_process_each(
        directory,
        STAMPEDE_DATABASE_URL=await run_database("restarts"),
        STAMPEDE_REDIS_URL=redis_of(servers, "restarts"),
    ) as platform:
        yield platform


class Traffic:
    """Reads and changes of a profile through the gateway, whatever becomes of them."""

    def __init__(self, api: Api, token: str) -> None:
        self._api, self._token = api, token
        self._enough = asyncio.Event()
        self.lost: list[str] = []
        self.answers: collections.Counter[str] = collections.Counter()
        self._calls: list[asyncio.Task[None]] = []
        self._work = asyncio.create_task(self._run())

    async def _run(self) -> None:
        for number in itertools.count():
            if self._enough.is_set():
                return
            self._calls.append(asyncio.create_task(self._call(number)))
            await asyncio.sleep(EVERY_S)

    async def _call(self, number: int) -> None:
        try:
            if number % 2:
                answer = await self._api.get("/auth/me", token=self._token)
            else:
                body = {"locale": "en"}
                answer = await self._api.call("PATCH", "/auth/me", body, token=self._token)
            outcome = str(answer.status)
        except Exception as failure:
            outcome = type(failure).__name__
        self.answers[outcome] += 1
        if outcome != "200":
            self.lost.append(outcome)

    async def answered(self, count: int) -> None:
        wanted = self.answers["200"] + count
        async with asyncio.timeout(30):
            while self.answers["200"] < wanted:  # noqa: ASYNC110  answers have no bell
                await asyncio.sleep(EVERY_S)

    async def end(self) -> None:
        self._enough.set()
        await self._work
        await asyncio.gather(*self._calls)


def workers(platform: RunningPlatform, name: str) -> set[int]:
    """Process ids of a service's web processes."""
    (server,) = psutil.Process(platform.processes[name].pid).children()
    found = set()
    for one in server.children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            if "resource_tracker" not in " ".join(one.cmdline()):
                found.add(one.pid)
    return found


@pytest.fixture
async def api(apart: RunningPlatform) -> AsyncIterator[Api]:
    client = Api(apart.base_url)
    yield client
    await client.close()


@pytest.mark.long
@pytest.mark.parametrize("name", ["identity", "gateway"])
async def test_reloading_the_only_process_of_a_service_loses_no_request(
    apart: RunningPlatform, api: Api, name: str
) -> None:
    body = {"email": f"{name}@example.com", "password": PASSWORD, "full_name": "Someone"}
    token = (await api.post("/auth/register", body)).json["access_token"]
    traffic = Traffic(api, token)
    await traffic.answered(50)
    old = workers(apart, name)
    assert old
    apart.processes[name].send_signal(signal.SIGUSR1)
    async with asyncio.timeout(60):
        while old & workers(apart, name):  # noqa: ASYNC110  processes have no bell
            await asyncio.sleep(0.1)
    await traffic.answered(100)
    await traffic.end()
    assert traffic.lost == []
