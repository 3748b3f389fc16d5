"""A primary and its streaming standby, from the wheel's programs, for tests of failover."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import psutil

from runtime.embedded import EmbeddedServers
from runtime.embedded.account import choose_account, let_reach, make_folder
from runtime.embedded.postgres import DATABASE, PORT, SUPERUSER, database_url, postgres_spec
from runtime.embedded.process import ServerProcess, first_line_pid
from runtime.embedded.sockets import make_socket_dir
from runtime.embedded.spawning import tethered
from runtime.embedded.wheel import PROGRAMS
from tests.support.servers import eventually


class Pair:
    """`url` lists both, the primary first. Stop it after use."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="stampede-pair-"))
        self._directory.chmod(0o755)
        self._primary = EmbeddedServers(self._directory / "one", redis=False)
        self.primary_url = self._primary.start().database_url
        self._copy = self._directory / "two"
        self._copy.mkdir()
        self._account = choose_account(self._copy)
        self._sockets = make_socket_dir(self._copy, self._account)
        self._standby = self._start_standby()
        self.standby_url = database_url(self._sockets)
        first = self.primary_url.partition("host=")[2].partition("&")[0]
        second = quote(str(self._sockets), safe="/")
        self.url = f"postgresql://{SUPERUSER}@/{DATABASE}?host={first},{second}&port={PORT},{PORT}"

    def stop(self) -> None:
        self._standby.stop()
        self._primary.stop()
        for folder in (self._sockets, self._directory):
            shutil.rmtree(folder, ignore_errors=True)

    def kill_primary(self) -> None:
        """Like a machine that loses power."""
        pid = self._primary.pids["postgres"]
        left = [pid, *self._children(pid)]
        for one in left:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        assert eventually(lambda: "postgres" not in self._primary.pids)

    async def caught_up(self) -> None:
        """Returns when the standby has everything that the primary has committed so far."""
        at = await self._ask(self.primary_url, "SELECT pg_current_wal_lsn()::text")
        for _ in range(400):
            query = f"SELECT pg_last_wal_replay_lsn() >= '{at}'::pg_lsn"
            if await self._ask(self.standby_url, query):
                return
            await asyncio.sleep(0.05)
        raise TimeoutError("the standby does not catch up")

    async def promote(self) -> None:
        assert await self._ask(self.standby_url, "SELECT pg_promote()")

    async def fence_primary(self) -> None:
        """The primary answers but refuses writes, as when a failover manager has demoted it."""
        await self._do(self.primary_url, "ALTER SYSTEM SET default_transaction_read_only = on")
        await self._do(self.primary_url, "SELECT pg_reload_conf()")
        for _ in range(400):
            if await self._ask(self.primary_url, "SHOW transaction_read_only") == "on":
                return
            await asyncio.sleep(0.02)
        raise TimeoutError("the primary still accepts writes")

    def _start_standby(self) -> ServerProcess:
        logs = self._copy / "logs"
        for folder in (self._copy, logs):
            make_folder(folder, self._account)
            let_reach(folder, self._account)
        source = self.primary_url.partition("host=")[2].partition("&")[0]
        backup = [str(PROGRAMS / "pg_basebackup"), "-h", source, "-p", str(PORT), "-U", SUPERUSER]
        backup += ["-D", str(self._copy / "postgres"), "-R", "-X", "stream", "-c", "fast"]
        done = subprocess.run(
            tethered(backup, signal.SIGKILL, self._account),
            cwd=self._copy, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()
        spec = postgres_spec(self._copy, self._sockets, logs / "postgres.log", self._account)
        spec = replace(
            spec, ready=lambda pid: first_line_pid(spec.pid_file) == pid and _reads(spec)
        )
        server = ServerProcess(spec, lambda *_: None)
        server.launch()
        assert eventually(server.ready, 60), server.last_words()
        return server

    def _children(self, pid: int) -> list[int]:
        return [one.pid for one in psutil.Process(pid).children(recursive=True)]

    async def _ask(self, url: str, query: str) -> Any:
        one = await asyncpg.connect(url)
        try:
            return await one.fetchval(query)
        finally:
            await one.close()

    async def _do(self, url: str, statement: str) -> None:
        one = await asyncpg.connect(url)
        try:
            await one.execute(statement)
        finally:
            await one.close()


def _reads(spec: Any) -> bool:
    """True if a standby accepts connections; line 8 says so."""
    with suppress(OSError):
        lines = spec.pid_file.read_bytes().splitlines()
        return len(lines) >= 8 and lines[7].strip() in {b"standby", b"ready"}
    return False
