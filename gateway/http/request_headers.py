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
_READ = frozenset(
    {
        b"access-control-request-method",
        b"accept-encoding",
        b"authorization",
        b"connection",
        b"content-length",
        b"content-type",
        b"host",
        b"idempotency-key",
        b"if-none-match",
        b"last-event-id",
        b"origin",
        b"transfer-encoding",
        b"x-forwarded-for",
        b"x-request-id",
    }
)
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


class RequestHeaders:
    """`get(name)` is the first value of a header that the gateway reads. `cleaned()` is what a
    service gets."""

    __slots__ = ("_all", "_found", "_repeated")

    def __init__(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._all = headers
        found: dict[bytes, list[bytes]] = {}
        repeated: list[bytes] = []
        for name, value in headers:
            if name in _READ:
                if name in found:
                    found[name].append(value)
                    repeated.append(name)
                else:
                    found[name] = [value]
        self._found = found
        self._repeated = repeated

    def get(self, name: bytes) -> bytes | None:
        values = self._found.get(name)
        return values[0] if values else None

    def single(self, name: bytes) -> bytes | None:
        """The value of a header that came exactly once, else None."""
        values = self._found.get(name, ())
        return values[0] if len(values) == 1 else None

    def lines(self, name: bytes) -> Sequence[bytes]:
        return self._found.get(name, ())

    def check(self, http_version: str) -> None:
        """Raises HeadersTooLarge, PayloadTooLarge, or BadRequest.

        BadRequest: a header that may come once came twice, or Host is missing where HTTP requires
        it (RFC 9112, 3.2); Granian shows an empty one then.
        Granian's parser never shows both lengths: it reads the chunks, drops Content-Length and
        closes the connection after the answer (RFC 9112, 6.3). Other servers may pass both on.
        """
        if len(self._all) > COUNT_MAX:
            raise HeadersTooLarge(f"A request may have at most {COUNT_MAX} headers.")
        size = 0
        for name, value in self._all:
            size += len(name) + len(value)
        if size > BYTES_MAX:
            raise HeadersTooLarge(f"The headers may have at most {BYTES_MAX} bytes.")
        found = self._found
        if b"content-length" in found:
            if b"transfer-encoding" in found:
                raise BadRequest("Send Content-Length or Transfer-Encoding, not both.")
            if self.body_length() > BODY_MAX_BYTES:
                raise PayloadTooLarge(f"A request body may have at most {BODY_MAX_BYTES} bytes.")
        for name in self._repeated:
            if name in _ONCE:
                raise BadRequest(f"Send {name.decode().title()} only once.")
        if not self.get(b"host") and http_version == "1.1":
            raise BadRequest("Send Host.")

    def body_length(self) -> int:
        """The declared length. -1 for a chunked body, 0 without a body."""
        declared = self.get(b"content-length")
        if declared is None:
            return -1 if b"transfer-encoding" in self._found else 0
        if not declared.isdigit() or len(declared) > 18:
            raise BadRequest("Content-Length is not a number.")
        return int(declared)

    def cleaned(self, *, cookies: bool = False) -> Headers:
        named: frozenset[bytes] = frozenset()
        if b"connection" in self._found:
            tokens = b",".join(self._found[b"connection"]).lower().split(b",")
            named = frozenset(token.strip() for token in tokens)
        return [
            header
            for header in self._all
            if header[0] not in _DROPPED
            and (cookies or header[0] != b"cookie")
            and header[0] not in named
            and not header[0].startswith(_DROPPED_PREFIXES)
        ]
