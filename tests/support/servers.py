"""Addresses of databases on the run's shared servers."""

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
