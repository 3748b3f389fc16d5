"""Where Redis is, by its URL: one server, seeds of a cluster, or sentinels that know the primary.

    redis://[user:password@]host:port[/database]         rediss:// with TLS, unix:///path/of/socket
    redis://[user:password@]host:port,host:port          a cluster; any of its nodes names the others
    sentinel://[user:password@]host:port,host:port/name  sentinels:// with TLS; `name` is the primary's

redis-py parses each server's URL and makes the TLS context, so its query options hold here as well
(`ssl_ca_certs`, `ssl_cert_reqs`, …). Sentinels with a password of their own: `?sentinel_password=…`,
and `sentinel_username`.
"""

import re
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis.asyncio.connection import SSLConnection, parse_url

SENTINEL_PORT = 26379
_SERVER = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\s\[\]:,/?#@]+)(?::[0-9]{1,5})?")
_SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
    "sentinel": "redis",
    "sentinels": "rediss",
}


class Address(NamedTuple):
    """A host with its port, or a Unix socket's path with port 0."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


class Credentials(NamedTuple):
    """What a connection says first. Database 0 is the one that it has anyhow."""

    username: str | None
    password: str | None
    database: int = 0


class Servers:
    """A Redis URL, parsed. Raises ValueError, as the end of a sentence, when it is none."""

    def __init__(self, url: str) -> None:
        scheme, separator, _ = url.partition("://")
        if scheme not in _SCHEMES or not separator:
            names = ", ".join(f"{name}://" for name in _SCHEMES)
            raise ValueError(f"must be a URL beginning with one of {names}")
        self.primary_name: str | None = None
        self.sentinel_credentials = Credentials(None, None)
        options: Mapping[str, Any]
        if scheme == "unix":
            options = _parsed(url)
            self.addresses: tuple[Address, ...] = (Address(options["path"], 0),)
        else:
            options = self._read_hosts(url, scheme)
        self.credentials = Credentials(
            options.get("username"), options.get("password"), int(options.get("db") or 0)
        )
        self._options = options

    def _read_hosts(self, url: str, scheme: str) -> Mapping[str, Any]:
        parts = urlsplit(url)
        userinfo, at, hosts = parts.netloc.rpartition("@")
        hosts = hosts or ("localhost" if parts.path.strip("/") or parts.query else "")
        if not hosts or not all(map(_SERVER.fullmatch, hosts.split(","))):
            raise ValueError("must name its servers as host:port, with commas between several")
        path, query = parts.path, dict(parse_qsl(parts.query))
        default_port = 6379
        if scheme.startswith("sentinel"):
            name, _, path = path.lstrip("/").partition("/")
            if not name:
                raise ValueError("must name the sentinels' primary: sentinel://host:port/name")
            self.primary_name = unquote(name)
            self.sentinel_credentials = Credentials(
                query.pop("sentinel_username", None), query.pop("sentinel_password", None)
            )
            default_port = SENTINEL_PORT
        each = [
            _parsed(
                f"{_SCHEMES[scheme]}://{userinfo}{at}{host}/{path.lstrip('/')}?{urlencode(query)}"
            )
            for host in hosts.split(",")
        ]
        self.addresses = tuple(
            Address(one.get("host", "localhost"), one.get("port", default_port)) for one in each
        )
        return each[0]

    def tls(self) -> ssl.SSLContext | None:
        """A context of its own for each connection; None without TLS."""
        connection_class = self._options.get("connection_class")
        if connection_class is None or not issubclass(connection_class, SSLConnection):
            return None
        options = {k: v for k, v in self._options.items() if k != "connection_class"}
        return cast("SSLConnection", connection_class(**options)).ssl_context.get()

    def __str__(self) -> str:
        """The addresses, without credentials: for messages."""
        return ",".join(map(str, self.addresses))


def _parsed(url: str) -> Mapping[str, Any]:
    try:
        return cast("Mapping[str, Any]", parse_url(url))
    except (ValueError, TypeError) as wrong:
        raise ValueError("is not a URL") from wrong
