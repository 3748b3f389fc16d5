"""A real Prometheus. Where `CI` is set a missing one is a failure, elsewhere its tests are skipped."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import yaml

from tests.support.servers import free_port

START_S = 30.0
STOP_S = 10.0


def program(name: str = "prometheus") -> str:
    """Where `prometheus` or `promtool` is."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is not installed here")
        pytest.skip(f"{name} is not installed here")
    return found


class Prometheus:
    """Scrapes `urls` each second until stop(). Its data are in `directory`."""

    def __init__(self, directory: Path, urls: Iterable[str]) -> None:
        self._directory = directory
        self._jobs = [
            {
                "job_name": f"stampede-{number}",
                "metrics_path": urlsplit(url).path,
                "static_configs": [{"targets": [urlsplit(url).netloc]}],
            }
            for number, url in enumerate(urls)
        ]
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        self._directory.mkdir(parents=True)
        configuration = self._directory / "prometheus.yml"
        configuration.write_text(
            yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": self._jobs})
        )
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        log = self._directory / "prometheus.log"
        command = [
            program(),
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self._directory / 'data'}",
            f"--web.listen-address={address}",
        ]
        with log.open("wb") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=subprocess.DEVNULL, stderr=errors
            )
        deadline = time.monotonic() + START_S
        async with aiohttp.ClientSession() as http:
            while not await self._ready(http):
                assert self._process.returncode is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                await asyncio.sleep(0.1)

    async def _ready(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"{self.url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientConnectionError:
            return False

    async def ask(self, http: aiohttp.ClientSession, expression: str) -> list[dict[str, Any]]:
        """The series that it answers with now. An expression that it refuses fails the test."""
        async with http.post(f"{self.url}/api/v1/query", data={"query": expression}) as answer:
            told = await answer.json()
        assert told["status"] == "success", (expression, told)
        found: list[dict[str, Any]] = told["data"]["result"]
        return found

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
