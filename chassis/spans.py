"""The spans of a trace while its request is under way: plain tuples, cheap enough for every request.

Nothing here knows OpenTelemetry. chassis.observability.tracer decides which traces are kept, and only those
become spans of OTLP, in another thread. With no STAMPEDE_OTLP_ENDPOINT no trace is ever begun: then hot code
looks at `SWITCH.on`, or at `RequestContext.trace`, and does nothing.
"""

import random
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(5)  # as OpenTelemetry numbers them
SPANS_MAX = 256  # of one trace in one process; further ones are counted
LINKS_MAX = 32
TEXT_MAX = 200  # of any text that a client or a failure gives

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Caller(NamedTuple):
    """A W3C traceparent."""

    trace_id: int
    span_id: int
    sampled: bool


class Span(NamedTuple):
    """`parent_id`: 0 for none. Times are `time.perf_counter()`. `error`: what kind; empty for none."""

    name: str
    kind: int
    service: str
    span_id: int
    parent_id: int
    began_s: float
    ended_s: float
    attributes: Mapping[str, Any]
    error: str
    links: Sequence[tuple[int, int]]  # trace and span


# A span as it is noted: the fields of a Span, whose id is 0 where nothing else names it. One request in a
# hundred is kept, and only for that one are Spans made.
Noted = tuple[
    str, int, str, int, int, float, float, Mapping[str, Any], str, Sequence[tuple[int, int]]
]


def span_of(noted: Noted) -> Span:
    span = Span(*noted)
    return span if span.span_id else span._replace(span_id=new_span_id())


class Keeper(Protocol):
    """Who takes the spans of traces that are kept."""

    def keep(self, trace: "Trace", spans: Sequence[Span]) -> None: ...


class Trace:
    """What one process knows of a trace. `kept`: None until that is decided, at the end of its first part."""

    __slots__ = ("epoch_ns", "keeper", "kept", "lost", "request_id", "sampled", "spans", "trace_id")

    def __init__(self, keeper: Keeper, trace_id: int, request_id: str, *, sampled: bool) -> None:
        self.keeper = keeper
        self.trace_id = trace_id
        self.request_id = request_id
        self.sampled = sampled
        self.kept: bool | None = None
        self.lost = 0
        self.spans: list[Noted] = []
        self.epoch_ns = time.time_ns() - int(time.perf_counter() * 1e9)


class Part:
    """A service's part of a trace: its own span, which is still open, and the place for those below it.

    `is_first`: it began the trace in this process, and its end decides whether the trace is kept.
    """

    __slots__ = ("call_id", "is_first", "links", "parent_id", "service", "span_id", "trace")

    def __init__(
        self, trace: Trace, service: str, parent_id: int = 0, *, is_first: bool = False
    ) -> None:
        self.trace = trace
        self.service = service
        self.span_id = new_span_id()
        self.parent_id = parent_id
        self.is_first = is_first
        self.links: Sequence[tuple[int, int]] = ()  # of its own span
        self.call_id = 0  # the span of the latest call to another service

    @property
    def trace_hex(self) -> str:
        return f"{self.trace.trace_id:032x}"

    @property
    def link(self) -> tuple[int, int]:
        return self.trace.trace_id, self.span_id

    @property
    def event_traceparent(self) -> str | None:
        """For events of this request. None if it is not sampled: nobody would see what follows from it."""
        return self._traceparent(self.span_id) if self.trace.sampled else None

    def call_traceparent(self) -> str:
        """For a call to another service, whose span is `call_id` from now on."""
        return self._traceparent(self.begin_call())

    def begin_call(self) -> int:
        """The span of a call from here, not yet written: `call_id` from now on."""
        self.call_id = new_span_id()
        return self.call_id

    @property
    def latest_traceparent(self) -> str:
        """Of the latest call; of this part while it has made none."""
        return self._traceparent(self.call_id or self.span_id)

    def _traceparent(self, span_id: int) -> str:
        return f"00-{self.trace.trace_id:032x}-{span_id:016x}-{self.trace.sampled:02x}"

    def callee(self, service: str) -> "Part":
        """The part of another program in this process, which has just been called."""
        return Part(self.trace, service, self.call_id)

    def end(self, name: str, kind: int, began_s: float) -> None:
        """Its own span."""
        self.add(name, kind, began_s, span_id=self.span_id, parent_id=self.parent_id)

    def add(
        self,
        name: str,
        kind: int,
        began_s: float,
        attributes: Mapping[str, Any] = {},
        *,
        error: str = "",
        span_id: int = 0,
        parent_id: int | None = None,
        links: Sequence[tuple[int, int]] = (),
    ) -> None:
        """A span that ends now, by default below this part's own."""
        noted = (
            name,
            kind,
            self.service,
            span_id,
            self.span_id if parent_id is None else parent_id,
            began_s,
            time.perf_counter(),
            attributes,
            error,
            links,
        )
        trace = self.trace
        if trace.kept is None:
            if len(trace.spans) < SPANS_MAX:
                trace.spans.append(noted)
            else:
                trace.lost += 1
        elif trace.kept:
            trace.keeper.keep(trace, [span_of(noted)])

    def follow(
        self, caller: Caller, name: str, kind: int, began_s: float, attributes: Mapping[str, Any]
    ) -> None:
        """A span that ends now in another trace, the one that caused it, with a link to this part."""
        other = Trace(self.trace.keeper, caller.trace_id, "", sampled=True)
        other.request_id = str(attributes.get("stampede.request_id", ""))
        other.kept = True
        part = Part(other, self.service, caller.span_id)
        part.add(name, kind, began_s, attributes, parent_id=caller.span_id, links=(self.link,))


class _Switch:
    """`on`: this process traces. Never off again."""

    __slots__ = ("on",)

    def __init__(self) -> None:
        self.on = False


SWITCH = _Switch()


def new_span_id() -> int:
    return random.getrandbits(64) or 1


def new_trace_id() -> int:
    return random.getrandbits(128) or 1


def parse_traceparent(text: str | bytes | None) -> Caller | None:
    """None unless it is valid (W3C Trace Context, version 00)."""
    if text is None:
        return None
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    trace_id, span_id = int(found[1], 16), int(found[2], 16)
    if not trace_id or not span_id:
        return None
    return Caller(trace_id, span_id, bool(int(found[3], 16) & 1))
