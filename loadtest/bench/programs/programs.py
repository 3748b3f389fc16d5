"""Programs under measurement, on scratch data: the platform as `stampede up` runs it, the platform with
one process per service, and the comparators. All are ended and their data is removed afterwards.

The platform runs with default settings, limits, logs and fsync included. The one exception: this machine
is a trusted proxy, so that every request can have its own buyer's address.
"""

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from chassis import settings
from chassis.settings import Settings
from loadtest.bench.programs.accounting import Accounts
from runtime.embedded.cluster import ClusterServers, ServerPorts
from runtime.embedded.valkey_joining import NodePorts
from runtime.embedded.valkey_nodes import NODES
from runtime.services import PORTS, migrate_all
from runtime.serving import is_up
from runtime.starting import attached, embedded_servers, with_urls

ROOT = Path(__file__).resolve().parents[3]
START_DEADLINE_S = 90.0
STOP_DEADLINE_S = 30.0
PROXIES = "127.0.0.0/8"
NOTHING: Mapping[str, str] = {}


class StackError(Exception):
    """A program under measurement did not start. The message is its last output."""


class Stack(msgspec.Struct, frozen=True):
    """A running program: its address, its settings with both servers' URLs, and its process accounts."""

    base_url: str
    loaded: Settings
    accounts: Accounts


@contextlib.contextmanager
def platform(
    workers: int, *, on_a_cluster: bool = False, changed: Mapping[str, str] = NOTHING
) -> Iterator[Stack]:
    """`stampede up --no-demo`, with a Valkey of its own or with a cluster of six nodes. `changed`: settings
    beside the default ones."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(_scratch())
        port = free_port()
        command = [*("stampede", "up", "--no-demo", "--port", str(port))]
        command += ["--workers", str(workers), "--data-dir", str(directory)]
        environ, nodes = stack.enter_context(_redis(on_a_cluster=on_a_cluster))
        environ["STAMPEDE_TRUSTED_PROXIES"] = PROXIES
        environ |= changed
        process = stack.enter_context(_running(command, directory, environ))
        loaded = _settings(directory, port, environ)
        _wait(lambda: is_up(loaded), [process], directory)
        _, loaded = attached(loaded)
        yield Stack(_url(port), loaded, Accounts([process.pid, *nodes]))


@contextlib.contextmanager
def _redis(*, on_a_cluster: bool) -> Iterator[tuple[dict[str, str], list[int]]]:
    """The setting that names a cluster of three primaries and replicas, and its processes; or nothing."""
    if not on_a_cluster:
        yield {}, []
        return
    with _scratch() as directory:
        ports = ServerPorts(tuple(NodePorts(free_port(), free_port()) for _ in range(NODES)), ())
        servers = ClusterServers(directory, ports, postgres=False, nats=False)
        try:
            environ = {"STAMPEDE_REDIS_URL": servers.start().redis_url}
            assert servers.valkey is not None
            yield environ, [one.pid for one in servers.valkey.states() if one.pid is not None]
        finally:
            servers.stop()


@contextlib.contextmanager
def services_apart(
    workers: int, *, on_a_cluster: bool = False, changed: Mapping[str, str] = NOTHING
) -> Iterator[Stack]:
    """The five `stampede serve`s and a `stampede worker`, over HTTP. `workers` per service. `changed`: as
    above."""
    with _scratch() as directory, contextlib.ExitStack() as stack:
        ports = {name: free_port() for name in PORTS}
        redis, nodes = stack.enter_context(_redis(on_a_cluster=on_a_cluster))
        loaded = _settings(directory, ports["gateway"], redis)
        servers = embedded_servers(loaded)
        assert servers is not None, "a scratch directory has servers of its own"
        stack.callback(servers.stop)
        loaded = with_urls(loaded, servers.start())
        asyncio.run(migrate_all(loaded.database_url or ""))
        environ = {f"STAMPEDE_{name.upper()}_URL": _url(ports[name]) for name in PORTS}
        environ.pop("STAMPEDE_GATEWAY_URL")
        environ |= {"STAMPEDE_TRUSTED_PROXIES": PROXIES, "STAMPEDE_DEMO": "false"}
        environ |= settings.to_environ(loaded) | {"STAMPEDE_WORKERS": str(workers)}
        environ |= changed
        processes = []
        for name in (*(one for one in PORTS if one != "gateway"), "gateway", "worker"):
            command = ["stampede", "worker"] if name == "worker" else ["stampede", "serve", name]
            if name == "gateway":
                command += ["--port", str(ports["gateway"])]
            own = {key: value for key, value in environ.items() if key != "STAMPEDE_PORT"}
            process = stack.enter_context(_running(command, directory, own, name))
            processes.append(process)
            if name != "worker":
                there = msgspec.structs.replace(loaded, port=ports[name])
                _wait(partial(is_up, there), [process], directory, name)
        roots = [process.pid for process in processes] + list(servers.pids.values()) + nodes
        yield Stack(_url(ports["gateway"]), loaded, Accounts(roots))


@contextlib.contextmanager
def comparator(name: str, workers: int) -> Iterator[Stack]:
    """An app of loadtest.bench.programs.bare_apps with the platform's own server settings."""
    with _scratch() as directory:
        port = free_port()
        environ = {"STAMPEDE_PORT": str(port), "STAMPEDE_WORKERS": str(workers)}
        command = ["loadtest.bench.programs.serve_bare", name]
        with _running(command, directory, environ) as process:
            loaded = _settings(directory, port)
            _wait(lambda: _listens(port), [process], directory)
            yield Stack(_url(port), loaded, Accounts([process.pid]))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="stampede-bench-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _running(
    module_and_arguments: list[str], directory: Path, environ: dict[str, str], name: str = "console"
) -> Iterator["subprocess.Popen[bytes]"]:
    environment = settings.inherited_environ() | {"PYTHONPATH": str(ROOT)} | environ
    with (directory / f"{name}.log").open("wb") as output:
        command = [sys.executable, "-m", *module_and_arguments]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_DEADLINE_S)
            process.kill()
            process.wait()


def _wait(
    ready: Callable[[], bool],
    processes: list["subprocess.Popen[bytes]"],
    directory: Path,
    name: str = "console",
) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while not ready():
        dead = any(process.poll() is not None for process in processes)
        if dead or time.monotonic() > deadline:
            log = (directory / f"{name}.log").read_text(errors="replace")[-2000:]
            raise StackError(f"{name} did not come up: {log}")
        time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _settings(directory: Path, port: int, environ: dict[str, str] | None = None) -> Settings:
    own = {"STAMPEDE_DATA_DIR": str(directory), "STAMPEDE_PORT": str(port)}
    return settings.load(own | (environ or {}))


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"
