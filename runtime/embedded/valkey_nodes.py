"""Six Valkey nodes on loopback that form a cluster: three primaries, each with a replica.

    nodes = ValkeyNodes(folder, logs, account, ports, on_event)
    nodes.launch()
    nodes.form(should_stop)

A replica takes its primary's place by itself, NODE_TIMEOUT_MS after the primary fell silent. Roles and slots
are kept by the nodes (`nodes.conf`), so the next start goes on with them, on other ports too.
"""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.embedded import valkey
from runtime.embedded.account import Account
from runtime.embedded.errors import EmbeddedError, StartCancelled
from runtime.embedded.process import ServerProcess, ServerSpec, kill_in
from runtime.embedded.spawning import PROBE_INTERVAL_S, OnEvent
from runtime.embedded.valkey_joining import AWAY, NodePorts, ask, join, owners, slots_of

PRIMARIES = 3
NODES = 2 * PRIMARIES
NODE_TIMEOUT_MS = 1_000  # a replica has the slots 1.5 s after its primary died
SETTINGS = {
    "bind": "127.0.0.1",
    "cluster-enabled": "yes",
    "cluster-node-timeout": str(NODE_TIMEOUT_MS),
    "cluster-require-full-coverage": "no",  # a missing primary stops its own sessions only
    "cluster-allow-replica-migration": "no",  # each primary keeps the replica that it has
    # A replica that is behind takes over all the same: PostgreSQL knows better than both.
    "cluster-replica-validity-factor": "0",
    "repl-diskless-sync-delay": "0",
}


@dataclass(frozen=True)
class NodeState:
    """A node in its own words. `role`: primary, replica or away. `of`: the primary of a replica.
    `first_slot`: one of a primary's `slots`. `in_sync`: of a replica that has caught up."""

    name: str
    port: int
    pid: int | None
    role: str
    slots: int = 0
    first_slot: int = -1
    of: str = ""
    in_sync: bool = False


class ValkeyNodes:
    """Call `launch`, `poll` and `restart` from the main thread. A node that died is started again; one
    that was ended by `kill` stays down until `restart`."""

    def __init__(
        self,
        directory: Path,
        logs: Path,
        account: Account | None,
        ports: Sequence[NodePorts],
        on_event: OnEvent,
    ) -> None:
        self._directory = directory
        self._ports = {f"valkey-{number}": one for number, one in enumerate(ports, 1)}
        specs = [self._spec(name, logs, account) for name in self._ports]
        self._servers = {spec.name: ServerProcess(spec, on_event) for spec in specs}

    @property
    def url(self) -> str:
        return "redis://" + ",".join(f"127.0.0.1:{one.port}" for one in self._ports.values())

    def launch(self) -> None:
        for server in self._servers.values():
            server.take_over()
            valkey.prepare(server.spec)
            server.launch()

    def form(self, should_stop: Callable[[], bool], timeout_s: float) -> None:
        """Returns when every slot has a primary and every primary a replica. Raises EmbeddedError or
        StartCancelled."""
        give_up = time.monotonic() + timeout_s
        for server in self._servers.values():
            while not server.ready():
                if server.pid is None or time.monotonic() > give_up:
                    raise EmbeddedError(
                        f"{server.spec.name} did not start ({server.last_words()}):"
                        f" {server.spec.remedy}."
                    )
                if should_stop():
                    raise StartCancelled("The start was interrupted, and nothing is left running.")
                time.sleep(PROBE_INTERVAL_S)
        remedy = f"delete {self._directory}, since PostgreSQL can rebuild what was there"
        join(list(self._ports.values()), PRIMARIES, should_stop, remedy)

    def poll(self) -> None:
        for server in self._servers.values():
            server.poll()

    def states(self) -> list[NodeState]:
        return [self.state(name) for name in self._ports]

    def state(self, name: str) -> NodeState:
        port, pid = self._ports[name].port, self._servers[name].pid
        if pid is not None:
            with contextlib.suppress(*AWAY):
                role = ask(port, "ROLE")
                if role[0] != b"master":
                    of = next((n for n, one in self._ports.items() if one.port == role[2]), "?")
                    return NodeState(
                        name, port, pid, "replica", of=of, in_sync=role[3] == b"connected"
                    )
                ranges = owners(port)
                firsts = [first for first, _, owner in ranges if owner == port]
                slots, first = slots_of(ranges, port), min(firsts, default=-1)
                return NodeState(name, port, pid, "primary", slots, first)
        return NodeState(name, port, pid, "away")

    def owner_of(self, slot: int, *, beside: str) -> str | None:
        """Which node has this slot, as the others see it who are not `beside`. None: nobody."""
        for name, own in self._ports.items():
            if name == beside:
                continue
            with contextlib.suppress(*AWAY):
                found = [port for first, last, port in owners(own.port) if first <= slot <= last]
                owner = next((n for n, one in self._ports.items() if [one.port] == found), beside)
                if owner != beside and self.state(owner).role == "primary":
                    return owner
        return None

    def kill(self, name: str) -> None:
        """Like a machine that loses power."""
        spec = self._servers[name].spec
        kill_in(spec.folder, spec.program.name)
        self._servers[name].stop()

    def restart(self, name: str) -> None:
        """Starts a killed node; it finds its place by itself."""
        self._servers[name].launch()

    def ask_stop(self) -> None:
        for server in self._servers.values():
            server.ask_stop()

    def stop(self) -> None:
        for server in self._servers.values():
            server.stop()

    def _spec(self, name: str, logs: Path, account: Account | None) -> ServerSpec:
        ports = self._ports[name]
        folder, log = self._directory / name.rpartition("-")[2], logs / f"{name}.log"
        settings = valkey.SETTINGS | SETTINGS
        settings |= {"port": str(ports.port), "cluster-port": str(ports.bus)}
        return ServerSpec(
            name=name,
            program=valkey.program(),
            args=[part for key, value in settings.items() for part in (f"--{key}", value)],
            folder=folder,
            log=log,
            account=account,
            ready=lambda _pid: valkey.answers(host="127.0.0.1", port=ports.port),
            pid_file=folder / "valkey.pid",
            stale=[folder / "valkey.pid"],
            stop_steps=valkey.STOP_STEPS,
            remedy=f"see {log}",
        )
