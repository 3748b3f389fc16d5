"""Metrics of holds, and of the seats of sessions on sale."""

from prometheus_client import Counter, Gauge

from booking.seats.outcomes import (
    Held,
    LeftAlone,
    LimitReached,
    NoAccessible,
    Repeated,
    SoldOut,
    Taken,
)
from chassis.observability.hot import HotCounter

_HOLDS = HotCounter(
    "stampede_holds_total",
    "Holds asked of Redis; `unavailable`: it gave no answer, or too many were waiting.",
    ["outcome"],
)
HOLDS = {
    Held: _HOLDS.labels("held"),
    SoldOut: _HOLDS.labels("sold_out"),
    Taken: _HOLDS.labels("taken"),
    NoAccessible: _HOLDS.labels("no_accessible"),
    LimitReached: _HOLDS.labels("limit_reached"),
    LeftAlone: _HOLDS.labels("left_alone"),
    Repeated: _HOLDS.labels("repeated"),
}
HOLDS_UNAVAILABLE = _HOLDS.labels("unavailable")
_SWEPT = Counter(
    "stampede_sweeper_holds_total",
    "Due holds that the sweeper has asked PostgreSQL about, by what became of them.",
    ["outcome"],
)
RELEASED, KEPT, SOLD = (_SWEPT.labels(one) for one in ("released", "kept", "sold"))
SWEEPS_FAILED = Counter(
    "stampede_sweeper_failures_total", "Sessions that the sweeper could not sweep in a round."
)
_RECONCILED = Counter(
    "stampede_reconciler_differences_total",
    "Lasting differences between Redis and PostgreSQL that were corrected in Redis.",
    ["kind"],
)
RECONCILED = {kind: _RECONCILED.labels(kind) for kind in ("seat", "tickets", "layout")}
SEATS = Gauge(
    "stampede_session_seats",
    "Seats of the sessions on sale whose sale has opened last, at most 50, by state (as Redis has them).",
    ["session", "state"],
    multiprocess_mode="livemostrecent",
)
ON_SALE = Gauge(
    "stampede_sessions_on_sale",
    "Sessions on sale among those in Redis; `left_out`: those that have no stampede_session_seats.",
    ["shown"],
    multiprocess_mode="livemostrecent",
)
