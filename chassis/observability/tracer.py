"""Which requests become traces of OpenTelemetry, and what is believed of a caller's trace.

The head decides: where a request enters the platform, `share` of all are sampled, by a random number of our
own. A request that is not sampled still notes its spans (chassis.spans: a tuple each), and is kept at its end
if it failed or was slow: at most KEPT_A_SECOND of those in each process, since an overload makes all of them
slow. What is not kept is forgotten; nothing of it was ever an object of OpenTelemetry.

    caller                    believed
    a client of the gateway   the trace id. Its span is linked, and its flag is not believed: a client cannot
                              make us sample
    one of our own services   trace id, parent and flag

Between processes the flag goes along. A request that is not sampled is kept by those processes in which it
failed or was slow; the others have forgotten their share.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from chassis.context import CURRENT, RequestContext, current
from chassis.spans import SERVER, SWITCH, Caller, Keeper, Part, Trace, new_trace_id, span_of
from chassis.spans import parse_traceparent as parsed

KEPT_A_SECOND = 10
TRACEPARENT = b"traceparent"


class Tracer:
    """`share`: of all requests, 0 to 1. `slow_s`: a request that takes as long is kept."""

    def __init__(
        self,
        keeper: Keeper,
        *,
        share: float,
        slow_s: float = float("inf"),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self.keeper = keeper
        self._share = share
        self._slow_s = slow_s
        self._second, self._room = 0, 0
        SWITCH.on = True

    def begin(
        self, context: RequestContext, service: str, headers: Sequence[tuple[bytes, bytes]]
    ) -> Part:
        """For a request from outside: `headers` are a stranger's."""
        came = [value for name, value in headers if name == TRACEPARENT]
        caller = parsed(came[0]) if len(came) == 1 else None
        trace_id = caller.trace_id if caller is not None else new_trace_id()
        part = self._first(context, service, trace_id, sampled=random.random() < self._share)
        if caller is not None:
            part.links = ((caller.trace_id, caller.span_id),)
        return part

    def enter(
        self, context: RequestContext, service: str, headers: Sequence[tuple[bytes, bytes]]
    ) -> Part:
        """For a request from one of our own services, in this process or another one."""
        caller = next((parsed(value) for name, value in headers if name == TRACEPARENT), None)
        if caller is None:
            return self.root(context, service)
        ours = current().trace
        if ours is not None and ours.trace.trace_id == caller.trace_id:
            context.trace = Part(ours.trace, service, caller.span_id)
            return context.trace
        return self.resume(context, service, caller)

    def root(
        self,
        context: RequestContext,
        service: str,
        *,
        sampled: bool | None = None,
        links: Sequence[tuple[int, int]] = (),
    ) -> Part:
        """A trace of its own. `links`: what it works for."""
        decided = random.random() < self._share if sampled is None else sampled
        part = self._first(context, service, new_trace_id(), sampled=decided)
        part.links = links
        return part

    def resume(self, context: RequestContext, service: str, caller: Caller) -> Part:
        """The next part of a trace that began elsewhere."""
        part = self._first(context, service, caller.trace_id, sampled=caller.sampled)
        part.parent_id = caller.span_id
        return part

    def finish(
        self,
        part: Part,
        name: str,
        began_s: float,
        attributes: Mapping[str, Any],
        *,
        kind: int = SERVER,
        error: str = "",
        may_be_slow: bool = True,
    ) -> None:
        """The part's own span ends now. If it was the first of this process, so does the trace."""
        part.add(
            name,
            kind,
            began_s,
            attributes,
            error=error,
            span_id=part.span_id,
            parent_id=part.parent_id,
            links=part.links,
        )
        if not part.is_first:
            return
        trace = part.trace
        spans, trace.spans = trace.spans, []
        slow = may_be_slow and time.perf_counter() - began_s >= self._slow_s
        trace.kept = trace.sampled or ((bool(error) or slow) and self._has_room())
        if trace.kept:
            self.keeper.keep(trace, [span_of(noted) for noted in spans])

    def _first(
        self, context: RequestContext, service: str, trace_id: int, *, sampled: bool
    ) -> Part:
        trace = Trace(self.keeper, trace_id, context.logged_id, sampled=sampled)
        context.trace = part = Part(trace, service, is_first=True)
        return part

    def _has_room(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._second, self._room = second, KEPT_A_SECOND
        self._room -= 1
        return self._room >= 0


@contextmanager
def continued(
    tracer: Tracer | None,
    context: RequestContext,
    service: str,
    traceparent: str | None,
    *,
    name: str,
    kind: int,
) -> Iterator[None]:
    """Runs what an earlier request has caused, in `context`; as a span of its trace if that was sampled."""
    caller = parsed(traceparent)
    part = None
    if tracer is not None and caller is not None:
        part = tracer.resume(context, service, caller)
    began_s = time.perf_counter()
    token = CURRENT.set(context)
    try:
        yield
    finally:
        CURRENT.reset(token)
        if tracer is not None and part is not None:
            tracer.finish(part, name, began_s, {}, kind=kind)


def request_attributes(
    method: str, route: str, status: int, **more: Any
) -> tuple[str, dict[str, Any], str]:
    """Name, attributes and error of a request's span, after OpenTelemetry's conventions for HTTP servers.
    `route`: a template, or empty. `status`: 0 if the client left before an answer."""
    attributes: dict[str, Any] = {"http.request.method": method, **more}
    if route:
        attributes["http.route"] = route
    if status:
        attributes["http.response.status_code"] = status
    return f"{method} {route}".rstrip(), attributes, str(status) if status >= 500 else ""
