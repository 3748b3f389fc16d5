"""The measurements of one case."""

from typing import Any

import msgspec

from loadtest.bench.generators.traffic import Latency


class Outbox(msgspec.Struct, frozen=True):
    """What the worker had left to relay when the window ended (counted up to 10,000), the age of its
    oldest event, and the seconds until it was empty (None: it was not in time)."""

    rows: int
    age_s: float
    drained_in_s: float | None


class Figures(msgspec.Struct, frozen=True):
    """One case's line of the report. `per_second` counts what `counts` says, and `cpu_us` is per counted
    answer. `wrong` is empty if every answer was expected."""

    counts: str
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    by_status: dict[str, int]
    cpu_us: dict[str, float]
    rss_mb: float
    connections: int
    seconds: float
    errors: int
    by_call: dict[str, Latency] = {}
    wrong: dict[str, int] = {}
    outbox: Outbox | None = None
    # bytes per counted answer, its events relayed: PostgreSQL's `wal` and `disk`, memory of `redis`
    volumes: dict[str, float] = {}
    # µs of all CPU of an empty server's answer, measured before and after this case; 0: it was not
    unit_us: float = 0.0
    # share of the machine's CPU that others used in the window
    others: float = 0.0
    # figures of this case only; in the JSON they stand beside the others
    extra: dict[str, Any] = {}

    @property
    def passed(self) -> bool:
        return not self.wrong and not self.errors and self.per_second > 0
