"""Request headers, read once: those that the gateway needs, and those that a service may see.

Hop-by-hop headers and headers named in `Connection` are dropped (RFC 9110, 7.6.1). So are headers
that only the platform may set: X-Stampede-*, the request id, the trace, and the client's address.
Cookies go only to routes that read them.
"""

from collections.abc import Sequence

from chassis.problems import PayloadTooLarge
from chassis.seam.upstream import HOP_BY_HOP
from gateway.problems import BadRequest, HeadersTooLarge

Headers = list[tuple[bytes, bytes]]

COUNT_MAX = 64
BYTES_MAX = 16_384
BODY_MAX_BYTES = 1_048_576

_OURS_ALONE = frozenset(
    {
        b"content-length",  # set again from the body that was read
        b"expect",  # the server has already answered it
        b"forwarded",
        b"traceparent",
        b"tracestate",
        b"via",
        b"x-real-ip",
        b"x-request-id",
    }
)
_DROPPED = HOP_BY_HOP | _OURS_ALONE
_DROPPED_PREFIXES = (b"x-stampede-", b"x-forwarded-")
# These headers are not lists (RFC 9110, 5.3): with two lines, nobody knows which one was meant. Two
# request ids are no error; both are replaced (API.md).
_ONCE = frozenset(
    {
        b"authorization",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"last-event-id",
        b"origin",
    }
)


_KEPT_OPEN = frozenset({b"keep-alive", b"Keep-Alive", b"close"})  # names no other header


class RequestHeaders:
    """The request's headers as one dict: `get(name)` is the first value of a header.

    For a service they are `cleaned()`, or as a dict `plain()`.
    """

    __slots__ = ("_all", "_found", "_more")

    def __init__(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._all = headers
        self._found = dict(headers)
        self._more: dict[bytes, list[bytes]] = {}  # all lines of headers that came more than once
        if len(self._found) != len(headers):
            self._find_repeated()

    def _find_repeated(self) -> None:
        lines: dict[bytes, list[bytes]] = {}
        for name, value in self._all:
            lines.setdefault(name, []).append(value)
        self._more = {name: values for name, values in lines.items() if len(values) > 1}
        self._found = {name: values[0] for name, values in lines.items()}

    def get(self, name: bytes) -> bytes | None:
        return self._found.get(name)

    @property
    def are_repeated(self) -> bool:
        """True if any header came more than once."""
        return bool(self._more)

    def single(self, name: bytes) -> bytes | None:
        """The value of a header that came exactly once, else None."""
        return None if name in self._more else self._found.get(name)

    def lines(self, name: bytes) -> Sequence[bytes]:
        value = self._found.get(name)
        return () if value is None else self._more.get(name) or (value,)

    def check(self, http_version: str) -> None:
        """Raises HeadersTooLarge, PayloadTooLarge, or BadRequest.

        BadRequest: a header that may come once came twice, or Host is missing where HTTP requires
        it (RFC 9112, 3.2); Granian shows an empty one then.
        Granian's parser never shows both lengths: it reads the chunks, drops Content-Length and
        closes the connection after the answer (RFC 9112, 6.3). Other servers may pass both on.
        """
        found = self._found
        if len(self._all) > COUNT_MAX:
            raise HeadersTooLarge(f"A request may have at most {COUNT_MAX} headers.")
        size = sum(map(len, found)) + sum(map(len, found.values()))
        for name, values in self._more.items():
            size += sum(len(name) + len(value) for value in values[1:])
        if size > BYTES_MAX:
            raise HeadersTooLarge(f"The headers may have at most {BYTES_MAX} bytes.")
        if b"content-length" in found:
            if b"transfer-encoding" in found:
                raise BadRequest("Send Content-Length or Transfer-Encoding, not both.")
            if self.body_length() > BODY_MAX_BYTES:
                raise PayloadTooLarge(f"A request body may have at most {BODY_MAX_BYTES} bytes.")
        for name in self._more:
            if name in _ONCE:
                raise BadRequest(f"Send {name.decode().title()} only once.")
        if not found.get(b"host") and http_version == "1.1":
            raise BadRequest("Send Host.")

    def body_length(self) -> int:
        """The declared length. -1 for a chunked body, 0 without a body."""
        declared = self._found.get(b"content-length")
        if declared is None:
            return -1 if b"transfer-encoding" in self._found else 0
        if not declared.isdigit() or len(declared) > 18:
            raise BadRequest("Content-Length is not a number.")
        return int(declared)

    def cleaned(self, *, cookies: bool = False) -> Headers:
        named: frozenset[bytes] = frozenset()
        if b"connection" in self._found:
            tokens = b",".join(self.lines(b"connection")).lower().split(b",")
            named = frozenset(token.strip() for token in tokens)
        return [
            header
            for header in self._all
            if header[0] not in _DROPPED
            and (cookies or header[0] != b"cookie")
            and header[0] not in named
            and not header[0].startswith(_DROPPED_PREFIXES)
        ]

    def plain(self, *, cookies: bool = False) -> dict[bytes, bytes] | None:
        """The same as a dict. None if a header came twice, or if Connection names one."""
        found = self._found
        if self._more or found.get(b"connection", b"close") not in _KEPT_OPEN:
            return None
        return {
            name: value
            for name, value in found.items()
            if name not in _DROPPED
            and (cookies or name != b"cookie")
            and not name.startswith(_DROPPED_PREFIXES)
        }
