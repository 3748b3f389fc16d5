"""Metrics of PostgreSQL: this process's connections, and the server's standbys."""

from collections.abc import Callable
from pathlib import Path

from prometheus_client import Gauge

from chassis.observability.reports import Report
from chassis.postgres.pool import Pool, ServicePool, connection, load_queries

STANDBYS_MAX = 16

POOL_IN_USE = Gauge(
    "stampede_database_pool_in_use",
    "Database connections lent out, sampled each second.",
    ["pool"],
    multiprocess_mode="livesum",
)
POOL_OPEN = Gauge(
    "stampede_database_pool_open",
    "Database connections open, lent out or not.",
    ["pool"],
    multiprocess_mode="livesum",
)
POOL_LIMIT = Gauge(
    "stampede_database_pool_limit",
    "Database connections that there may be.",
    ["pool"],
    multiprocess_mode="livesum",
)
POOL_WAITING = Gauge(
    "stampede_database_pool_waiting",
    "Callers waiting for a database connection, sampled each second.",
    ["pool"],
    multiprocess_mode="livesum",
)
STANDBYS = Gauge(
    "stampede_postgres_standbys",
    "Standbys that stream from the primary; `unknown` where the role may not see (grant pg_monitor).",
    ["state", "sync_state"],
    multiprocess_mode="livemostrecent",
)
STANDBY_LAG_BYTES = Gauge(
    "stampede_postgres_standby_lag_bytes",
    "WAL that the primary has written and the standby has not replayed.",
    ["standby"],
    multiprocess_mode="livemostrecent",
)
STANDBY_LAG_SECONDS = Gauge(
    "stampede_postgres_standby_lag_seconds",
    "Time from a recent write to its replay on the standby; 0 when nothing is written.",
    ["standby"],
    multiprocess_mode="livemostrecent",
)

_sql = load_queries(Path(__file__).parent / "sql" / "standbys.sql")


def pool_sample(name: str, pool: Pool) -> Callable[[], bool]:
    """For chassis.observability.vitals: adds the pool's figures to those of other pools of this name in this
    process, until it is closed."""
    gauges = [one.labels(name) for one in (POOL_IN_USE, POOL_OPEN, POOL_LIMIT, POOL_WAITING)]
    told = [0, 0, 0, 0]

    def sample() -> bool:
        size = pool.get_size()
        waiting = pool.waiting if isinstance(pool, ServicePool) else 0
        limit = 0 if pool.is_closing() else pool.get_max_size()
        now = [size - pool.get_idle_size(), size, limit, waiting]
        for gauge, before, value in zip(gauges, told, now, strict=True):
            if value != before:
                gauge.inc(value - before)
        told[:] = now
        return not pool.is_closing() or size > 0

    return sample


async def measure_standbys(pool: Pool, report: Report) -> None:
    async with connection(pool) as db:
        rows = [row async for row in _sql.standbys(db, limit=STANDBYS_MAX)]
    counted: dict[tuple[str, ...], float] = {}
    for row in rows:
        kind = (row["state"], row["sync_state"])
        counted[kind] = counted.get(kind, 0) + 1
    report.show(STANDBYS, counted or {("none", "none"): 0})
    # Several of one name: the worst of them.
    bytes_behind: dict[tuple[str, ...], float] = {}
    seconds_behind: dict[tuple[str, ...], float] = {}
    for row in rows:
        name = (row["name"],)
        if row["lag_bytes"] is not None:
            bytes_behind[name] = max(bytes_behind.get(name, 0.0), float(row["lag_bytes"]))
            seconds_behind[name] = max(seconds_behind.get(name, 0.0), float(row["lag_s"]))
    report.show(STANDBY_LAG_BYTES, bytes_behind)
    report.show(STANDBY_LAG_SECONDS, seconds_behind)
