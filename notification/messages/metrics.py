"""Metrics of mails and SMS."""

from prometheus_client import Counter, Gauge

MESSAGES = Counter(
    "stampede_messages_total",
    "Tries to send a message: sent, skipped (no longer needed), failed (tried again), dead (given up).",
    ["channel", "outcome"],
)
WAITING = Gauge(
    "stampede_messages_waiting",
    "Messages not sent yet (counting stops at 10,000); `tried`: under way, or failed before.",
    ["kind"],
    multiprocess_mode="livemostrecent",
)
WAITING_AGE = Gauge(
    "stampede_messages_oldest_due_age_seconds",
    "For how long the oldest message has been due; 0 if none is.",
    ["kind"],
    multiprocess_mode="livemostrecent",
)
for _channel in ("email", "sms"):
    for _outcome in ("sent", "skipped", "failed", "dead"):
        MESSAGES.labels(_channel, _outcome)
