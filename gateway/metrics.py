"""The gateway's metrics. Labels are route templates, statuses and names of limits, so they are
bounded."""

from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

SUM: Literal["livesum"] = "livesum"  # of gauges over the living processes

_REQUESTS = Counter(
    "stampede_gateway_requests_total", "Requests answered.", ["route", "method", "status"]
)
_LATENCY = Histogram(
    "stampede_gateway_latency_seconds",
    "Time from the request's head to the last byte of its answer, without event streams.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
UNDER_WAY = Gauge("stampede_gateway_under_way", "Requests being forwarded.", multiprocess_mode=SUM)
WAITING = Gauge(
    "stampede_gateway_waiting", "Requests waiting for admission.", multiprocess_mode=SUM
)
STREAMS = Gauge("stampede_gateway_streams", "Open event streams.", multiprocess_mode=SUM)
SHED = Counter(
    "stampede_gateway_shed_total", "Requests refused because no place was free.", ["lane"]
)
LONG_ANSWERS = Gauge(
    "stampede_gateway_long_answers",
    "Long answers that clients have not read yet.",
    multiprocess_mode=SUM,
)
CUT = Counter("stampede_gateway_cut_total", "Clients disconnected because they read nothing.")
LIMITED = Counter("stampede_gateway_limited_total", "Requests over a limit.", ["policy"])
LIMITS_LOCAL = Counter(
    "stampede_gateway_limits_local_total",
    "Requests that this process counted alone, without Redis.",
)

_requests: dict[tuple[str, str, int], Counter] = {}
_latencies: dict[str, Histogram] = {}


def count_request(route: str, method: str, status: int, seconds: float | None) -> None:
    """`seconds`: None for an event stream, whose duration means nothing."""
    key = (route, method, status)
    counter = _requests.get(key)
    if counter is None:
        counter = _requests[key] = _REQUESTS.labels(route, method, str(status))
    counter.inc()
    if seconds is not None:
        latency = _latencies.get(route)
        if latency is None:
            latency = _latencies[route] = _LATENCY.labels(route)
        latency.observe(seconds)
