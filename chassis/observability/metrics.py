"""Prometheus metrics of the shared machinery. Labels are names of services, never of people or things, so
the code bounds their number. A gauge says how several processes' values become one (`multiprocess_mode`)."""

import math
import warnings

from prometheus_client import Counter, Gauge

from chassis.observability.hot import HotHistogram

OUTBOX_DEPTH = Gauge(
    "stampede_outbox_depth_rows",
    "Events written but not yet taken by every subscriber (counting stops at 10,000).",
    ["source"],
    multiprocess_mode="livemostrecent",  # one process leads
)
OUTBOX_AGE = Gauge(
    "stampede_outbox_age_seconds",
    "Age of the oldest undelivered event.",
    ["source"],
    multiprocess_mode="livemostrecent",
)
EVENTS_RELAYED = Counter(
    "stampede_events_relayed_total", "Events that every subscriber has taken.", ["source"]
)
RELAY_FAILURES = Counter(
    "stampede_relay_failures_total",
    "Rounds in which a subscriber did not take all events.",
    ["source"],
)
EVENTS_TAKEN = Counter(
    "stampede_events_taken_total", "Events whose effect has been committed.", ["consumer"]
)
EVENTS_SET_ASIDE = Counter(
    "stampede_events_set_aside_total", "Failed attempts to apply an event.", ["consumer"]
)
DEAD_LETTERS = Gauge(
    "stampede_dead_letters_rows",
    "Events set aside: waiting for a retry, or dead (given up).",
    ["consumer", "state"],
    multiprocess_mode="livemostrecent",  # every process counts the same rows
)
DEAD_LETTERS_AGE = Gauge(
    "stampede_dead_letters_oldest_age_seconds",
    "Time since the first failure of the oldest event set aside; 0 if there is none.",
    ["consumer", "state"],
    multiprocess_mode="livemostrecent",
)
CONSUMER_LAG = Gauge(
    "stampede_consumer_lag_events",
    "Events that the consumer has not taken yet, in an outbox (counting stops at 10,000) or in `nats`.",
    ["consumer", "queue"],
    multiprocess_mode="livemostrecent",  # one process leads the relay, or consumes
)
EVENT_DELAY = HotHistogram(
    "stampede_event_delay_seconds",
    "Time from an event to the commit of its effect at a consumer.",
    ["consumer"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
RETRIES = Counter(
    "stampede_event_retries_total",
    "Further tries of events that were set aside, by what came of them.",
    ["consumer", "outcome"],
)
RELAY_BATCH = HotHistogram(
    "stampede_relay_batch_events",
    "Events that the relay has published together.",
    ["source"],
    buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 4_000, 16_000),
)
RELAY_SECONDS = HotHistogram(
    "stampede_relay_batch_seconds",
    "Time to read, publish and delete a batch.",
    ["source"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0),
)
MEASURED = Gauge(
    "stampede_measured_timestamp_seconds",
    "When the leader measured this last, in Unix seconds. A leader that hangs shows old gauges and this.",
    ["what"],
    multiprocess_mode="livemostrecent",
)
JWKS_FETCHES = Counter(
    "stampede_jwks_fetches_total", "Calls to identity for its public keys.", ["outcome"]
)


def forget(gauge: Gauge, *labels: str) -> None:
    """This process no longer reports it. In prometheus_client's multiprocess mode nothing can be removed, so
    the value becomes one that a scrape leaves out (chassis.observability.exposition)."""
    gauge.labels(*labels).set(math.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gauge.remove(*labels)
