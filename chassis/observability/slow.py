"""Logs requests that took too long, with where their time went.

    slow_request route=/api/v1/orders duration=1240ms queue=310ms redis=2ms postgres=900ms other=28ms

The stages are what the code waited for (RequestContext.spend): `queue` for a place at the gateway, `body`
for the client's, `auth` for the check of the token, `redis`, `postgres` with the wait for a connection or for
a place in a batch, `provider`, and `services` for calls to other services, which log their own share. `other`
is the rest: the program's own work, and waiting for its turn. Stages that ran side by side may add up to
more.

An overload makes every request slow, so each process logs LINES_PER_S of a service at most. The next line
says how many were not logged.
"""

import time
from collections.abc import Callable
from typing import Any

from chassis.context import RequestContext
from chassis.observability import logs

LINES_PER_S = 5
STAGES = ("queue", "body", "auth", "redis", "postgres", "provider", "services")


class SlowRequests:
    """`look(context, seconds, …)` at the end of each request. `threshold_ms`: 0 logs none."""

    def __init__(
        self, service: str, threshold_ms: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self.threshold_s = threshold_ms / 1000 if threshold_ms else float("inf")
        self._log = logs.get(service)
        self._second, self._lines, self._unlogged = 0, 0, 0

    def look(self, context: RequestContext, seconds: float, **facts: Any) -> None:
        """Logs a request of this duration if it was slow. `facts`: what it was."""
        if seconds < self.threshold_s:
            return
        second = int(self._clock())
        if second != self._second:
            self._second, self._lines = second, 0
        if self._lines >= LINES_PER_S:
            self._unlogged += 1
            return
        self._lines += 1
        if self._unlogged:
            facts["unlogged"], self._unlogged = self._unlogged, 0
        self._log.warning("slow_request", **facts, **_shares(context, seconds))


def _shares(context: RequestContext, seconds: float) -> dict[str, str]:
    spent = context.spent or {}
    shares = {"duration": _ms(seconds)}
    shares |= {stage: _ms(spent[stage]) for stage in STAGES if stage in spent}
    return shares | {"other": _ms(max(0.0, seconds - sum(spent.values())))}


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"
