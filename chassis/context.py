"""Which request the running code works for; it travels by context, never by argument.

The request id comes from the caller when it matches REQUEST_ID (API.md), else it is made here.
The span is a path (`8c1f02aa.2.1`: the first call of the second call of that request), so that
`stampede trace` can draw a tree from log lines alone; work behind a request has a root of one digit.
Between services the two travel as `X-Request-ID` and as the `stampede` member of `tracestate` beside
`traceparent` (W3C Trace Context).
"""

import random
import re
from contextvars import ContextVar

from chassis.masking import logged_id

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestContext:
    """The id of the request, the span of this part of it, and its trace id (32 hex digits).

    `logged_id`: the id as it stands in log lines (see chassis.masking).
    """

    __slots__ = ("calls", "logged_id", "request_id", "span", "trace_id")

    def __init__(self, request_id: str, span: str = "1", trace_id: str = "") -> None:
        self.request_id = request_id
        self.logged_id = logged_id(request_id)
        self.span = span
        self.trace_id = trace_id
        self.calls = 0

    def child_span(self) -> str:
        """The span of the next call that this request makes to another service."""
        self.calls += 1
        return f"{self.span}.{self.calls}"

    def outgoing_headers(self) -> list[tuple[bytes, bytes]]:
        """Headers for a call to another service; each call of this method is a new child span."""
        if not self.trace_id:
            self.trace_id = f"{random.getrandbits(128):032x}"
        parent = f"00-{self.trace_id}-{random.getrandbits(64):016x}-01"
        return [
            (b"x-request-id", self.request_id.encode("ascii")),
            (b"traceparent", parent.encode("ascii")),
            (b"tracestate", f"stampede={self.child_span()}".encode("ascii")),
        ]


CURRENT: ContextVar[RequestContext] = ContextVar("stampede_request")
NO_REQUEST = RequestContext("-", span="0")


def current() -> RequestContext:
    """The context of the running request; a constant one with id `-` outside of any request."""
    return CURRENT.get(NO_REQUEST)


def new_request_id() -> str:
    """Names a request, guards nothing: no system call for it."""
    return f"{random.getrandbits(64):016x}"


def new_root_span() -> str:
    """Tells two requests apart to which the caller gave one id."""
    return f"{random.getrandbits(32):08x}"


def accept_request_id(header: bytes | None) -> str:
    """The caller's id when it is a good one, else a new one (never an error: API.md)."""
    if header is not None and REQUEST_ID.fullmatch(header):
        return header.decode("ascii")
    return new_request_id()


_SPAN = re.compile(rb"stampede=([0-9a-f.]{1,64})")
_TRACE = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def from_headers(headers: list[tuple[bytes, bytes]]) -> RequestContext:
    """The context that a service works in, read from the headers its caller sent."""
    request_id, span, trace_id = None, "1", ""
    for name, value in headers:
        if name == b"x-request-id":
            request_id = value
        elif name == b"tracestate" and (found := _SPAN.search(value)):
            span = found[1].decode("ascii")
        elif name == b"traceparent" and (found := _TRACE.fullmatch(value)):
            trace_id = found[1].decode("ascii")
    return RequestContext(accept_request_id(request_id), span, trace_id)
