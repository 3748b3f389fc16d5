"""Metrics of payments and of what providers tell. `provider` is the name that the settings have."""

from prometheus_client import Counter, Gauge

from booking.domain.payment import PaymentState
from chassis.observability.hot import HotCounter

PAYMENT_STATES = Counter(
    "stampede_payments_total",
    "Payments by the state that a provider's word has brought them to.",
    ["provider", "state"],
)
CALLBACKS = HotCounter(
    "stampede_payment_callbacks_total",
    "Callbacks: the first to say something, a repetition, one whose money came too late for its order, "
    "of no interest (ignored), or refused (rejected).",
    ["provider", "outcome"],
)
UNANSWERED = Gauge(
    "stampede_payments_unanswered",
    "Payments that the provider has not decided (counting stops at 10,000).",
    ["provider"],
    multiprocess_mode="livemostrecent",
)
UNANSWERED_AGE = Gauge(
    "stampede_payments_unanswered_oldest_age_seconds",
    "Age of the oldest of them; 0 if there is none.",
    ["provider"],
    multiprocess_mode="livemostrecent",
)
RETURNS_DUE = Gauge(
    "stampede_payments_returns_due",
    "Payments that bought nothing and have not gone back yet (counting stops at 10,000).",
    ["provider"],
    multiprocess_mode="livemostrecent",
)
REFUNDS_DUE = Gauge(
    "stampede_refunds_due",
    "Refunds approved and not sent yet (counting stops at 10,000).",
    ["provider"],
    multiprocess_mode="livemostrecent",
)
REFUNDS_DUE_AGE = Gauge(
    "stampede_refunds_due_oldest_age_seconds",
    "Time since the oldest of them was approved; 0 if there is none.",
    ["provider"],
    multiprocess_mode="livemostrecent",
)
REFUNDS_FAILED = Gauge(
    "stampede_refunds_failed",
    "Refunds that a provider has refused: somebody must look (counting stops at 10,000).",
    ["provider"],
    multiprocess_mode="livemostrecent",
)
CALLBACK_OUTCOMES = ("first", "duplicate", "late", "ignored", "rejected")
TOO_LATE = frozenset({PaymentState.REFUND_DUE, PaymentState.REFUNDED})


def begin_at_zero(provider: str) -> None:
    """Series that are there before their first event, so that a rate sees it."""
    for outcome in CALLBACK_OUTCOMES:
        CALLBACKS.labels(provider, outcome)
    for state in PaymentState:
        if state is not PaymentState.CREATED:
            PAYMENT_STATES.labels(provider, state.value)
