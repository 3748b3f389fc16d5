"""Payments, callbacks and refunds."""

from panels import (
    ANSWER,
    NUMBER,
    SECONDS,
    TIMES,
    board,
    lines,
    number,
    per_second,
    quantile,
    so_far,
)

CALLBACK = 'route="/api/v1/payments/webhooks/{provider}"'
CALLS = "stampede_provider_call_seconds"

ROWS = {
    "Now": [
        number(
            "Payments without an answer",
            NUMBER,
            "max(stampede_payments_unanswered)",
            "The provider has not decided.",
            yellow=100,
        ),
        number(
            "The oldest of them",
            SECONDS,
            "max(stampede_payments_unanswered_oldest_age_seconds)",
            "0: none.",
            yellow=60,
            red=300,
        ),
        number(
            "To give back",
            NUMBER,
            "max(stampede_payments_returns_due)",
            "Payments that bought nothing and are not back yet.",
            yellow=1,
        ),
        number(
            "Refunds not sent",
            NUMBER,
            "max(stampede_refunds_due)",
            "Approved, and the provider not told yet.",
        ),
        number(
            "The oldest of them",
            SECONDS,
            "max(stampede_refunds_due_oldest_age_seconds)",
            "0: none.",
            yellow=60,
            red=600,
        ),
        number(
            "Refunds that failed",
            NUMBER,
            "max(stampede_refunds_failed)",
            "The provider refused them: somebody must look.",
            red=1,
        ),
    ],
    "Payments": [
        lines(
            "By the provider's word",
            TIMES,
            {"{{provider}} {{state}}": per_second("stampede_payments_total", "provider, state")},
            "States of payments as they come.",
        ),
        lines(
            "Calls to the provider",
            TIMES,
            {"{{call}} {{outcome}}": per_second(f"{CALLS}_count", "call, outcome")},
            "`unanswered`: no answer, or none that made sense.",
        ),
        lines(
            "Time of a call",
            SECONDS,
            {
                "{{call}} p50": quantile(0.5, CALLS, "call"),
                "{{call}} p99": quantile(0.99, CALLS, "call"),
            },
            "As long as the buyer waits.",
        ),
        lines(
            "Callbacks",
            TIMES,
            {
                "{{provider}} {{outcome}}": per_second(
                    "stampede_payment_callbacks_total", "provider, outcome"
                )
            },
            "`late`: its order was gone. `rejected`: signature, age or shape.",
        ),
        lines(
            "Answering a callback",
            SECONDS,
            {
                "p95": quantile(0.95, ANSWER, where=CALLBACK),
                "p99": quantile(0.99, ANSWER, where=CALLBACK),
            },
            "The objective is 5 s at p95.",
            limit=5,
        ),
        lines(
            "Sums so far",
            NUMBER,
            {"{{state}}": so_far("stampede_payments_total", "state")},
            "In the time shown.",
        ),
    ],
    "Back": [
        lines(
            "Refunds",
            TIMES,
            {"{{state}}": per_second("stampede_refunds_total", "state")},
            "By the state that they came to.",
        ),
        lines(
            "Money that bought nothing",
            TIMES,
            {"{{reason}}": per_second("stampede_payments_returned_total", "reason")},
            "Given back by itself.",
        ),
        lines(
            "Tickets",
            TIMES,
            {"{{change}}": per_second("stampede_tickets_total", "change")},
            "Issued, given on, used.",
        ),
    ],
}
BOARD = board("Money", __doc__, ROWS)
