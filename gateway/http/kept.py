"""Answers of services of this process, kept as they go out: headers and body (docs/adr/0082).

A service says with an answer for how long everybody gets it (`is_current` of chassis.seam.direct.Reply).
So a read that is asked for again and again is a look-up here, and the service is not entered.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gateway.http.exchange import Exchange

Headers = Sequence[tuple[bytes, bytes]]
Key = tuple[bytes, bytes, bytes | None]  # raw path, query, Accept-Encoding

BYTES_MAX = 32 * 1_048_576
KEY_LENGTH_MAX = 512
ENTRIES_MAX = 4_096
FOR_CALLERS = frozenset({"anonymous", "customer"})  # without a role that might see more
_OF_A_BODY = frozenset({b"content-type", b"content-length", b"content-encoding", b"etag"})


class Kept(NamedTuple):
    """An answer 200. tag: its entity tag without `W/`. bare: its headers for a 304, without the tag."""

    is_current: Callable[[], bool]
    headers: Headers
    body: bytes
    tag: bytes
    bare: Headers


class KeptAnswers:
    """`find(exchange)` returns status, headers and body, or None; `keep(exchange, …)` keeps an answer."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._bytes = 0

    def find(self, exchange: Exchange) -> tuple[int, Headers, bytes] | None:
        """For a GET or HEAD without a body."""
        key = _key(exchange)
        kept = self._kept.get(key)
        if kept is None or exchange.caller not in FOR_CALLERS or exchange.headers.are_repeated:
            return None
        if not kept.is_current():
            self._drop(key)
            return None
        asked = exchange.headers.get(b"if-none-match")
        if asked is None:
            return 200, kept.headers, kept.body
        if asked.removeprefix(b"W/") == kept.tag:
            return 304, [*kept.bare, (b"etag", asked)], b""
        return None  # another version, or several

    def keep(
        self, exchange: Exchange, headers: Headers, body: bytes, is_current: Callable[[], bool]
    ) -> None:
        """An answer 200 with the headers that go out."""
        key = _key(exchange)
        tag = next((value for name, value in headers if name == b"etag"), None)
        size = len(body)
        if (
            tag is None
            or exchange.caller not in FOR_CALLERS
            or exchange.headers.are_repeated
            or sum(len(part or b"") for part in key) > KEY_LENGTH_MAX
            or size > self._bytes_max // 8
        ):
            return
        self._drop(key)
        bare = [header for header in headers if header[0] not in _OF_A_BODY]
        self._kept[key] = Kept(is_current, headers, body, tag.removeprefix(b"W/"), bare)
        self._bytes += size
        while self._bytes > self._bytes_max or len(self._kept) > ENTRIES_MAX:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= len(kept.body)


def _key(exchange: Exchange) -> Key:
    return exchange.raw_path, exchange.query, exchange.headers.get(b"accept-encoding")
