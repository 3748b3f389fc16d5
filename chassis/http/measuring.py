"""Counts and times the requests of a service that is a server of its own. In one process with the gateway,
the gateway counts the same requests."""

import time
from collections.abc import Awaitable, Callable

from chassis.http.streams import is_stream
from chassis.observability.hot import HotCounter, HotHistogram
from chassis.seam.upstream import Message, Receive, Scope, Send

NO_ROUTE = "(none)"
OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
STATUS_CLASSES = {1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}

REQUESTS = HotCounter(
    "stampede_service_requests_total",
    "Requests that a service of its own has answered.",
    ["service", "route", "method", "status_class"],
)
SECONDS = HotHistogram(
    "stampede_service_request_seconds",
    "Time to answer them, without event streams.",
    ["service", "route"],
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0),
)

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def measured(service: str, app: App) -> App:
    """`app` sets the scope's `path_template` to the template of its route: a path is no label. A request that
    is answered with nothing counts as `other`."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        try:
            await app(scope, receive, send_on)
        finally:
            route = scope.get("path_template") or NO_ROUTE
            method = scope["method"] if scope["method"] in METHODS else OTHER
            status_class = STATUS_CLASSES.get(status // 100, OTHER)
            REQUESTS.labels(service, route, method, status_class).inc()
            if not is_stream(route):
                SECONDS.labels(service, route).observe(time.perf_counter() - began)

    return serve
