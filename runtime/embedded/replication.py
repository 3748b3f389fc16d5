"""A PostgreSQL primary and its standby, from the wheel's own programs, on unix sockets only.

    pair = PostgresPair(Path(".stampede/postgresql"))
    url = pair.start()       # names both servers; the caller then calls poll() about once a second
    pair.kill(pair.primary)  # as a machine that loses power
    pair.promote()           # the standby takes writes, alone
    pair.rejoin()            # the other one follows it, and commits wait for it again
    pair.stop()

The standby streams through a physical slot and is synchronous: a commit is answered when the standby has
flushed it. Nothing here promotes by itself, and a primary that died is started again as a primary until
somebody asks for a promotion.
"""

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from runtime.embedded.account import Account, choose_account, let_reach, make_folder
from runtime.embedded.errors import EmbeddedError, StartCancelled
from runtime.embedded.ownership import Ownership, ServerUrls
from runtime.embedded.postgres import (
    DATABASE,
    PORT,
    SUPERUSER,
    create_database,
    database_url,
    postgres_spec,
    prepare,
    run_sql,
)
from runtime.embedded.process import ServerProcess, ServerSpec, kill_in
from runtime.embedded.replicas import base_backup, last_timeline, rewind
from runtime.embedded.sockets import make_socket_dir
from runtime.embedded.spawning import PROBE_INTERVAL_S, OnEvent, telling

NAMES = ("one", "two")
HALF_COPIED = "half-copied"
READY_TIMEOUT_S = 300.0  # recovery after a crash replays up to max_wal_size
STREAMING_TIMEOUT_S = 60.0
PROMOTION_TIMEOUT_S = 60
REPLICATION = {
    # A standby that stays away must not fill the primary's disk; it is then copied anew.
    "max_slot_wal_keep_size": "1GB",
    # pg_rewind reads the log of the old primary from before the servers parted.
    "wal_keep_size": "256MB",
    # A standby whose primary has gone asks for it again this often.
    "wal_retrieve_retry_interval": "200ms",
}


