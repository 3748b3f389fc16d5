"""Backup and point-in-time restore of the embedded PostgreSQL, step by step as docs/scale.md says it."""

import asyncio
import os
import shutil
import signal
import subprocess
from datetime import datetime
from pathlib import Path

import asyncpg

from runtime.embedded import EmbeddedServers
from runtime.embedded.account import Account, choose_account, make_folder
from runtime.embedded.postgres import PORT, SUPERUSER
from runtime.embedded.spawning import tethered
from runtime.embedded.wheel import PROGRAMS
from tests.support.servers import eventually

BACKUP_TIMEOUT_S = 60
RECOVERY_LOOKS_MAX = 1200


class Backups:
    """The archive of the write-ahead log and the base backups of one data directory.

    Call `begin` before anything runs there.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._account: Account | None = None
        self.folder = data_dir / "backups"
        self.archive = self.folder / "wal"

    async def begin(self) -> None:
        """Switches archiving on. PostgreSQL needs a restart for it."""
        servers = EmbeddedServers(self._data_dir, redis=False)
        try:
            url = servers.start().database_url
            self._account = choose_account(self._data_dir)
            for folder in (self.folder, self.archive):
                make_folder(folder, self._account)
            keep = f'test ! -f "{self.archive}/%f" && cp "%p" "{self.archive}/%f"'
            await _do(url, "ALTER SYSTEM SET archive_mode = on")
            await _do(url, f"ALTER SYSTEM SET archive_command = '{keep}'")
        finally:
            servers.stop()

    def base(self, database_url: str) -> None:
        """A base backup of the running server. The restore is its check: pg_verifybackup of the wheel
        crashes."""
        sockets = database_url.partition("host=")[2].partition("&")[0]
        where = ["-h", sockets, "-p", str(PORT), "-U", SUPERUSER]
        copy = str(self.folder / "base")
        self._run("pg_basebackup", *where, "-D", copy, "-X", "none", "-c", "fast", "--no-sync")

    async def archived(self, database_url: str) -> None:
        """Closes the segment that is being written, and returns when the archive has it."""
        segment = str(await _ask(database_url, "SELECT pg_walfile_name(pg_switch_wal())"))
        copied = await asyncio.to_thread(eventually, (self.archive / segment).is_file, 30.0)
        assert copied, f"{segment} was not archived"

    async def restore(self, target: Path, until: datetime) -> None:
        """Makes a data directory whose PostgreSQL is what it was at that time."""
        self._prepare(target, until)
        servers = EmbeddedServers(target, redis=False)
        try:
            url = servers.start().database_url
            for _ in range(RECOVERY_LOOKS_MAX):
                if not await _ask(url, "SELECT pg_is_in_recovery()"):
                    return
                await asyncio.sleep(0.05)
            raise TimeoutError("PostgreSQL does not come to its time")
        finally:
            servers.stop()

    def _prepare(self, target: Path, until: datetime) -> None:
        folder = target / "postgres"
        shutil.copytree(self.folder / "base", folder)
        fetch = f'cp "{self.archive}/%f" "%p"'
        with (folder / "postgresql.auto.conf").open("a") as settings:
            settings.write(
                "archive_mode = off\n"  # the first start is not yet the one to archive
                f"restore_command = '{fetch}'\n"
                f"recovery_target_time = '{until.isoformat()}'\n"
                "recovery_target_action = promote\n"
            )
        (folder / "recovery.signal").touch()
        for path in (folder, *folder.rglob("*")):
            if self._account is not None:
                os.chown(path, self._account.uid, self._account.gid)
        folder.chmod(0o700)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            tethered([str(PROGRAMS / program), *arguments], signal.SIGKILL, self._account),
            cwd=self.folder, capture_output=True, timeout=BACKUP_TIMEOUT_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout, done.stderr)


async def now(database_url: str) -> datetime:
    """PostgreSQL's clock."""
    at = await _ask(database_url, "SELECT clock_timestamp()")
    assert isinstance(at, datetime)
    return at


async def _ask(url: str, query: str) -> object:
    one = await asyncpg.connect(url)
    try:
        return await one.fetchval(query)
    finally:
        await one.close()


async def _do(url: str, statement: str) -> None:
    one = await asyncpg.connect(url)
    try:
        await one.execute(statement)
    finally:
        await one.close()
