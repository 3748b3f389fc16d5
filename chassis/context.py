"""The request that the running code works for. It travels in a context variable, never as an argument.

The request id is the caller's if it matches REQUEST_ID (API.md), else a new one. The span is a path
(`8c1f02aa.2.1`: the first call of the second call of that request), so that `stampede trace` can draw a
tree from log lines alone. Background work of a request has a root of one digit. Between services, both
travel as `X-Request-ID` and as the `stampede` member of `tracestate`, beside `traceparent` (W3C Trace
Context).
"""

import random
import re
import time
from contextvars import ContextVar

from chassis.masking import logged_id
from chassis.spans import CLIENT, INTERNAL, SWITCH, Part, new_span_id, new_trace_id

COUNTED_FROM_S = 0.001
NO_ID = "-"  # of what is done for no request
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class RequestContext:
    """The request's id, the span of this part of it, and its trace id (32 hex digits).

    `logged_id`: the id as log lines show it (see chassis.masking). `spent`: seconds by stage, or None.
    `trace`: where its spans go; None unless this process traces (chassis.observability.tracer).
    """

    __slots__ = ("calls", "logged_id", "request_id", "span", "spent", "trace", "trace_id")

    def __init__(
        self, request_id: str, span: str = "1", trace_id: str = "", *, logged: str | None = None
    ) -> None:
        self.request_id = request_id
        self.logged_id = logged_id(request_id) if logged is None else logged
        self.span = span
        self.trace_id = trace_id
        self.calls = 0
        self.spent: dict[str, float] | None = None
        self.trace: Part | None = None

    def spend(self, stage: str, since_s: float, what: str = "") -> None:
        """Counts the seconds since then (`time.perf_counter()`) for a stage of this request (see
        chassis.observability.slow). What took no time is not counted: it explains no slow request.

        `what`: the script or the call that was waited for, in a trace."""
        seconds = time.perf_counter() - since_s
        if self.trace is not None:
            _trace_wait(self.trace, stage, since_s, seconds, what)
        if seconds >= COUNTED_FROM_S:
            spent = self.spent = self.spent or {}
            spent[stage] = spent.get(stage, 0.0) + seconds

    def child_span(self) -> str:
        """The span of this request's next call to another service."""
        self.calls += 1
        return f"{self.span}.{self.calls}"

    def callee(self, service: str) -> "RequestContext":
        """The context of a service in this process that is called now, in a new child span."""
        made = RequestContext(
            self.request_id, self.child_span(), self.trace_id, logged=self.logged_id
        )
        if self.trace is not None:
            self.trace.call_id = new_span_id()
            made.trace = self.trace.callee(service)
        return made

    @property
    def event_traceparent(self) -> str | None:
        """For events of this request, if it is sampled."""
        return self.trace.event_traceparent if self.trace is not None else None

    def outgoing_headers(self) -> list[tuple[bytes, bytes]]:
        """Headers for a call to another service. Each call of this method starts a new child span."""
        if self.trace is not None:
            return self._traced_headers(self.trace)
        if SWITCH.on:  # nobody here has a span for what is called
            return self._headers(f"00-{new_trace_id():032x}-{new_span_id():016x}-00")
        if not self.trace_id:
            self.trace_id = f"{random.getrandbits(128):032x}"
        return self._headers(f"00-{self.trace_id}-{random.getrandbits(64):016x}-01")

    def _traced_headers(self, part: Part) -> list[tuple[bytes, bytes]]:
        """A batch works for several requests: its calls bear the id of the one whose trace it is in."""
        request_id = part.trace.request_id if self.request_id == NO_ID else self.request_id
        return self._headers(part.call_traceparent(), request_id)

    def _headers(self, traceparent: str, request_id: str = "") -> list[tuple[bytes, bytes]]:
        return [
            (b"x-request-id", (request_id or self.request_id).encode("ascii")),
            (b"traceparent", traceparent.encode("ascii")),
            (b"tracestate", f"stampede={self.child_span()}".encode("ascii")),
        ]


CURRENT: ContextVar[RequestContext] = ContextVar("stampede_request")
NO_REQUEST = RequestContext(NO_ID, span="0")


def current() -> RequestContext:
    """The running request's context. Outside a request it is a constant with the id `-`."""
    return CURRENT.get(NO_REQUEST)


_OWN_WAITS = frozenset({"queue", "body", "auth"})  # what is asked of others has spans of its own


def _trace_wait(part: Part, stage: str, since_s: float, seconds: float, what: str) -> None:
    if what:
        attributes = {"db.system.name": "redis", "db.stored_procedure.name": what}
        part.add(f"EVALSHA {what}", CLIENT, since_s, attributes)
    elif stage in _OWN_WAITS and seconds >= COUNTED_FROM_S:
        part.add(stage, INTERNAL, since_s)


def new_request_id() -> str:
    """Names a request and protects nothing, so it needs no system call."""
    return f"{random.getrandbits(64):016x}"


def new_root_span() -> str:
    """Distinguishes two requests to which the caller gave the same id."""
    return f"{random.getrandbits(32):08x}"


def accept_request_id(header: bytes | None) -> str:
    """The caller's id if it is valid, else a new one. Never an error (API.md)."""
    if header is not None and REQUEST_ID.fullmatch(header):
        return header.decode("ascii")
    return new_request_id()


_SPAN = re.compile(rb"stampede=([0-9a-f.]{1,64})")
_TRACE = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


def from_headers(headers: list[tuple[bytes, bytes]]) -> RequestContext:
    """The context of a service, read from the headers of its caller."""
    request_id, span, trace_id = None, "1", ""
    for name, value in headers:
        if name == b"x-request-id":
            request_id = value
        elif name == b"tracestate" and (found := _SPAN.search(value)):
            span = found[1].decode("ascii")
        elif name == b"traceparent" and (found := _TRACE.fullmatch(value)):
            trace_id = found[1].decode("ascii")
    return RequestContext(accept_request_id(request_id), span, trace_id)
