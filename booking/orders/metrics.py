"""Metrics of orders that were refused. What becomes of the others: booking.events.metrics."""

from chassis.observability.hot import HotCounter
from chassis.problems import Problem

REFUSED = HotCounter(
    "stampede_orders_refused_total",
    "Orders not placed, by the problem's code.",
    ["reason"],
)

_children: dict[str, HotCounter] = {}


def count_refusal(refused: Exception) -> None:
    """By the problem's code, which is a constant of the code."""
    code = refused.code if isinstance(refused, Problem) else "other"
    child = _children.get(code)
    if child is None:
        child = _children[code] = REFUSED.labels(code)
    child.inc()
