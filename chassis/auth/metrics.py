"""Metrics of keys."""

from prometheus_client import Gauge

SIGNING_SINCE = Gauge(
    "stampede_signing_key_since_timestamp_seconds",
    "Since when the key that signs now has signed, in Unix seconds.",
    ["use"],
    multiprocess_mode="livemostrecent",
)
