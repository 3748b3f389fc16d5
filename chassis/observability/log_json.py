"""Log lines as JSON, one object each: `otel` after OpenTelemetry's log data model, and `json`, the flat form.

    {"Timestamp":"2026-01-14T15:30:00.120391Z","SeverityText":"INFO","SeverityNumber":9,
     "Body":"order_created","Attributes":{"request_id":"abc-123","seats":2,"span":"8c1f.1"},
     "Resource":{"service.name":"booking","service.namespace":"stampede",
                 "service.instance.id":"host-1:4711"}}

Both have the events and fields of a text line, and the same is masked. A record has TraceId and SpanId (the
flat form `trace_id` and `span_id`) only in a process that exports traces (STAMPEDE_OTLP_ENDPOINT). A record
of a request that was not sampled has them too: a request that fails is kept.
"""

import os
import socket
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import msgspec

from chassis.context import RequestContext
from chassis.masking import MASK, SECRET, SECRET_FIELDS
from chassis.spans import Part


class LogEvent(NamedTuple):
    """What a call of a logger notes. `trace`: of the context, at the time of the call."""

    service: str
    level: str
    name: str
    fields: dict[str, Any]
    context: RequestContext
    trace: Part | None
    at_s: float  # Unix


RenderLine = Callable[[LogEvent], str]

# Levels that a text line names; an ordinary line has none.
LOUD = frozenset({"warning", "error", "critical"})
SEVERITIES = {
    "debug": ("DEBUG", 5),
    "info": ("INFO", 9),
    "warning": ("WARN", 13),
    "error": ("ERROR", 17),
    "critical": ("FATAL", 21),
}
_INTEGERS = range(-(2**63), 2**63)
_encoder = msgspec.json.Encoder()


def otel_line(event: LogEvent) -> str:
    text, number = SEVERITIES[event.level]
    context, trace = event.context, event.trace
    attributes = {"request_id": context.logged_id, **_fields(event), "span": context.span}
    attributes.pop("level", None)  # SeverityText says it
    record: dict[str, Any] = {
        "Timestamp": _exact(event.at_s),
        "SeverityText": text,
        "SeverityNumber": number,
        "Body": event.name,
        "Attributes": attributes,
        "Resource": _resource(event.service, os.getpid()),
    }
    if trace is not None:
        record["TraceId"] = trace.trace_hex
        record["SpanId"] = f"{trace.span_id:016x}"
    return _encoded(record)


def flat_line(event: LogEvent) -> str:
    context, trace = event.context, event.trace
    document = {
        "time": _exact(event.at_s)[:19] + "Z",
        "service": event.service,
        "request_id": context.logged_id,
        "event": event.name,
        **_fields(event),
    }
    if trace is not None:
        document["trace_id"] = trace.trace_hex
        document["span_id"] = f"{trace.span_id:016x}"
    document["span"] = context.span
    return _encoded(document)


def _fields(event: LogEvent) -> dict[str, Any]:
    return {key: _plain(value) for key, value in event.fields.items() if key not in SECRET_FIELDS}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if value in _INTEGERS else str(value)
    return SECRET.sub(MASK, str(value))


def _encoded(document: dict[str, Any]) -> str:
    try:
        return _encoder.encode(document).decode() + "\n"
    except UnicodeEncodeError:  # half a surrogate pair
        return _encoder.encode(_repaired(document)).decode() + "\n"


def _repaired(value: Any) -> Any:
    if isinstance(value, dict):
        return {_repaired(key): _repaired(part) for key, part in value.items()}
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value


def _exact(at_s: float) -> str:
    second, part = divmod(int(at_s * 1_000_000), 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{part:06d}Z"


@cache
def _resource(service: str, pid: int) -> dict[str, str]:
    """`pid`: an argument, since a process that was forked is another instance."""
    return {
        "service.name": service,
        "service.namespace": "stampede",
        "service.instance.id": f"{socket.gethostname()}:{pid}",
    }
