"""Our spans and Prometheus' families as OpenTelemetry's objects, and its exporters. Imported in the thread
that sends (chassis.observability.otlp), only where an endpoint is set."""

import os
import socket
import time
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import Metric as OtelMetric
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from prometheus_client import Metric
from prometheus_client.samples import Sample

from chassis.context import NO_ID
from chassis.spans import TEXT_MAX, Span, Trace

SCOPE = InstrumentationScope("stampede")
UNITS = {"seconds": "s", "bytes": "By", "ratio": "1"}
CUMULATIVE = AggregationTemporality.CUMULATIVE
_KINDS = (
    SpanKind.INTERNAL,
    SpanKind.SERVER,
    SpanKind.CLIENT,
    SpanKind.PRODUCER,
    SpanKind.CONSUMER,
)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_OK = Status(StatusCode.UNSET)


class _Session(requests.Session):
    """Reads nothing of an answer but its head: the endpoint decides no amount of our memory. An answer that
    leads elsewhere is a failure."""

    def request(self, *args: Any, **options: Any) -> requests.Response:
        options["stream"] = True
        answer = super().request(*args, **options)
        answer.close()
        if 300 <= answer.status_code < 400:
            raise requests.HTTPError(f"The endpoint redirects ({answer.status_code}).")
        return answer


class Exporters:
    """`send_…`: True if the endpoint took it. Raises nothing."""

    def __init__(self, endpoint: str, process: str, instance: str, *, timeout_s: float) -> None:
        self._resource = resource(process, instance)
        self._own = str(os.getpid())
        options: dict[str, Any] = {"timeout": timeout_s}
        self._spans = OTLPSpanExporter(f"{endpoint}/v1/traces", session=_Session(), **options)
        self._metrics = OTLPMetricExporter(f"{endpoint}/v1/metrics", session=_Session(), **options)

    def send_spans(self, batch: Sequence[tuple[Trace, Span]]) -> bool:
        readable = [_readable(trace, span, self._own) for trace, span in batch]
        return self._spans.export(readable) is SpanExportResult.SUCCESS

    def send_metrics(self, families: Iterable[Metric], *, since_s: float) -> bool:
        times = int(since_s * 1e9), time.time_ns()
        metrics = [one for family in families if (one := _metric(family, *times)) is not None]
        scope = ScopeMetrics(SCOPE, metrics, "")
        data = MetricsData([ResourceMetrics(self._resource, [scope], "")])
        return self._metrics.export(data) is MetricExportResult.SUCCESS


@cache
def resource(service: str, instance: str) -> Resource:
    """`instance`: distinguishes it from others of this host."""
    return Resource(
        {
            "service.name": service,
            "service.namespace": "stampede",
            "service.instance.id": f"{socket.gethostname()}:{instance}",
        }
    )


def _readable(trace: Trace, span: Span, process_id: str) -> ReadableSpan:
    parent = _context(trace.trace_id, span.parent_id) if span.parent_id else None
    attributes = {name: _short(value) for name, value in span.attributes.items()}
    if trace.request_id != NO_ID:
        attributes["stampede.request_id"] = trace.request_id
    if span.error:
        attributes["error.type"] = _short(span.error)
    return ReadableSpan(
        name=_short(span.name),
        context=_context(trace.trace_id, span.span_id),
        parent=parent,
        resource=resource(span.service, process_id),
        attributes=attributes,
        links=[Link(_context(*link)) for link in span.links],
        kind=_KINDS[span.kind],
        status=Status(StatusCode.ERROR) if span.error else _OK,
        start_time=trace.epoch_ns + int(span.began_s * 1e9),
        end_time=trace.epoch_ns + int(span.ended_s * 1e9),
        instrumentation_scope=SCOPE,
    )


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=_SAMPLED)


def _short(value: Any) -> Any:
    return value[:TEXT_MAX] if isinstance(value, str) else value


def _metric(family: Metric, since_ns: int, now_ns: int) -> OtelMetric | None:
    """Under the name that /metrics has. None for what has no value now."""
    data: Any
    points: list[Any]
    name = family.name
    if family.type == "counter":
        name += "_total"
        points = [
            NumberDataPoint(one.labels, since_ns, now_ns, float(one.value))
            for one in family.samples
            if one.name == name
        ]
        data = Sum(points, CUMULATIVE, is_monotonic=True)
    elif family.type == "histogram":
        points = list(_histogram_points(family.samples, since_ns, now_ns))
        data = Histogram(points, CUMULATIVE)
    else:
        points = [
            NumberDataPoint(one.labels, since_ns, now_ns, float(one.value))
            for one in family.samples
        ]
        data = Gauge(points)
    if not points:
        return None
    unit = UNITS.get(family.name.rpartition("_")[2], "1")
    return OtelMetric(name, family.documentation, unit, data)


def _histogram_points(
    samples: Sequence[Sample], since_ns: int, now_ns: int
) -> Iterable[HistogramDataPoint]:
    """OTLP counts each bucket by itself, Prometheus with all below it."""
    series: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for one in samples:
        labels = {name: value for name, value in one.labels.items() if name != "le"}
        found = series.setdefault(tuple(sorted(labels.items())), {"buckets": {}, "sum": 0.0})
        if one.name.endswith("_bucket"):
            found["buckets"][float(one.labels["le"])] = int(one.value)
        elif one.name.endswith("_sum"):
            found["sum"] = one.value
    for labels_of, found in series.items():
        bounds = sorted(found["buckets"])
        upto = [found["buckets"][bound] for bound in bounds]
        counts = [upto[0], *(high - low for low, high in pairwise(upto))]
        unknown: Any = None  # least and most: optional in OTLP, and nobody has counted them
        yield HistogramDataPoint(
            dict(labels_of),
            since_ns,
            now_ns,
            upto[-1],
            found["sum"],
            counts,
            bounds[:-1],
            min=unknown,
            max=unknown,
        )
