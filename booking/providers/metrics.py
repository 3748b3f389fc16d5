"""How long payment providers take, and what they answer."""

import time
from collections.abc import Awaitable
from typing import Any, TypeVar

from chassis.context import current
from chassis.observability.hot import HotHistogram
from chassis.spans import CLIENT

SECONDS = HotHistogram(
    "stampede_provider_call_seconds",
    "Calls to the payment provider by what it answered; `unanswered`: it did not, or made no sense.",
    ["provider", "call", "outcome"],
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
UNANSWERED, UNKNOWN = "unanswered", "unknown"

Result = TypeVar("Result", bound=Any)


async def timed(provider: str, call: str, answer: Awaitable[Result]) -> Result:
    """`call`: charge, refund, look_up. An answer is counted by its `state`, None as `unknown`."""
    began = time.perf_counter()
    outcome = UNANSWERED
    part = current().trace
    span_id = part.begin_call() if part is not None else 0
    try:
        result = await answer
        outcome = result.state if result is not None else UNKNOWN
        return result
    finally:
        SECONDS.labels(provider, call, outcome).observe(time.perf_counter() - began)
        if part is not None:
            attributes = {"peer.service": provider, "stampede.payment.outcome": outcome}
            error = UNANSWERED if outcome == UNANSWERED else ""
            name = f"{call} {provider}"
            part.add(name, CLIENT, began, attributes, error=error, span_id=span_id)