class PostgresPair:
    """The servers `one` and `two`, each in its folder of `directory`; at first `one` is the primary.

    Call `start`, `poll`, `promote` and `rejoin` from the main thread: elsewhere the servers are not tied
    to this process's life (see `spawning.tethered`). Each returns when it is done, and raises
    EmbeddedError if it cannot be. Events: those of EmbeddedServers (`server` is `postgres-one` or
    `postgres-two`), and server_promoted, server_rejoined.

    synchronous: False lets the primary answer without its standby. What it acknowledged last is then lost
    when it dies.
    """

    def __init__(
        self, directory: Path, *, synchronous: bool = True, on_event: OnEvent | None = None
    ) -> None:
        self.directory = Path(os.path.abspath(directory))
        self._synchronous = synchronous
        self._on_event = telling(on_event)
        self._ownership = Ownership(self.directory)
        self._account: Account | None = None
        self._sockets: dict[str, Path] = {}
        self._servers: dict[str, ServerProcess] = {}
        self._killed: set[str] = set()
        self._primary = NAMES[0]

    @property
    def primary(self) -> str:
        """Its name. It may be dead."""
        return self._primary

    @property
    def standby(self) -> str:
        """The other one's name. After a promotion it is no standby until `rejoin` has returned."""
        return NAMES[1 - NAMES.index(self._primary)]

    @property
    def pids(self) -> dict[str, int]:
        """Main process of each running server, by name."""
        return {name: one.pid for name, one in self._servers.items() if one.pid is not None}

    @property
    def url(self) -> str:
        """Names both servers, always in the same order. Clients look for the one that accepts writes."""
        hosts = ",".join(quote(str(self._sockets[name]), safe="/") for name in NAMES)
        ports = ",".join(str(PORT) for _ in NAMES)
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={hosts}&port={ports}"

    def url_of(self, name: str) -> str:
        """Names this server only."""
        return database_url(self._sockets[name])

    def folder_of(self, name: str) -> Path:
        """Where the server has its data."""
        return self.directory / name / "postgres"

    def in_sync(self) -> bool:
        """True if commits wait for the standby, and it streams. False also while the primary is dead."""
        query = (
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
            f" AND sync_state IN ('sync', 'quorum') AND application_name = '{self.standby}';"
        )
        try:
            return self._sql(self._primary, query) == "1"
        except EmbeddedError:
            return False

    def start(self, should_stop: Callable[[], bool] = lambda: False) -> str:
        """Returns `url` when both accept connections and the standby streams. Stored data is still there.

        Raises EmbeddedError, or StartCancelled soon after `should_stop()` returns true; then nothing is
        left running.
        """
        try:
            self._take_directory()
            self._primary = self._find_primary()
            prepare(self._spec(self._primary))
            self._launch(self._primary, should_stop)
            create_database(self._sockets[self._primary])
            self._follow(should_stop)
            self._ownership.publish(ServerUrls(database_url=self.url))
        except OSError as error:
            self.stop()
            raise EmbeddedError(
                f"The servers cannot be started in {self.directory} ({error}): make room, or"
                " choose another data directory."
            ) from error
        except BaseException:
            self.stop()
            raise
        return self.url

    def poll(self) -> None:
        """Restarts servers that died, as what they were, but not those that were killed by `kill`."""
        for name, server in self._servers.items():
            if name not in self._killed:
                server.poll()

    def kill(self, name: str) -> None:
        """Kills all processes of a server at once. It stays down until `restart` or `rejoin`."""
        self._killed.add(name)
        kill_in(self.folder_of(name), "postgres")
        self._servers[name].stop()

    def restart(self, name: str) -> None:
        """Starts a killed server as what it was. Not for a primary after its standby's promotion."""
        self._launch(name)

    def promote(self) -> None:
        """Returns when the standby accepts writes. It waits for nobody until `rejoin`.

        Stops the primary first if it runs: two of them would part.
        """
        old, new = self._primary, self.standby
        self._killed.add(old)
        self._servers[old].stop()
        self._sql(new, "ALTER SYSTEM RESET synchronous_standby_names;\nSELECT pg_reload_conf();")
        if self._sql(new, f"SELECT pg_promote(true, {PROMOTION_TIMEOUT_S});") != "t":
            raise EmbeddedError(f"PostgreSQL {new!r} was not promoted: see its log.")
        self._primary = new
        self._make_slot(old)
        self._on_event("server_promoted", {"server": f"postgres-{new}"})

    def rejoin(self) -> None:
        """Makes the server that is not the primary its standby, with what it has of its own removed.

        Returns when it streams and, in a synchronous pair, commits wait for it.
        """
        self._servers[self.standby].stop()
        self._follow()
        self._on_event("server_rejoined", {"server": f"postgres-{self.standby}"})

    def stop(self) -> None:
        """Stops both and releases the directory. Idempotent."""
        for server in self._servers.values():
            server.ask_stop()
        for server in self._servers.values():
            server.stop()
        self._servers = {}
        for folder in self._sockets.values():
            shutil.rmtree(folder, ignore_errors=True)
        self._ownership.release()

    def _take_directory(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory = self.directory.resolve()  # processes are identified by their folder
        self._ownership.take()
        self._account = choose_account(self.directory)
        if self._account is not None:
            self._ownership.give_file_to(self._account.uid, self._account.gid)
        for folder in (self.directory / "logs", *(self.directory / name for name in NAMES)):
            make_folder(folder, self._account)
            let_reach(folder, self._account)
        self._sockets = {
            name: make_socket_dir(self.directory / name, self._account) for name in NAMES
        }
        for name in NAMES:
            self._servers[name] = ServerProcess(self._spec(name), self._on_event)
            self._servers[name].take_over()

    def _find_primary(self) -> str:
        """By what is on disk: a promoted server has a later timeline than the one it replaced."""
        used = [name for name in NAMES if (self.folder_of(name) / "PG_VERSION").is_file()]
        primaries = [
            name
            for name in used
            if not (self._is_standby(name) or self._half_copied(name).exists())
        ]
        if used and not primaries:
            raise EmbeddedError(
                f"{self.directory} contains a standby but no primary: move it away, or choose"
                " another data directory."
            )
        if len(primaries) < 2:
            return primaries[0] if primaries else NAMES[0]
        return max(primaries, key=lambda name: last_timeline(self._spec(name)))

    def _follow(self, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Makes the other server the primary's standby, whatever it was, and waits until it streams."""
        name = self.standby
        spec, source = self._spec(name), self._sockets[self._primary]
        self._make_slot(name)
        if self._half_copied(name).exists() or not self._is_standby(name):
            self._copy(spec, source, name)
        self._launch(name, should_stop)
        # Slots of its time as a primary would keep the log for nobody.
        self._sql(name, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots;")
        self._wait_for_streaming(should_stop)
        names = f"ANY 1 ({name})" if self._synchronous else ""
        self._sql(
            self._primary,
            f"ALTER SYSTEM SET synchronous_standby_names = '{names}';\nSELECT pg_reload_conf();",
        )

    def _copy(self, spec: ServerSpec, source: Path, name: str) -> None:
        half = self._half_copied(name)
        whole = (spec.folder / "PG_VERSION").is_file() and not half.exists()
        half.touch()
        if not (whole and rewind(spec, source)):
            base_backup(spec, source, slot=name)
        (spec.folder / "standby.signal").touch(mode=0o600)
        half.unlink()

    def _launch(self, name: str, should_stop: Callable[[], bool] = lambda: False) -> None:
        """Starts it as a standby if its folder says so, and waits until it accepts connections."""
        server = self._servers[name] = ServerProcess(self._spec(name), self._on_event)
        self._killed.discard(name)
        server.launch()

        def up() -> bool:
            if server.pid is None:
                raise EmbeddedError(
                    f"{server.spec.name} did not start ({server.last_words()}):"
                    f" {server.spec.remedy}."
                )
            return server.ready()

        if not _eventually(up, READY_TIMEOUT_S, should_stop):
            raise EmbeddedError(f"{server.spec.name} did not start in time: {server.spec.remedy}.")

    def _wait_for_streaming(self, should_stop: Callable[[], bool]) -> None:
        query = (
            "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
            f" AND application_name = '{self.standby}';"
        )
        if not _eventually(
            lambda: self._sql(self._primary, query) == "1", STREAMING_TIMEOUT_S, should_stop
        ):
            raise EmbeddedError(f"The standby does not stream: {self._spec(self.standby).remedy}.")

    def _make_slot(self, name: str) -> None:
        """For this standby, on the primary. Keeps the log from now on."""
        self._sql(
            self._primary,
            f"SELECT pg_create_physical_replication_slot('{name}', true) WHERE NOT EXISTS"
            f" (SELECT FROM pg_replication_slots WHERE slot_name = '{name}');",
        )

    def _spec(self, name: str) -> ServerSpec:
        log = self.directory / "logs" / f"postgres-{name}.log"
        spec = postgres_spec(self.directory / name, self._sockets[name], log, self._account)
        settings = dict(REPLICATION)
        if self._is_standby(name):
            source = self._sockets[NAMES[1 - NAMES.index(name)]]
            settings |= {
                "primary_conninfo": f"host={source} port={PORT} user={SUPERUSER}"
                f" application_name={name}",
                "primary_slot_name": name,
            }
        args = [*spec.args, *(f"--{key}={value}" for key, value in settings.items())]
        return replace(spec, name=f"postgres-{name}", args=args)

    def _half_copied(self, name: str) -> Path:
        """There while a copy is made. What an interrupted one has left is no server."""
        return self.directory / name / HALF_COPIED

    def _is_standby(self, name: str) -> bool:
        return (self.folder_of(name) / "standby.signal").is_file()

    def _sql(self, name: str, statements: str) -> str:
        return run_sql(self._sockets[name], "postgres", statements)


def _eventually(
    holds: Callable[[], bool], timeout_s: float, should_stop: Callable[[], bool]
) -> bool:
    give_up = time.monotonic() + timeout_s
    while not holds():
        if should_stop():
            raise StartCancelled("The start was interrupted, and nothing is left running.")
        if time.monotonic() > give_up:
            return False
        time.sleep(PROBE_INTERVAL_S)
    return True
