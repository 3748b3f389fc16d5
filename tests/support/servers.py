"""URLs of databases on the test run's shared servers."""

import contextlib
import os
import random
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psutil

from runtime.embedded import ServerUrls

ROOT = Path(__file__).resolve().parents[2]
GIB = 1 << 30
TESTS_REDIS_DBS = 8  # tests take these in turn, from 1
PLATFORMS = (  # the others, to 15
    *("together", "apart", "rolling", "recipe", "restarts", "pgbouncer", "traced"),
)


def with_database(url: str, name: str) -> str:
    """The same PostgreSQL server's URL for another database."""
    parts = urlsplit(url)
    netloc = parts.netloc or "postgres@"
    return urlunsplit((parts.scheme, netloc, f"/{name}", parts.query, ""))


def with_redis_db(url: str, number: int) -> str:
    """The same Redis server's URL for another of its databases."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return f"unix://{parts.path}?db={number}"
    return urlunsplit((parts.scheme, parts.netloc, f"/{number}", parts.query, ""))


def redis_of(servers: ServerUrls, platform: str) -> str:
    """The Redis database of one of the run's platforms. Two platforms on one database would release each
    other's holds: an order that is not in a worker's own PostgreSQL does not exist for it."""
    return with_redis_db(servers.redis_url, TESTS_REDIS_DBS + 1 + PLATFORMS.index(platform))


def free_port() -> int:
    """A free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_GIVEN: set[int] = set()


def quiet_port() -> int:
    """A free port that no client of this machine is given for its side of a connection, so that it stays
    free until its server starts. Never the same twice."""
    while True:
        port = random.randrange(12_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _GIVEN:
                _GIVEN.add(port)
                return port


def eventually(holds: Callable[[], bool], within_s: float = 20.0) -> bool:
    """True if the condition holds within the time. For processes, which send no signal."""
    give_up = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def roomy_memory() -> str | None:
    """Where files live in memory, on a machine that has plenty: making and dropping a database a test
    costs 0.05 s there and 0.3 s on a disk. Two runs side by side hold half a gigabyte."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or not os.access(memory, os.W_OK):
        return None
    roomy = shutil.disk_usage(memory).free >= 4 * GIB
    return str(memory) if roomy and psutil.virtual_memory().available >= 8 * GIB else None
