"""Prometheus metrics of the shared machinery. Labels are names of services, never of people or things, so
the code bounds their number. A gauge says how several processes' values become one (`multiprocess_mode`)."""

import math
import warnings

from prometheus_client import Counter, Gauge

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
JWKS_FETCHES = Counter(
    "stampede_jwks_fetches_total", "Calls to identity for its public keys.", ["outcome"]
)


def forget(gauge: Gauge, label: str) -> None:
    """This process no longer reports it. In prometheus_client's multiprocess mode nothing can be removed, so
    the value becomes one that a scrape leaves out (chassis.observability.exposition)."""
    gauge.labels(label).set(math.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gauge.remove(label)
