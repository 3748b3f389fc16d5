"""Headers that every answer carries, and headers of services that are removed.

A service may set its own Content-Security-Policy, Cache-Control and Referrer-Policy. What it does
not set gets the strict value: no framing, no scripts, no caching.
"""

from collections.abc import Iterable, Sequence

from chassis.seam.upstream import HOP_BY_HOP
from chassis.settings import Settings
from gateway.http.cors import Cors

Headers = list[tuple[bytes, bytes]]

DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; "
    b"font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; "
    b"base-uri 'none'; frame-ancestors 'none'"
)
HSTS = b"max-age=31536000; includeSubDomains"
INTERNAL_PREFIX = b"x-stampede-"
_OURS_ALONE = HOP_BY_HOP | {
    b"server",
    b"x-request-id",
    b"x-powered-by",
    b"traceparent",
    b"tracestate",
    b"ratelimit",
    b"ratelimit-policy",
}


class AnswerHeaders:
    """`complete(headers, …)` returns the headers to send."""

    def __init__(self, settings: Settings, cors: Cors) -> None:
        self._cors = cors
        self._always: Headers = [
            # Without this header the web server adds its own product name.
            (b"server", b"stampede"),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"strict-origin-when-cross-origin"),
        ]
        if settings.public_url.startswith("https://"):
            self._always.append((b"strict-transport-security", HSTS))

    def complete(
        self,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        request_id: str,
        origin: bytes | None,
        limits: Sequence[tuple[bytes, bytes]],
    ) -> Headers:
        content_type = b""
        seen = set()
        complete = []
        for header in headers:
            name, value = header
            if name in _OURS_ALONE or name.startswith(INTERNAL_PREFIX):
                continue
            seen.add(name)
            if name == b"content-type":
                content_type = value
            complete.append(header)
        complete += [header for header in self._always if header[0] not in seen]
        complete.append((b"x-request-id", request_id.encode("ascii")))
        if b"content-security-policy" not in seen:
            page = content_type.startswith(b"text/html")
            complete.append((b"content-security-policy", PAGE_POLICY if page else DATA_POLICY))
            complete.append((b"x-frame-options", b"DENY"))
        if b"cache-control" not in seen:
            complete.append((b"cache-control", b"no-store"))
        complete += limits
        complete += self._cors.headers(origin)
        return complete
