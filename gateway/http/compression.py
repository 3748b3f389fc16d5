"""Compresses JSON answers with gzip, once per version of an answer instead of once per request.

Only answers to reads, over a kilobyte, and from services where it pays. Never identity's answers,
tickets or webhook endpoints: they hold secrets, and the compressed length of a secret beside text
that an attacker chose leaks the secret (the BREACH attack). A service's own Content-Encoding is
kept: catalog compresses seat maps itself.

The compressed form is another representation of the same answer, so its entity tag is the same but
weak (RFC 9110, 8.8.3).
"""

import asyncio
import gzip
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

from gateway.http.exchange import Exchange
from gateway.http.static import accepts_gzip
from gateway.routing import Route

Headers = Sequence[tuple[bytes, bytes]]

FROM_BYTES = 1_024
UP_TO_BYTES = 1_048_576  # larger answers are streamed uncompressed
# These answers live for a second, and level 5 takes three times as long to save a tenth more.
LEVEL = 1
IN_A_THREAD_FROM_BYTES = 65_536
KEPT_BYTES = 16 * 1_048_576
SERVICES = frozenset({"catalog", "booking"})
SECRET_TEMPLATES = ("/api/v1/tickets",)
_JSON = b"application/json"
_UNKEPT = (b"private", b"no-store")

Key = tuple[str, bytes, bytes]  # path, query, entity tag


class Compression:
    """Call `applies(exchange, route)` first, then `packs(headers)` and `await pack(…)`."""

    def __init__(
        self,
        *,
        compress: Callable[[bytes], Awaitable[bytes]] | None = None,
        kept_bytes_max: int = KEPT_BYTES,
    ) -> None:
        self._compress = compress or _compressed
        self._kept_bytes_max = kept_bytes_max
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._under_way: dict[Key, asyncio.Task[bytes]] = {}

    def applies(self, exchange: Exchange, route: Route) -> bool:
        return (
            exchange.method in {"GET", "HEAD"}
            and route.service in SERVICES
            and route.lane != "stream"
            and not route.template.startswith(SECRET_TEMPLATES)
        )

    def packs(self, exchange: Exchange, status: int, headers: Headers) -> bool:
        """True if this answer is sent compressed. Pass its whole body to `pack` then."""
        if status != 200 or not accepts_gzip(exchange):
            return False
        found = dict(headers)
        length = found.get(b"content-length", b"")
        return (
            found.get(b"content-type", b"").startswith(_JSON)
            and b"content-encoding" not in found
            and length.isdigit()
            and FROM_BYTES <= int(length) <= UP_TO_BYTES
        )

    async def pack(
        self, exchange: Exchange, headers: Headers, body: bytes
    ) -> tuple[list[tuple[bytes, bytes]], bytes]:
        """The headers and the body to send."""
        found = dict(headers)
        etag = found.get(b"etag")
        control = found.get(b"cache-control", b"no-store")
        if etag is None or any(word in control for word in _UNKEPT):
            packed = await self._compress(body)
        else:
            packed = await self._once((exchange.path, exchange.query, etag), body)
        complete = [
            (name, b"%d" % len(packed) if name == b"content-length" else _weak(name, value))
            for name, value in headers
        ]
        return [*complete, (b"content-encoding", b"gzip")], packed

    async def _once(self, key: Key, body: bytes) -> bytes:
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._keep(key, body))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return await asyncio.shield(task)

    async def _keep(self, key: Key, body: bytes) -> bytes:
        packed = await self._compress(body)
        self._kept[key] = packed
        self._kept_bytes += len(packed)
        while self._kept_bytes > self._kept_bytes_max:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest)
        return packed


def varied(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Adds Accept-Encoding to `Vary`, keeping what is there."""
    others = [value for name, value in headers if name == b"vary"]
    if any(b"accept-encoding" in value.lower() or value == b"*" for value in others):
        return list(headers)
    kept = [header for header in headers if header[0] != b"vary"]
    return [*kept, (b"vary", b", ".join([*others, b"Accept-Encoding"]))]


def as_asked(exchange: Exchange, headers: Headers) -> list[tuple[bytes, bytes]]:
    """The headers of a 304. The tag is weak if the client asked with the weak one."""
    asked = exchange.headers.get(b"if-none-match") or b""
    return [(n, _weak(n, v) if b"W/" + v in asked else v) for n, v in headers]


async def _compressed(body: bytes) -> bytes:
    if len(body) < IN_A_THREAD_FROM_BYTES:
        return gzip.compress(body, LEVEL, mtime=0)
    return await asyncio.to_thread(gzip.compress, body, LEVEL, mtime=0)


def _weak(name: bytes, value: bytes) -> bytes:
    return b"W/" + value if name == b"etag" and not value.startswith(b"W/") else value
