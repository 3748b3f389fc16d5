"""A primary and its streaming standby for tests of failover: what a test asks of them beside PostgresPair."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from runtime.embedded.replication import PostgresPair
from tests.support.servers import eventually, roomy_memory

LOOKS_MAX = 400


class Pair(PostgresPair):
    """`url` lists both, the first primary first."""

    @property
    def primary_url(self) -> str:
        return self.url_of(self.primary)

    @property
    def standby_url(self) -> str:
        return self.url_of(self.standby)

    def kill_primary(self) -> None:
        """Like a machine that loses power."""
        self.kill(self.primary)

    def answers(self, name: str) -> bool:
        return self._servers[name].ready()

    async def caught_up(self) -> None:
        """Returns when the standby has everything that the primary has committed so far."""
        at = await ask(self.primary_url, "SELECT pg_current_wal_lsn()::text")
        query = f"SELECT pg_last_wal_replay_lsn() >= '{at}'::pg_lsn"
        await _until(self.standby_url, query, True)

    async def fence_primary(self) -> None:
        """The primary answers but refuses writes, as when a failover manager has demoted it."""
        await ask(self.primary_url, "ALTER SYSTEM SET default_transaction_read_only = on")
        await ask(self.primary_url, "SELECT pg_reload_conf()")
        await _until(self.primary_url, "SHOW transaction_read_only", "on")

    @contextmanager
    def standby_cut_off(self) -> Iterator[None]:
        """Nothing that the primary writes reaches the standby, as behind a broken network."""
        sender = self._sender()
        sender.send_signal(signal.SIGSTOP)
        assert eventually(lambda: sender.status() == psutil.STATUS_STOPPED)
        try:
            yield
        finally:
            with suppress(psutil.NoSuchProcess):  # it died with its server
                sender.send_signal(signal.SIGCONT)

    async def commits_waiting(self, count: int) -> None:
        """Returns once so many sessions wait for the standby."""
        query = (
            f"SELECT count(*) = {count} FROM pg_stat_activity"
            " WHERE wait_event = 'SyncRep' AND backend_type = 'client backend'"
        )
        await _until(self.primary_url, query, True)

    def _sender(self) -> psutil.Process:
        primary = psutil.Process(self.pids[self.primary])
        found: list[psutil.Process] = []

        def one_sends() -> bool:
            found[:] = [one for one in primary.children() if "walsender" in _title(one)]
            return len(found) == 1

        assert eventually(one_sends)
        return found[0]


def _title(process: psutil.Process) -> str:
    """Empty for one that is just ending."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@contextmanager
def running_pair(*, synchronous: bool = True) -> Iterator[Pair]:
    directory = Path(tempfile.mkdtemp(prefix="stampede-pair-", dir=roomy_memory()))
    directory.chmod(0o755)
    pair = Pair(directory, synchronous=synchronous)
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def ask(url: str, query: str) -> Any:
    async with connected(url) as db:
        return await db.fetchval(query)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    db = await asyncpg.connect(url)
    try:
        yield db
    finally:
        await db.close()


async def _until(url: str, query: str, wanted: object) -> None:
    async with connected(url) as db:
        for _ in range(LOOKS_MAX):
            if await db.fetchval(query) == wanted:
                return
            await asyncio.sleep(0.02)
    raise TimeoutError(f"{query} does not become {wanted}")
