"""Redis, PostgreSQL, disks, keys, and whether the data is right."""

from panels import (
    BYTES,
    NUMBER,
    SECONDS,
    SHARE,
    TIMES,
    board,
    largest,
    lines,
    per_second,
    quantile,
    total,
)

ROWS = {
    "Redis": [
        lines(
            "Nodes",
            NUMBER,
            {"{{node}}": "min by (node) (stampede_redis_node_up)"},
            "1: the primary answers.",
        ),
        lines(
            "Pipelines, p99",
            SECONDS,
            {"{{node}}": quantile(0.99, "stampede_redis_pipeline_seconds", "node")},
            "From sending to the last answer.",
        ),
        lines(
            "Commands",
            TIMES,
            {"{{node}}": per_second("stampede_redis_commands_total", "node")},
            "By node: a hot one has a hot session.",
        ),
        lines(
            "Connections lost",
            TIMES,
            {"{{node}}": per_second("stampede_redis_cuts_total", "node")},
            "What was under way on them was refused.",
        ),
        lines(
            "Sweeper",
            TIMES,
            {
                "{{outcome}}": per_second("stampede_sweeper_holds_total", "outcome"),
                "sessions not swept": per_second("stampede_sweeper_failures_total"),
            },
            "Holds that were due, by what PostgreSQL said about them.",
        ),
        lines(
            "Differences corrected",
            TIMES,
            {"{{kind}}": per_second("stampede_reconciler_differences_total", "kind")},
            "Redis was not as PostgreSQL: after a restart or a failover, not else.",
        ),
    ],
    "PostgreSQL": [
        lines(
            "Standbys",
            NUMBER,
            {
                "{{state}} {{sync_state}}": largest(
                    "stampede_postgres_standbys", "state, sync_state"
                )
            },
            "Those that stream from the primary.",
        ),
        lines(
            "Standby behind",
            SECONDS,
            {"{{standby}}": largest("stampede_postgres_standby_lag_seconds", "standby")},
            "From a write to its replay.",
            limit=5,
        ),
        lines(
            "Standby behind, in WAL",
            BYTES,
            {"{{standby}}": largest("stampede_postgres_standby_lag_bytes", "standby")},
            "Written and not replayed.",
        ),
        lines(
            "Callers waiting for a connection",
            NUMBER,
            {"{{pool}}": total("stampede_database_pool_waiting", "pool")},
            "By pool, sampled each second.",
        ),
        lines(
            "Disk left",
            SHARE,
            {
                "{{kind}}": "min by (kind) (stampede_data_directory_free_bytes"
                " / stampede_data_directory_size_bytes)"
            },
            "Where the platform runs the servers itself.",
        ),
        lines(
            "Age of signing keys",
            SECONDS,
            {"{{use}}": "time() - max by (use) (stampede_signing_key_since_timestamp_seconds)"},
            "Since the key that signs now began to.",
        ),
    ],
    "Audit": [
        lines(
            "Violations",
            NUMBER,
            {"{{invariant}}": largest("stampede_audit_violations", "invariant")},
            "0: it holds. Two looks have found each.",
        ),
        lines(
            "Not checked",
            NUMBER,
            {"{{invariant}}": largest("stampede_audit_unchecked", "invariant")},
            "1: not in its time, or not at all.",
        ),
        lines(
            "Since the last audit",
            SECONDS,
            {"age": "time() - max(stampede_audit_finished_timestamp_seconds)"},
            "It runs every 15 minutes, unless STAMPEDE_AUDIT_INTERVAL_S says otherwise.",
        ),
        lines(
            "Time of a check",
            SECONDS,
            {"{{invariant}}": largest("stampede_audit_seconds", "invariant")},
            "It ends after 10 s.",
            width=24,
        ),
    ],
}
BOARD = board("Stores", __doc__, ROWS)
