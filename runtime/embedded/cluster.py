"""The servers of `stampede up --topology cluster`: a PostgreSQL pair, six Valkey nodes, three NATS servers.

    servers = ClusterServers(Path(".stampede"), ServerPorts.beside(8000))
    urls = servers.start()      # the caller then calls poll() about once a second
    servers.pair or servers.patroni, servers.valkey, servers.nats    # to kill and restart their parts
    servers.stop()

It stands in for EmbeddedServers wherever one is used. Its data are in `<data_dir>/cluster`, apart from
those of a single machine, its logs in `<data_dir>/logs`.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runtime.embedded.account import choose_account, let_reach, make_folder
from runtime.embedded.errors import EmbeddedError
from runtime.embedded.nats import SERVERS, NatsPorts, NatsServers, find_program
from runtime.embedded.ownership import CLUSTER_FOLDER, Ownership, ServerUrls
from runtime.embedded.patroni import PatroniPair, choose_patroni
from runtime.embedded.patroni import find_programs as find_patroni
from runtime.embedded.patroni_config import PatroniPorts
from runtime.embedded.replication import PostgresPair
from runtime.embedded.sockets import make_socket_dir
from runtime.embedded.spawning import OnEvent, telling
from runtime.embedded.valkey_joining import NodePorts
from runtime.embedded.valkey_nodes import NODES, ValkeyNodes

READY_TIMEOUT_S = 60.0
CONTROL_NAME = "control.sock"


@dataclass(frozen=True)
class ServerPorts:
    """The servers' ports on loopback. PostgreSQL has none without Patroni: it listens on Unix sockets."""

    valkey: tuple[NodePorts, ...]
    nats: tuple[NatsPorts, ...]
    patroni: PatroniPorts | None = None

    @staticmethod
    def beside(base: int) -> "ServerPorts":
        """From `base` + 60 to `base` + 88."""
        return ServerPorts(
            tuple(NodePorts(base + 60 + n, base + 70 + n) for n in range(NODES)),
            tuple(NatsPorts(base + 66 + n, base + 76 + n, base + 86 + n) for n in range(SERVERS)),
            PatroniPorts((base + 80, base + 81), (base + 82, base + 83), base + 84, base + 85),
        )

    def all(self) -> list[int]:
        nodes = [port for one in self.valkey for port in (one.port, one.bus)]
        nodes += [port for one in self.nats for port in (one.port, one.route, one.monitor)]
        return nodes + (self.patroni.all() if self.patroni is not None else [])


class ClusterServers:
    """`pair`, `valkey` and `nats` are None for what is not wanted, and `nats` also where no nats-server is
    installed. `patroni` stands in for `pair` where Patroni promotes: `promoter` is auto (where it is
    installed, but what the data were made with goes on), patroni or none. Call `start` and `poll` from the
    main thread. Events: those of EmbeddedServers, for each server by its name (`postgres-one`, `valkey-1`,
    `nats-1`, `patroni-one`, `etcd`, …).
    """

    def __init__(
        self,
        data_dir: Path,
        ports: ServerPorts,
        *,
        postgres: bool = True,
        redis: bool = True,
        nats: bool = True,
        promoter: str = "auto",
        on_event: OnEvent | None = None,
    ) -> None:
        self._data_dir = Path(os.path.abspath(data_dir))
        self._ports = ports
        self._wanted = {"postgres": postgres, "redis": redis, "nats": nats}
        self._promoter = promoter
        self._on_event = telling(on_event)
        self._ownership = Ownership(self._data_dir)
        self._urls: ServerUrls | None = None
        self._socket_dir: Path | None = None
        self.pair: PostgresPair | None = None
        self.patroni: PatroniPair | None = None
        self.valkey: ValkeyNodes | None = None
        self.nats: NatsServers | None = None

    def start(self, should_stop: Callable[[], bool] = lambda: False) -> ServerUrls:
        """Returns when all are ready and replicate. Stored data are still there, and who was primary last
        still is. Raises EmbeddedError, or StartCancelled soon after `should_stop()` returns true; then
        nothing is left running."""
        if self._urls is not None:
            return self._urls
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            self._data_dir = self._data_dir.resolve()  # processes are identified by their folder
            self._ownership.take()
            urls = self._start(should_stop)
            self._ownership.publish(urls)
        except OSError as error:
            self.stop()
            raise EmbeddedError(
                f"The servers cannot be started in {self._data_dir} ({error}): make room, or"
                " choose another data directory."
            ) from error
        except BaseException:
            self.stop()
            raise
        self._urls = urls
        return urls

    def poll(self) -> None:
        """Restarts servers that died. Never waits until a server is ready."""
        for servers in (self.valkey, self.nats, self.pair, self.patroni):
            if servers is not None:
                servers.poll()

    def stop(self) -> None:
        """Stops all in order and releases the directory. Idempotent."""
        for asked in (self.valkey, self.nats):
            if asked is not None:
                asked.ask_stop()
        for stopped in (self.pair, self.patroni, self.valkey, self.nats):
            if stopped is not None:
                stopped.stop()
        self.pair = self.patroni = self.valkey = self.nats = self._urls = None
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None
        self._ownership.release()

    def _start(self, should_stop: Callable[[], bool]) -> ServerUrls:
        account = choose_account(self._data_dir)
        if account is not None:
            self._ownership.give_file_to(account.uid, account.gid)
        folder, logs = self._data_dir / CLUSTER_FOLDER, self._data_dir / "logs"
        for path in (folder, logs):
            make_folder(path, account)
            let_reach(path, account)
        self._socket_dir = make_socket_dir(self._data_dir, account)
        program = find_program() if self._wanted["nats"] else None
        ports = self._ports.patroni if self._wanted["postgres"] else None
        patroni = choose_patroni(folder, self._promoter, find_patroni()) if ports else None
        if self._wanted["redis"]:
            self.valkey = ValkeyNodes(
                folder / "valkey", logs, account, self._ports.valkey, self._on_event
            )
            self.valkey.launch()
        if program is not None:
            self.nats = NatsServers(
                folder / "nats",
                logs,
                account,
                self._ports.nats,
                self._on_event,
                program=program,
            )
            self.nats.launch()
        database_url = ""
        if ports is not None and patroni is not None:
            self.patroni = PatroniPair(
                folder / "patroni",
                logs,
                account,
                ports,
                self._on_event,
                programs=patroni,
            )
            database_url = self.patroni.start(should_stop)
        elif self._wanted["postgres"]:
            self.pair = PostgresPair(folder / "postgres", on_event=self._on_event)
            database_url = self.pair.start(should_stop)
        if self.valkey is not None:
            self.valkey.form(should_stop, READY_TIMEOUT_S)
        if self.nats is not None:
            self.nats.wait_for_leader(should_stop, READY_TIMEOUT_S)
        return ServerUrls(
            database_url=database_url,
            redis_url=self.valkey.url if self.valkey is not None else "",
            nats_url=self.nats.url if self.nats is not None else "",
            control=str(self._socket_dir / CONTROL_NAME),
        )
