"""URLs of databases on the test run's shared servers."""

import contextlib
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

ROOT = Path(__file__).resolve().parents[2]


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
