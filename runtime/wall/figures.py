"""Which metrics the wall shows, and under which names. Everything else in the files is left alone."""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from contracts.wall import BOUNDS_S

Kind = Literal["counters", "buckets", "gauges", "sums"]

ORDERS = "/api/v1/orders"
BUCKETS = "stampede_gateway_answer_seconds_bucket"
PLAIN = {
    "stampede_gateway_admitted_total": "admitted",
    "stampede_gateway_waited_total": "waited",
    "stampede_gateway_limited_total": "limited",
    "stampede_gateway_shed_total": "shed",
}
BY_LABEL = {
    "stampede_holds_total": ("holds", "outcome"),
    "stampede_orders_refused_total": ("refused", "reason"),
    "stampede_orders_total": ("orders_now", "state"),
    "stampede_payments_total": ("payments", "state"),
    "stampede_payment_callbacks_total": ("callbacks", "outcome"),
    "stampede_refunds_total": ("refunds", "state"),
    "stampede_messages_total": ("messages", "outcome"),
    "stampede_webhook_attempts_total": ("webhooks", "outcome"),
}
GAUGES = {
    "stampede_payments_unanswered": "unanswered",
    "stampede_payments_unanswered_oldest_age_seconds": "unanswered_oldest_s",
    "stampede_messages_waiting": "messages_waiting",
    "stampede_messages_oldest_due_age_seconds": "messages_oldest_s",
    "stampede_webhook_deliveries_waiting": "webhooks_waiting",
    "stampede_webhook_deliveries_oldest_due_age_seconds": "webhooks_oldest_s",
    "stampede_outbox_depth_rows": "outbox",
    "stampede_outbox_age_seconds": "outbox_age_s",
    "stampede_consumer_lag_events": "lag",
    "stampede_dead_letters_rows": "dead_letters",
    "stampede_dead_letters_oldest_age_seconds": "dead_letters_oldest_s",
    "stampede_redis_node_up": "redis",
    "stampede_postgres_standbys": "standbys",
    "stampede_postgres_standby_lag_seconds": "standby_lag_s",
    "stampede_audit_violations": "audit_violations",
    "stampede_audit_unchecked": "audit_unchecked",
    "stampede_audit_finished_timestamp_seconds": "audit_finished",
}
SUMS = {
    "stampede_gateway_waiting": "waiting",
    "stampede_gateway_under_way": "under_way",
    "stampede_gateway_streams": "streams",
}
_PLACES = {bound: place for place, bound in enumerate(BOUNDS_S)}


class Slot(NamedTuple):
    """Where a sample belongs. `place`: which bucket, or a gauge's labels."""

    kind: Kind
    name: str
    place: int | str = 0


def slots(sample: str, labels: Mapping[str, str]) -> Iterator[Slot]:
    """Where this sample is added. Empty for most of them."""
    if sample in PLAIN:
        yield Slot("counters", PLAIN[sample])
    elif sample in BY_LABEL:
        name, label = BY_LABEL[sample]
        yield Slot("counters", f"{name}.{labels[label]}")
    elif sample == "stampede_gateway_answers_total":
        yield Slot("counters", "arrivals")
        if labels["status_class"] == "5xx":
            yield Slot("counters", "failed")
        if _places_an_order(labels) and labels["status_class"] == "2xx":
            yield Slot("counters", "orders")
    elif sample == BUCKETS:
        place = _PLACES.get(float(labels["le"]), len(BOUNDS_S))
        yield Slot("buckets", "answers", place)
        if _places_an_order(labels):
            yield Slot("buckets", "orders", place)
    elif sample in GAUGES:
        told = ",".join(labels[one] for one in sorted(labels) if one != "pid")
        yield Slot("gauges", GAUGES[sample], told)
    elif sample in SUMS:
        yield Slot("sums", SUMS[sample])


def _places_an_order(labels: Mapping[str, str]) -> bool:
    return labels["route"] == ORDERS and labels["method"] == "POST"
