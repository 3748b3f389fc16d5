"""A real PgBouncer in transaction mode in front of the run's PostgreSQL, for one test.

Needs 1.21 or newer: Debian 13 has it, and .ci/run builds it on an older one. Where `CI` is set a missing
one is a failure, elsewhere a skip.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from runtime.embedded.account import choose_account, let_reach, make_folder
from runtime.embedded.spawning import tethered
from tests.support.servers import eventually, free_port

OLDEST = (1, 21)
PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/bin", "/usr/sbin"))


def program() -> str:
    """Where PgBouncer is."""
    found = shutil.which("pgbouncer", path=PLACES)
    version = (0, 0)
    if found is not None:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
        named = re.search(r"PgBouncer (\d+)\.(\d+)", said.stdout)
        assert named is not None, said.stdout
        version = (int(named[1]), int(named[2]))
    if found is None or version < OLDEST:
        missing = f"no PgBouncer of {OLDEST} or newer here, but {found} {version}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


class PgBouncer:
    """Stop it after use. `settings` are lines of its [pgbouncer] section, `databases` of the other."""

    def __init__(self, database_url: str, *, databases: str = "", **settings: object) -> None:
        self._port = free_port()
        server = self.server_of(database_url)
        self._database = urlsplit(database_url).path.lstrip("/")
        self._directory = Path(tempfile.mkdtemp(prefix="stampede-bouncer-"))
        # the account of the embedded servers, whose sockets nobody else may open
        account = choose_account(self._directory)
        make_folder(self._directory, account)
        let_reach(self._directory, account)
        said = {
            "listen_addr": "127.0.0.1",
            "listen_port": self._port,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": self._directory / "users",
            "pool_mode": "transaction",
            "default_pool_size": 4,
            "max_client_conn": 500,
            "max_prepared_statements": 200,
            "track_extra_parameters": "IntervalStyle, search_path",
            "query_wait_timeout": 10,
        } | settings
        lines = "".join(f"{key} = {value}\n" for key, value in said.items())
        (self._directory / "users").write_text('"postgres" ""\n')
        (self._directory / "ini").write_text(
            f"[databases]\n{databases}\n* = {server}\n[pgbouncer]\n{lines}"
        )
        for file in self._directory.iterdir():
            file.chmod(0o644)
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                tethered([program(), str(self._directory / "ini")], signal.SIGKILL, account),
                stdout=log, stderr=log, cwd="/",
            )  # fmt: skip
        if not eventually(self._answers, 10):
            self.stop()
            raise AssertionError(f"PgBouncer does not answer:\n{self.log}")

    @staticmethod
    def server_of(database_url: str) -> str:
        """Where PostgreSQL is, as a line of [databases] says it."""
        parts = urlsplit(database_url)
        query = parse_qs(parts.query)
        host = parts.hostname or query["host"][0]
        port = parts.port or query.get("port", ["5432"])[0]
        return f"host={host} port={port}"

    @property
    def url(self) -> str:
        return self.url_of(self._database)

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    @property
    def log(self) -> str:
        return (self._directory / "log").read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        self._process.kill()  # SIGTERM would wait for its clients
        self._process.wait(10)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            return False
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0
