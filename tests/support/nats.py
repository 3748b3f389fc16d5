"""A real nats-server for one test, which can be killed and restarted on the same files."""

import asyncio
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import nats
import nats.errors

from runtime.embedded.spawning import tethered
from tests.support.servers import free_port

UP_WITHIN_S = 10.0
AGREE_WITHIN_S = 60.0  # an election takes four to nine seconds
PROGRAM = Path(sysconfig.get_path("scripts")) / "nats-server"


class NatsServer:
    def __init__(self, directory: Path, *, jetstream: bool = True) -> None:
        self.port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._directory = directory
        self._more: list[str] = ["--jetstream", "--store_dir", str(directory)] if jetstream else []
        self._process: subprocess.Popen[bytes] | None = None

    def in_cluster(self, name: str, port: int, routes: list[int]) -> None:
        """Makes it a member of a cluster. Call it before the start."""
        others = ",".join(f"nats://127.0.0.1:{one}" for one in routes)
        cluster = f"nats://127.0.0.1:{port}"
        self._more += ["--server_name", name, "--cluster_name", "tests"]
        self._more += ["--cluster", cluster, "--routes", others]

    def start(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                tethered(
                    [str(PROGRAM), "--addr", "127.0.0.1", "--port", str(self.port), *self._more],
                    signal.SIGKILL,
                ),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def ready(self) -> None:
        deadline = time.monotonic() + UP_WITHIN_S
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                greeting = await reader.readline()
                writer.close()
                if greeting.startswith(b"INFO"):
                    return
            assert time.monotonic() < deadline, (self._directory / "log").read_text()
            await asyncio.sleep(0.01)

    def kill(self) -> None:
        """Sends SIGKILL and waits until it has ended."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, signum: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signum)
            self._process.wait(10)
            self._process = None

    def wipe(self) -> None:
        """Its disk is gone: all files of a server that does not run."""
        assert self._process is None
        shutil.rmtree(self._directory)


class NatsCluster:
    """Three servers that agree about streams of three replicas."""

    def __init__(self, directory: Path) -> None:
        self.servers = [NatsServer(directory / str(number)) for number in range(3)]
        routes = [free_port() for _ in self.servers]
        for number, one in enumerate(self.servers):
            one.in_cluster(f"n{number}", routes[number], routes)
        self.urls = ",".join(one.url for one in self.servers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["NatsCluster"]:
        for one in self.servers:
            one.start()
        try:
            await keeps_three_copies(self.urls)
            yield self
        finally:
            for one in self.servers:
                one.kill()

    async def leader(self, context: Any, stream: str) -> NatsServer:
        """Whose word counts for the stream."""
        async with asyncio.timeout(AGREE_WITHIN_S):
            while True:
                with suppress(nats.errors.Error, TimeoutError):
                    found = (await context.stream_info(stream)).cluster
                    if found is not None and found.leader:
                        return self.servers[int(found.leader.removeprefix("n"))]
                await asyncio.sleep(0.05)

    async def whole(self, context: Any, stream: str) -> None:
        """Returns when two others have all that the leader has."""
        async with asyncio.timeout(AGREE_WITHIN_S):
            while True:
                with suppress(nats.errors.Error, TimeoutError):
                    found = (await context.stream_info(stream)).cluster
                    replicas = (found.replicas or []) if found is not None else []
                    if len(replicas) == 2 and all(one.current for one in replicas):
                        return
                await asyncio.sleep(0.05)


async def keeps_three_copies(urls: str) -> None:
    """Returns when the cluster does: its servers need a moment to find each other."""
    client = await nats.connect(urls.split(","), max_reconnect_attempts=-1, reconnect_time_wait=0.1)
    context = client.jetstream(timeout=1)
    try:
        async with asyncio.timeout(AGREE_WITHIN_S):
            while True:
                with suppress(nats.errors.Error):
                    await context.add_stream(name="probe", subjects=["probe"], num_replicas=3)
                    await context.delete_stream("probe")
                    return
                await asyncio.sleep(0.05)
    finally:
        await client.close()
