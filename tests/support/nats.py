"""A real nats-server for one test, which can be killed and restarted on the same files."""

import asyncio
import os
import signal
import subprocess
import sysconfig
import time
from contextlib import suppress
from pathlib import Path

from tests.support.servers import free_port

UP_WITHIN_S = 10.0
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
                [PROGRAM, "--addr", "127.0.0.1", "--port", str(self.port), *self._more],
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
