"""Headers that every answer carries, and headers of services that are removed.

A service may set its own Content-Security-Policy, Cache-Control and Referrer-Policy. What it does
not set gets the strict value: no framing, no scripts, no caching.
"""

from collections.abc import Sequence
from typing import NamedTuple

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
PLANS_MAX = 1_024  # sets of names; the handlers of our services make a few dozen
_OURS_ALONE = HOP_BY_HOP | {
    b"server",
    b"x-request-id",
    b"x-powered-by",
    b"traceparent",
    b"tracestate",
    b"ratelimit",
    b"ratelimit-policy",
}


class _Plan(NamedTuple):
    """What becomes of answers with headers of these names, in this order.

    keep: the places of those that go out; None: all. kind_at: the place of Content-Type, or -1.
    data, page: what is added, to data and to a page.
    """

    keep: tuple[int, ...] | None
    kind_at: int
    data: Headers
    page: Headers


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
        self._plans: dict[tuple[bytes, ...], _Plan] = {}

    def complete(
        self,
        headers: Sequence[tuple[bytes, bytes]],
        *,
        request_id: str,
        origin: bytes | None,
        limits: Sequence[tuple[bytes, bytes]],
    ) -> Headers:
        names = tuple([name for name, _ in headers])
        plan = self._plans.get(names)
        if plan is None:
            plan = self._plan(names)
            if len(self._plans) < PLANS_MAX:
                self._plans[names] = plan
        page = plan.kind_at >= 0 and headers[plan.kind_at][1].startswith(b"text/html")
        return [
            *(headers if plan.keep is None else [headers[place] for place in plan.keep]),
            *(plan.page if page else plan.data),
            (b"x-request-id", request_id.encode("ascii")),
            *limits,
            *self._cors.headers(origin),
        ]

    def _plan(self, names: tuple[bytes, ...]) -> _Plan:
        keep = tuple(
            place
            for place, name in enumerate(names)
            if name not in _OURS_ALONE and not name.startswith(INTERNAL_PREFIX)
        )
        seen = {names[place] for place in keep}
        added = [header for header in self._always if header[0] not in seen]
        page = list(added)
        if b"content-security-policy" not in seen:
            for headers, policy in ((added, DATA_POLICY), (page, PAGE_POLICY)):
                headers += [(b"content-security-policy", policy), (b"x-frame-options", b"DENY")]
        if b"cache-control" not in seen:
            for headers in (added, page):
                headers.append((b"cache-control", b"no-store"))
        kind_at = names.index(b"content-type") if b"content-type" in names else -1
        return _Plan(None if len(keep) == len(names) else keep, kind_at, added, page)
