"""Metrics of the audit that runs on a schedule. `invariant`: a name of booking.audit.store.INVARIANTS, or
`redis_equals_postgresql`."""

from prometheus_client import Gauge

VIOLATIONS = Gauge(
    "stampede_audit_violations",
    "Violations of an invariant that two looks have found (counting stops at 20). 0: it holds.",
    ["invariant"],
    multiprocess_mode="livemostrecent",
)
UNCHECKED = Gauge(
    "stampede_audit_unchecked",
    "1 if the last audit could not check this invariant, in time or at all.",
    ["invariant"],
    multiprocess_mode="livemostrecent",
)
SECONDS = Gauge(
    "stampede_audit_seconds",
    "How long checking this invariant took.",
    ["invariant"],
    multiprocess_mode="livemostrecent",
)
FINISHED = Gauge(
    "stampede_audit_finished_timestamp_seconds",
    "When the last audit ended, in Unix seconds.",
    ["schema"],
    multiprocess_mode="livemostrecent",
)
