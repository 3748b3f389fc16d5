"""Which origins may call the API from a browser: those in STAMPEDE_CORS_ORIGINS, or `*`.

Access tokens travel in the Authorization header, never in cookies, so credentials are never
allowed.
"""

from collections.abc import Sequence

Headers = list[tuple[bytes, bytes]]

EXPOSED = (
    b"ETag, Idempotency-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
)
ALLOWED_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
ALLOWED_HEADERS = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "
    b"X-Request-ID"
)
PREFLIGHT_MAX_AGE_S = b"600"


class Cors:
    """CORS headers for answers, and whole answers to preflight requests."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = "*" in origins
        self._origins = frozenset(one.rstrip("/").encode("latin-1") for one in origins)

    def headers(self, origin: bytes | None) -> Headers:
        if not self._origins:
            return []
        vary = [] if self._any else [(b"vary", b"Origin")]
        if origin is None or not self._allows(origin):
            return vary
        allowed = b"*" if self._any else origin
        return [
            (b"access-control-allow-origin", allowed),
            (b"access-control-expose-headers", EXPOSED),
            *vary,
        ]

    def preflight(self, origin: bytes | None) -> Headers:
        """The headers of a preflight answer, beside `headers`. Nothing for an unknown origin."""
        if origin is None or not self._allows(origin):
            return []
        return [
            (b"access-control-allow-methods", ALLOWED_METHODS),
            (b"access-control-allow-headers", ALLOWED_HEADERS),
            (b"access-control-max-age", PREFLIGHT_MAX_AGE_S),
        ]

    def _allows(self, origin: bytes) -> bool:
        return self._any or origin in self._origins
