"""From the outbox to consumers, mails and webhooks."""

from panels import NUMBER, SECONDS, TIMES, board, largest, lines, mean, per_second, quantile, so_far

ROWS = {
    "Outbox": [
        lines(
            "Not delivered yet",
            NUMBER,
            {"{{source}}": largest("stampede_outbox_depth_rows", "source")},
            "Written and not taken by all (counting stops at 10,000).",
        ),
        lines(
            "The oldest of them",
            SECONDS,
            {"{{source}}": largest("stampede_outbox_age_seconds", "source")},
            "Grows while nothing is delivered.",
            limit=10,
        ),
        lines(
            "Delivered",
            TIMES,
            {
                "{{source}}": per_second("stampede_events_relayed_total", "source"),
                "{{source}} failed rounds": per_second("stampede_relay_failures_total", "source"),
            },
            "A failed round is repeated: a subscriber did not take all.",
        ),
        lines(
            "Events in a batch",
            NUMBER,
            {"{{source}}": mean("stampede_relay_batch_events", "source")},
            "Published together.",
        ),
        lines(
            "Time of a batch",
            SECONDS,
            {"{{source}} p99": quantile(0.99, "stampede_relay_batch_seconds", "source")},
            "To read, publish and delete it.",
        ),
        lines(
            "Events so far",
            NUMBER,
            {"{{source}}": so_far("stampede_events_relayed_total", "source")},
            "In the time shown.",
        ),
    ],
    "Consumers": [
        lines(
            "Lag",
            NUMBER,
            {"{{consumer}} {{queue}}": largest("stampede_consumer_lag_events", "consumer, queue")},
            "Events not taken yet. Over 1,000 is an alert.",
            limit=1000,
        ),
        lines(
            "From an event to its effect, p95",
            SECONDS,
            {"{{consumer}}": quantile(0.95, "stampede_event_delay_seconds", "consumer")},
            "Over 5 s is an alert.",
            limit=5,
        ),
        lines(
            "Taken and failed",
            TIMES,
            {
                "{{consumer}} taken": per_second("stampede_events_taken_total", "consumer"),
                "{{consumer}} set aside": per_second("stampede_events_set_aside_total", "consumer"),
            },
            "Set aside: tried again later.",
        ),
        lines(
            "Set aside now",
            NUMBER,
            {"{{consumer}} {{state}}": largest("stampede_dead_letters_rows", "consumer, state")},
            "`dead`: given up, see `stampede dlq`.",
        ),
        lines(
            "The oldest of them",
            SECONDS,
            {
                "{{consumer}} {{state}}": largest(
                    "stampede_dead_letters_oldest_age_seconds", "consumer, state"
                )
            },
            "Dead ones are to be closed within 10 minutes.",
            limit=600,
        ),
        lines(
            "Tried again",
            TIMES,
            {
                "{{consumer}} {{outcome}}": per_second(
                    "stampede_event_retries_total", "consumer, outcome"
                )
            },
            "By what came of it.",
        ),
    ],
    "Messages": [
        lines(
            "Mails and messages",
            TIMES,
            {"{{channel}} {{outcome}}": per_second("stampede_messages_total", "channel, outcome")},
            "`failed` is tried again, `dead` is not.",
        ),
        lines(
            "Waiting",
            NUMBER,
            {
                "messages {{kind}}": largest("stampede_messages_waiting", "kind"),
                "webhooks {{kind}}": largest("stampede_webhook_deliveries_waiting", "kind"),
            },
            "Mails wait while a sale is on: that is meant.",
        ),
        lines(
            "Due for",
            SECONDS,
            {
                "messages": largest("stampede_messages_oldest_due_age_seconds"),
                "webhooks": largest("stampede_webhook_deliveries_oldest_due_age_seconds"),
            },
            "How long the oldest has been due.",
        ),
        lines(
            "Webhooks to organizers",
            TIMES,
            {"{{outcome}}": per_second("stampede_webhook_attempts_total", "outcome")},
            "Requests made to their receivers.",
        ),
    ],
}
BOARD = board("Events", __doc__, ROWS)
