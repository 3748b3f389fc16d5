"""What buyers measured, and statistics of it. Imports neither locust nor gevent."""

from collections.abc import Sequence

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """One answer: seconds after opening, call, HTTP status (0: no answer), code, milliseconds. `buyer`: who
    asked, counted from 0."""

    at_s: float
    call: str
    status: int
    code: str
    latency_ms: float
    buyer: int = -1


class Crowd(msgspec.Struct, frozen=True):
    """All answers of a run, and the crowd's CPU seconds: in total, and since the opening. `busy`: its share
    of a core in the second that ended at so many seconds after the opening."""

    answers: list[Answer]
    cpu_s: float = 0.0
    cpu_since_opening_s: float = 0.0
    busy: list[tuple[float, float]] = []


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of a sorted sequence. 0.0 for an empty one."""
    if not ordered:
        return 0.0
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]
