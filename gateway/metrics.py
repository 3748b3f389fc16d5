"""The gateway's metrics. Labels are route templates, statuses, names of limits and kinds of callers, so
they are bounded: what no route has is `(none)`, an unknown method OTHER, an unknown status `other`."""

from typing import Literal

from prometheus_client import Counter, Gauge

from chassis.observability.hot import HotCounter, HotGauge, HotHistogram
from contracts.wall import BOUNDS_S

SUM: Literal["livesum"] = "livesum"  # of gauges over the living processes

_REQUESTS = HotCounter(
    "stampede_gateway_requests_total", "Requests answered.", ["route", "method", "status"]
)
_LATENCY = HotHistogram(
    "stampede_gateway_latency_seconds",
    "Time from the request's head to the last byte of its answer, without event streams.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
_ANSWERS = HotCounter(
    "stampede_gateway_answers_total",
    "Requests answered, by who asked: anonymous, a role, or a payment provider.",
    ["route", "method", "status_class", "caller"],
)
_FAILURES = HotCounter(
    "stampede_gateway_failures_total",
    "Requests answered with 5xx: `shed`, since no place was free, or `failed`. Shedding is on purpose, so "
    "alerts tell the two apart.",
    ["route", "method", "kind"],
)
_SECONDS = HotHistogram(
    "stampede_gateway_answer_seconds",
    "The same time as stampede_gateway_latency_seconds, by method too; its buckets have the SLOs' bounds.",
    ["route", "method"],
    buckets=BOUNDS_S,
)
UNDER_WAY = HotGauge(
    "stampede_gateway_under_way", "Requests being forwarded.", multiprocess_mode=SUM
)
ADMITTED = HotCounter("stampede_gateway_admitted_total", "Requests that got a place.", ["lane"])
WAITED = HotCounter(
    "stampede_gateway_waited_total", "Requests that had to wait for a place.", ["lane"]
)
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
LIMITED = HotCounter("stampede_gateway_limited_total", "Requests over a limit.", ["policy"])
LIMITS_ASKED = HotCounter(
    "stampede_gateway_limits_asked_total", "Requests whose limits were looked up in Redis."
)
LIMITS_REPORTED = HotCounter(
    "stampede_gateway_limits_reported_total",
    "Requests let in or refused by what the process knows; Redis is told afterwards, of those that matter.",
)
LIMITS_LOCAL = Counter(
    "stampede_gateway_limits_local_total",
    "Requests that this process counted alone, without Redis.",
)

# Promised in docs/slo.md. Their series are there before the first failure, so that a rate sees it.
PROMISED = (("/api/v1/orders", "POST"), ("/api/v1/payments/webhooks/{provider}", "POST"))
for _route in PROMISED:
    _FAILURES.labels(*_route, "failed"), _FAILURES.labels(*_route, "shed")

CALLERS = ("anonymous", "customer", "organizer", "staff", "operator", "admin", "provider")
_SAYING_MOST = ("admin", "operator", "organizer", "staff")
STATUS_CLASSES = {1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}

_Counters = tuple[HotCounter, HotCounter, HotHistogram, HotHistogram]
_children: dict[tuple[str, str, int, str], _Counters] = {}


def caller_kind(roles: frozenset[str] | None) -> str:
    """The one of CALLERS that says most about these roles. None: nobody who has logged in."""
    if roles is None:
        return "anonymous"
    return next((kind for kind in _SAYING_MOST if kind in roles), "customer")


def count_request(
    route: str,
    method: str,
    status: int,
    seconds: float | None,
    caller: str = "anonymous",
    *,
    shed: bool = False,
) -> None:
    """`seconds`: None for an event stream, whose duration means nothing. `caller`: one of CALLERS. `shed`:
    the gateway refused it because no place was free."""
    if status >= 500:
        _FAILURES.labels(route, method, "shed" if shed else "failed").inc()
    key = (route, method, status, caller)
    found = _children.get(key)
    if found is None:
        status_class = STATUS_CLASSES.get(status // 100, "other")
        found = _children[key] = (
            _REQUESTS.labels(route, method, str(status)),
            _ANSWERS.labels(route, method, status_class, caller),
            _LATENCY.labels(route),
            _SECONDS.labels(route, method),
        )
    requests, answers, latency, answer_seconds = found
    requests.inc()
    answers.inc()
    if seconds is not None:
        latency.observe(seconds)
        answer_seconds.observe(seconds)
