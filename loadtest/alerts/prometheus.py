"""A Prometheus of its own, and when each alert began and ceased to fire."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from loadtest.alerts.rules import paging

LOOK_INTERVAL_S = 0.5
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0


class Missing(Exception):
    """There is no Prometheus here; one sentence."""


class Firing(msgspec.Struct):
    """One alert with its severity. Times are time.monotonic(); `ended` is None while it fires."""

    name: str
    severity: str
    began: float
    ended: float | None = None
    told: str = ""  # the description of its first series


class Watch:
    """Asks Prometheus twice a second what is firing. Several series of one alert are one. `paging`: names of
    alerts that can page."""

    def __init__(self, url: str, paging: Collection[str] = ()) -> None:
        self._url, self._paging = url, paging
        self.history: list[Firing] = []
        self._looked = asyncio.Condition()

    def firing(self) -> dict[tuple[str, str], Firing]:
        return {(one.name, one.severity): one for one in self.history if one.ended is None}

    def names(self) -> set[str]:
        """Those that can page only if they do: their tickets look back for long."""
        return {name for name, severity in self.firing() if self._is_loud(name, severity)}

    def loud(self) -> list[Firing]:
        """The history of those."""
        return [one for one in self.history if self._is_loud(one.name, one.severity)]

    def _is_loud(self, name: str, severity: str) -> bool:
        return severity == "page" or name not in self._paging

    async def until(self, holds: Callable[[], bool], timeout_s: float) -> None:
        """Asks after each look."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._looked:
                await self._looked.wait_for(holds)

    async def run(self) -> None:
        async with aiohttp.ClientSession() as http:
            while True:
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with http.get(f"{self._url}/api/v1/alerts") as answer:
                        self.take((await answer.json())["data"]["alerts"])
                async with self._looked:
                    self._looked.notify_all()
                await asyncio.sleep(LOOK_INTERVAL_S)

    def take(self, told: Sequence[Mapping[str, Any]]) -> None:
        """Prometheus' answer of now."""
        now, known = time.monotonic(), self.firing()
        fires = {
            (one["labels"]["alertname"], one["labels"]["severity"]): one.get("annotations", {})
            for one in told
            if one["state"] == "firing"
        }
        for key in fires.keys() - known.keys():
            self.history.append(Firing(*key, now, told=fires[key].get("description", "")))
        for key in known.keys() - fires.keys():
            known[key].ended = now


@asynccontextmanager
async def watching(
    folder: Path, rules: Path, targets: Mapping[str, Sequence[int]], port: int
) -> AsyncIterator[Watch]:
    """Scrapes every second until the end. `targets`: ports of each job. Raises Missing."""
    program = shutil.which("prometheus")
    if program is None:
        raise Missing("There is no prometheus on the PATH (Debian: apt-get install prometheus).")
    config = folder / "prometheus.json"  # JSON is YAML
    config.write_bytes(msgspec.json.encode(_config(rules, targets)))
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]
    process = _start(command, folder / "prometheus.log")
    watch = Watch(f"http://127.0.0.1:{port}", paging(sorted(rules.glob("*.yml"))))
    running = asyncio.create_task(watch.run())
    try:
        await _until_ready(f"http://127.0.0.1:{port}/-/ready")
        yield watch
    finally:
        running.cancel()
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
        finally:
            process.kill()


def _start(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=output)


def _config(rules: Path, targets: Mapping[str, Sequence[int]]) -> dict[str, object]:
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [f"{rules}/*.yml"],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}],
            }
            for job, ports in targets.items()
        ],
    }


async def _until_ready(url: str) -> None:
    give_up = time.monotonic() + START_TIMEOUT_S
    async with aiohttp.ClientSession() as http:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                async with http.get(url) as answer:
                    if answer.status == 200:
                        return
            if time.monotonic() > give_up:
                raise Missing("Prometheus does not come up: see prometheus.log.")
            await asyncio.sleep(0.1)
