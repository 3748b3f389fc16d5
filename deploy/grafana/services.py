"""Whether the processes keep up."""

from panels import (
    ANSWER,
    ANSWERS,
    NUMBER,
    REQUESTS,
    SECONDS,
    TIMES,
    board,
    lines,
    mean,
    per_second,
    quantile,
    total,
)

ROWS = {
    "Answers": [
        lines(
            "Requests by route",
            REQUESTS,
            {"{{method}} {{route}}": f"topk(10, {per_second(ANSWERS, 'method, route')})"},
            "The ten busiest routes.",
        ),
        lines(
            "Failures by route",
            REQUESTS,
            {
                "{{kind}} {{method}} {{route}}": per_second(
                    "stampede_gateway_failures_total", "kind, method, route"
                )
            },
            "`shed`: refused on purpose, since no place was free. `failed`: everything else with 5xx.",
        ),
        lines(
            "p99 by route",
            SECONDS,
            {"{{method}} {{route}}": f"topk(10, {quantile(0.99, ANSWER, 'method, route')})"},
            "The ten slowest routes.",
        ),
        lines(
            "Services of their own",
            SECONDS,
            {"{{service}} p99": quantile(0.99, "stampede_service_request_seconds", "service")},
            "Empty where the services run in one process.",
        ),
        lines(
            "Requests of services of their own",
            REQUESTS,
            {
                "{{service}} {{status_class}}": per_second(
                    "stampede_service_requests_total", "service, status_class"
                )
            },
            "Empty where the services run in one process.",
        ),
        lines(
            "Under way",
            NUMBER,
            {
                "forwarded": total("stampede_gateway_under_way"),
                "waiting for a place": total("stampede_gateway_waiting"),
                "event streams": total("stampede_gateway_streams"),
                "long answers unread": total("stampede_gateway_long_answers"),
            },
            "Requests that have no answer yet.",
        ),
    ],
    "Processes": [
        lines(
            "Late event loops",
            SECONDS,
            {"{{process}} p99": quantile(0.99, "stampede_event_loop_lag_seconds", "process")},
            "Over 100 ms, something computes where it should wait.",
            limit=0.1,
        ),
        lines(
            "Age of what the leader measures",
            SECONDS,
            {"{{what}}": "time() - max by (what) (stampede_measured_timestamp_seconds)"},
            "A leader that hangs still shows its old gauges. The audit is as old as its interval.",
        ),
        lines(
            "Processes",
            NUMBER,
            {"{{instance}}": total("stampede_processes", "instance")},
            "Processes whose metrics are read. A step down is a process that went.",
        ),
        lines(
            "Database connections",
            NUMBER,
            {
                "{{pool}} lent": total("stampede_database_pool_in_use", "pool"),
                "{{pool}} open": total("stampede_database_pool_open", "pool"),
                "{{pool}} may be": total("stampede_database_pool_limit", "pool"),
                "{{pool}} callers waiting": total("stampede_database_pool_waiting", "pool"),
            },
            "Callers wait when all that may be are lent.",
        ),
        lines(
            "Calls in a batch",
            NUMBER,
            {"{{coalescer}}": mean("stampede_coalescer_batch_items", "coalescer")},
            "The busier, the larger: that is what makes an order cheap.",
        ),
        lines(
            "Time of a batch",
            SECONDS,
            {"{{coalescer}} p99": quantile(0.99, "stampede_coalescer_batch_seconds", "coalescer")},
            "A round trip to the store behind it.",
        ),
        lines(
            "Wait for a batch",
            SECONDS,
            {"{{coalescer}} p99": quantile(0.99, "stampede_coalescer_wait_seconds", "coalescer")},
            "How long the first call had waited.",
        ),
    ],
    "Protection": [
        lines(
            "Over a limit",
            REQUESTS,
            {"{{policy}}": per_second("stampede_gateway_limited_total", "policy")},
            "By the limit that said no.",
        ),
        lines(
            "Limits",
            REQUESTS,
            {
                "asked of Redis": per_second("stampede_gateway_limits_asked_total"),
                "counted, then reported": per_second("stampede_gateway_limits_reported_total"),
                "counted alone": per_second("stampede_gateway_limits_local_total"),
            },
            "Counted alone: Redis was away, and each process allowed its share.",
        ),
        lines(
            "Clients that do not read, keys asked for",
            TIMES,
            {
                "disconnected": per_second("stampede_gateway_cut_total"),
                "public keys {{outcome}}": per_second("stampede_jwks_fetches_total", "outcome"),
            },
            "Cut: nothing of a long answer was read for a while.",
        ),
        lines(
            "Sent by OTLP",
            TIMES,
            {
                "{{signal}} taken": per_second("stampede_otlp_sent_total", "signal"),
                "{{signal}} dropped, {{reason}}": per_second(
                    "stampede_otlp_dropped_total", "signal, reason"
                ),
            },
            "Spans, and sets of metrics. Empty without STAMPEDE_OTLP_ENDPOINT.",
        ),
    ],
}
BOARD = board("Services", __doc__, ROWS)
