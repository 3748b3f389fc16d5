"""Traces of deliveries. An event carries the traceparent of its request, if that is sampled.

A batch of events belongs to many requests. So its delivery is a trace of its own, with a link to each of
them, and the effect of an event is a span in the trace of its request, with a link to the delivery.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chassis.context import CURRENT, NO_ID, RequestContext, current
from chassis.events.envelope import Event
from chassis.observability.tracer import Tracer
from chassis.spans import CONSUMER, LINKS_MAX, Caller, parse_traceparent


@contextmanager
def delivery(
    tracer: Tracer | None, events: Sequence[Event], *, name: str, service: str, kind: int
) -> Iterator[None]:
    """What runs within is the delivery of these events. Traced if one of them is."""
    traced = _traced(events) if tracer is not None else []
    if tracer is None or not traced:
        yield
        return
    ids = {event.requestid for _, event in traced}
    context = RequestContext(ids.pop() if len(ids) == 1 else NO_ID, current().span)
    token = CURRENT.set(context)
    causes = list(dict.fromkeys((caller.trace_id, caller.span_id) for caller, _ in traced))
    part = tracer.root(context, service, sampled=True, links=causes)
    began_s, error = time.perf_counter(), ""
    attributes = {
        "messaging.system": "stampede",
        "messaging.operation.name": name.partition(" ")[0],
        "messaging.batch.message_count": len(events),
    }
    try:
        yield
    except BaseException as failure:
        error = type(failure).__name__
        raise
    finally:
        CURRENT.reset(token)
        tracer.finish(part, name, began_s, attributes, kind=kind, error=error)


def trace_effects(consumer: str, events: Sequence[Event], began_s: float) -> None:
    """These events have taken effect, in one transaction."""
    part = current().trace
    if part is None:
        return
    for caller, event in _traced(events):
        attributes = {
            "messaging.system": "stampede",
            "messaging.operation.name": "process",
            "messaging.destination.name": event.type,
            "messaging.message.id": str(event.id),
            "messaging.consumer.group.name": consumer,
            "stampede.request_id": event.requestid,
        }
        part.follow(caller, f"process {event.type}", CONSUMER, began_s, attributes)


def _traced(events: Sequence[Event]) -> list[tuple[Caller, Event]]:
    """The events of sampled requests, at most LINKS_MAX."""
    found: list[tuple[Caller, Event]] = []
    for event in events:
        caller = parse_traceparent(event.traceparent) if event.traceparent else None
        if caller is not None and caller.sampled and len(found) < LINKS_MAX:
            found.append((caller, event))
    return found
