"""Metrics of organizers' webhooks that wait. What came of requests: `dispatching`."""

from prometheus_client import Gauge

WAITING = Gauge(
    "stampede_webhook_deliveries_waiting",
    "Deliveries to organizers not made yet (counting stops at 10,000); `tried`: under way, or failed before.",
    ["kind"],
    multiprocess_mode="livemostrecent",
)
WAITING_AGE = Gauge(
    "stampede_webhook_deliveries_oldest_due_age_seconds",
    "For how long the oldest delivery has been due; 0 if none is.",
    ["kind"],
    multiprocess_mode="livemostrecent",
)
