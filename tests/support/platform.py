"""A platform in real processes, in either composition, and ways to break it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from runtime.embedded.spawning import tethered
from tests.support.servers import ROOT, free_port

START_DEADLINE_S = 60.0
CLUSTER_START_DEADLINE_S = 180.0  # two dozen processes, on a machine that has other work
STOP_DEADLINE_S = 30.0
SERVICES = ("identity", "catalog", "booking", "notification")
PATIENT = {  # every test comes from one address; limits have tests of their own
    "STAMPEDE_RATE_LIMIT_PER_IP": "100000/s",
    "STAMPEDE_RATE_LIMIT_PER_IP_BURST": "100000",
    "STAMPEDE_RATE_LIMIT_PER_USER": "100000/s",
    "STAMPEDE_RATE_LIMIT_PER_USER_BURST": "100000",
    "STAMPEDE_RATE_LIMIT_LOGIN": "100000/s",
    "STAMPEDE_RATE_LIMIT_LOGIN_BURST": "100000",
    "STAMPEDE_WEBHOOK_ALLOW_PRIVATE": "true",  # the tests' receivers are on loopback
    "STAMPEDE_DRAIN_S": "0",  # most tests have one process of a service
}


class RunningPlatform:
    """Processes of one platform, by name (`up`, or `gateway` … `worker`), and its address."""

    def __init__(self, base_url: str, data_dir: Path, environ: dict[str, str]) -> None:
        self.base_url = base_url
        self.data_dir = data_dir
        self.environ = environ
        self.metrics_urls = {"up": f"{base_url}/metrics"}  # by process
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str, ready_port: int | None = None) -> None:
        """Starts `stampede ARGUMENTS` and returns when its port answers."""
        with (self.data_dir / f"{name}.console").open("ab") as console:
            self.processes[name] = subprocess.Popen(
                tethered(
                    [
                        sys.executable,
                        "-m",
                        "stampede",
                        *arguments,
                        "--data-dir",
                        str(self.data_dir),
                    ],
                    signal.SIGTERM,  # it ends its own servers
                ),
                cwd=ROOT,
                env=self.environ,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        if ready_port is not None:
            self.wait_for_port(name, ready_port)

    def wait_for_port(self, name: str, port: int, host: str = "127.0.0.1") -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection((host, port), 0.5):
                return
            code = self.processes[name].poll()
            if code is not None or time.monotonic() > deadline:
                raise AssertionError(f"{name} did not come up ({code}):\n{self.console(name)}")
            time.sleep(0.05)

    def console(self, name: str) -> str:
        return (self.data_dir / f"{name}.console").read_text(errors="replace")[-4000:]

    def descendants(self, name: str, needle: str) -> list[psutil.Process]:
        """Processes below `name` whose command line contains `needle`: `serving`, `background` …"""
        found = psutil.Process(self.processes[name].pid).children(recursive=True)
        return [one for one in found if needle in " ".join(_command(one))]

    def stop(self) -> None:
        """Sends SIGTERM to all, newest first. A process left after the deadline is a failure."""
        family = [p for name in self.processes for p in self._family(name)]
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_DEADLINE_S)
        _, alive = psutil.wait_procs(family, timeout=5)
        for orphan in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                orphan.kill()
        assert not alive, f"left running: {[' '.join(_command(one)) for one in alive]}"

    def _family(self, name: str) -> list[psutil.Process]:
        try:
            parent = psutil.Process(self.processes[name].pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def environment(**settings: str) -> dict[str, str]:
    """This process's environment without our settings, then the settings of a test platform with wide
    limits."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("STAMPEDE_")}
    return inherited | PATIENT | settings


@contextlib.contextmanager
def all_in_one(data_dir: Path, *arguments: str, **settings: str) -> Iterator[RunningPlatform]:
    """`stampede up`: gateway and services in each web process, a worker, and embedded servers if
    requested."""
    port = free_port()
    platform = RunningPlatform(f"http://127.0.0.1:{port}", data_dir, environment(**settings))
    try:
        platform.start("up", "up", "--port", str(port), *arguments, ready_port=port)
        yield platform
    finally:
        platform.stop()


@contextlib.contextmanager
def several_machines(data_dir: Path, port: int, **settings: str) -> Iterator[RunningPlatform]:
    """`stampede up --topology cluster`, from the moment that it says it is up."""
    platform = RunningPlatform(f"http://127.0.0.1:{port}", data_dir, environment(**settings))
    try:
        platform.start("up", "up", "--topology", "cluster", "--no-demo", "--port", str(port))
        deadline = time.monotonic() + CLUSTER_START_DEADLINE_S
        while "A cluster of" not in platform.console("up"):
            code = platform.processes["up"].poll()
            if code is not None or time.monotonic() > deadline:
                raise AssertionError(f"it did not come up ({code}):\n{platform.console('up')}")
            time.sleep(0.1)
        yield platform
    finally:
        platform.stop()


@contextlib.contextmanager
def one_process_each(data_dir: Path, **settings: str) -> Iterator[RunningPlatform]:
    """`stampede serve X` for each service and the gateway, HTTP between them, and a worker."""
    ports = {name: free_port() for name in (*SERVICES, "gateway")}
    worker_port = free_port()
    urls = {f"STAMPEDE_{n.upper()}_URL": f"http://127.0.0.1:{ports[n]}" for n in SERVICES}
    base_url = f"http://127.0.0.1:{ports['gateway']}"
    settings = settings | urls | {"STAMPEDE_PUBLIC_URL": base_url}
    settings["STAMPEDE_WORKER_PORT"] = str(worker_port)
    platform = RunningPlatform(base_url, data_dir, environment(**settings))
    platform.metrics_urls = {
        name: f"http://127.0.0.1:{port}/metrics"
        for name, port in (ports | {"worker": worker_port}).items()
    }
    try:
        platform.start("migrate", "migrate")
        assert platform.processes.pop("migrate").wait(START_DEADLINE_S) == 0
        for name in (*SERVICES, "gateway"):
            platform.start(name, "serve", name, "--port", str(ports[name]), "--workers", "1")
        for name, port in ports.items():
            platform.wait_for_port(name, port)
        platform.start("worker", "worker", ready_port=worker_port)
        yield platform
    finally:
        platform.stop()
