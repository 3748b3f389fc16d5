"""Both servers of one data directory, started, watched and stopped together."""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from runtime.embedded import postgres, valkey
from runtime.embedded.account import choose_account, let_reach, make_folder
from runtime.embedded.errors import EmbeddedError, StartCancelled
from runtime.embedded.ownership import Ownership, ServerUrls
from runtime.embedded.process import ServerProcess, ServerSpec
from runtime.embedded.sockets import make_socket_dir
from runtime.embedded.spawning import PROBE_INTERVAL_S, OnEvent, telling

READY_TIMEOUT_S = 300.0  # recovery after a crash replays up to max_wal_size
TOUCH_INTERVAL_S = 3600.0  # programs that clean temporary folders count in days


class EmbeddedServers:
    """PostgreSQL in `<data_dir>/postgres`, Valkey in `<data_dir>/valkey`, logs in `logs/`.

    Call `start` and `poll` from the main thread: elsewhere the servers are not tied to this process's
    life (see `spawning.tethered`). If this process is killed, they shut down by themselves on Linux; on
    other systems, the next `start` on the same directory ends them.

    Events: server_ready, server_died, server_left_over, server_stopped. Each names its `server`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        postgres: bool = True,
        redis: bool = True,
        on_event: OnEvent | None = None,
    ) -> None:
        self._data_dir = Path(os.path.abspath(data_dir))
        self._wanted = {"postgres": postgres, "valkey": redis}
        self._on_event = telling(on_event)
        self._ownership = Ownership(self._data_dir)
        self._servers: list[ServerProcess] = []
        self._urls: ServerUrls | None = None
        self._socket_dir: Path | None = None
        self._touched_at = time.monotonic()

    @property
    def pids(self) -> dict[str, int]:
        """Main process of each running server: {"postgres": …, "valkey": …}."""
        return {one.spec.name: one.pid for one in self._servers if one.pid is not None}

    def start(self, should_stop: Callable[[], bool] = lambda: False) -> ServerUrls:
        """Returns when both accept connections. Stored data is still there.

        A second call returns the same URLs. Raises EmbeddedError, or StartCancelled soon after
        `should_stop()` returns true; then nothing is left running.
        """
        if self._urls is not None:
            return self._urls
        try:
            self._make_data_dir()
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
        for server in self._servers:
            server.poll()
        if self._socket_dir and time.monotonic() - self._touched_at > TOUCH_INTERVAL_S:
            self._touched_at = time.monotonic()
            for path in (self._socket_dir, *self._socket_dir.iterdir()):
                with suppress(OSError):
                    os.utime(path)

    def stop(self) -> None:
        """Stops both in order and releases the directory. Idempotent."""
        for server in self._servers:
            server.ask_stop()
        for server in self._servers:
            server.stop()
        self._servers = []
        self._urls = None
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
            self._socket_dir = None
        self._ownership.release()

    def _make_data_dir(self) -> None:
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedError(
                f"{self._data_dir} cannot be created ({error.strerror}): choose another data"
                " directory."
            ) from error
        self._data_dir = self._data_dir.resolve()  # processes are identified by their folder

    def _start(self, should_stop: Callable[[], bool]) -> ServerUrls:
        account = choose_account(self._data_dir)
        if account is not None:
            self._ownership.give_file_to(account.uid, account.gid)
        logs = self._data_dir / "logs"
        make_folder(logs, account)
        let_reach(logs, account)
        self._socket_dir = sockets = make_socket_dir(self._data_dir, account)
        if self._wanted["valkey"]:
            spec = valkey.valkey_spec(self._data_dir, sockets, logs / "valkey.log", account)
            self._launch(spec, valkey.prepare)
        if self._wanted["postgres"]:
            spec = postgres.postgres_spec(self._data_dir, sockets, logs / "postgres.log", account)
            self._launch(spec, postgres.prepare)
        self._wait_until_ready(should_stop)
        if self._wanted["postgres"]:
            postgres.create_database(sockets)
        return ServerUrls(
            postgres.database_url(sockets) if self._wanted["postgres"] else "",
            valkey.redis_url(sockets) if self._wanted["valkey"] else "",
        )

    def _launch(self, spec: ServerSpec, prepare: Callable[[ServerSpec], None]) -> None:
        server = ServerProcess(spec, self._on_event)
        server.take_over()
        prepare(spec)
        self._servers.append(server)
        server.launch()

    def _wait_until_ready(self, should_stop: Callable[[], bool]) -> None:
        give_up = time.monotonic() + READY_TIMEOUT_S
        waiting = list(self._servers)
        while waiting := [one for one in waiting if not one.ready()]:
            dead = next((one for one in waiting if one.pid is None), None)
            if dead is not None or time.monotonic() > give_up:
                late = dead or waiting[0]
                raise EmbeddedError(
                    f"{late.spec.name} did not start ({late.last_words()}): {late.spec.remedy}."
                )
            if should_stop():
                raise StartCancelled("The start was interrupted, and nothing is left running.")
            time.sleep(PROBE_INTERVAL_S)
