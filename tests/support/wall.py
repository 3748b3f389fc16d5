"""Digests of machines that a test makes up."""

from collections.abc import Mapping
from typing import Any

from contracts.wall import BOUNDS_S, Digest

PLACES = len(BOUNDS_S) + 1


def digest(at_s: float, machine: str = "one", *, arrivals: float = 0.0, **parts: Any) -> Digest:
    """What a machine says at `at_s` on its clock."""
    counters: Mapping[str, float] = {"arrivals": arrivals, **parts.pop("counters", {})}
    empty: dict[str, Any] = {"processes": 3, "buckets": {}, "gauges": {}, "sums": {}}
    told = empty | parts
    return Digest(machine=machine, roles=["web"], at_s=at_s, counters=dict(counters), **told)


def buckets(**by_bound: float) -> list[float]:
    """`buckets(b0=3)`: three answers in the first bucket."""
    found = [0.0] * PLACES
    for name, count in by_bound.items():
        found[int(name[1:])] = count
    return found
