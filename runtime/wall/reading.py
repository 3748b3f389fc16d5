"""Reads the wall's figures: from the files of all processes that count together, or from this process alone.

A scrape parses every name each time, which takes tens of milliseconds. Here a file's names are parsed by
prometheus_client when it has grown, and from then on the numbers are read where they lie: 0.2 ms a file.
"""

import json
import math
import struct
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client import REGISTRY
from prometheus_client.mmap_dict import MmapedDict

from chassis.observability.exposition import living
from chassis.observability.hot import write_hot
from contracts.wall import BOUNDS_S, Digest
from runtime.wall.figures import Slot, slots

_USED = struct.Struct("i").unpack_from
_TWO = struct.Struct("dd").unpack_from  # a value and when it was set
_TWO_BYTES = 16

Read = Callable[[], "Sums"]


class Sums:
    """One reading, in the form of a digest."""

    def __init__(self) -> None:
        self.processes = 0
        self.counters: dict[str, float] = defaultdict(float)
        self.buckets: dict[str, list[float]] = {}
        self.sums: dict[str, float] = defaultdict(float)
        self.gauges: dict[str, dict[str, float]] = {}
        self._set_at: dict[tuple[str, int | str], float] = {}

    def add(self, slot: Slot, value: float, set_at: float = 0.0) -> None:
        """Of a gauge the value that was set last; not a number: nobody reports it now."""
        kind, name, place = slot
        if kind == "counters":
            self.counters[name] += value
        elif kind == "sums":
            self.sums[name] += value
        elif kind == "buckets":
            counts = self.buckets.setdefault(name, [0.0] * (len(BOUNDS_S) + 1))
            counts[int(place)] += value
        elif not math.isnan(value) and set_at >= self._set_at.get((name, place), 0.0):
            self._set_at[name, place] = set_at
            self.gauges.setdefault(name, {})[str(place)] = value

    def digest(self, machine: str, roles: list[str], at_s: float) -> Digest:
        return Digest(
            machine=machine,
            roles=roles,
            at_s=at_s,
            processes=self.processes,
            counters=dict(self.counters),
            buckets=self.buckets,
            gauges=self.gauges,
            sums=dict(self.sums),
        )


class _Names(NamedTuple):
    used: int
    found: list[tuple[Slot, int]]


class FilesReader:
    """`read()` for the processes that count in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._names: dict[str, _Names] = {}

    def read(self) -> Sums:
        sums = Sums()
        sums.processes = sum(1 for _ in living(self._directory))  # also forgets dead ones' gauges
        known, self._names = self._names, {}
        for path in self._directory.glob("*.db"):
            try:
                body = path.read_bytes()
            except FileNotFoundError:  # of a gauge whose process has ended
                continue
            if not body:  # just made
                continue
            used = _USED(body)[0]
            names = known.get(path.name)
            if names is None or names.used != used:
                names = _Names(used, _parse(path))
            self._names[path.name] = names
            for slot, position in names.found:
                if position + _TWO_BYTES <= len(body):  # it has grown since; the next look sees it
                    value, set_at = _TWO(body, position)
                    sums.add(slot, value, set_at)
        return sums


def _parse(path: Path) -> list[tuple[Slot, int]]:
    read: Any = MmapedDict.read_all_values_from_file
    found = []
    for key, _, _, position in read(str(path)):
        _, sample, labels, _ = json.loads(key)
        found += [(slot, position) for slot in slots(sample, labels)]
    return found


def read_own() -> Sums:
    """This process's, where each counts alone."""
    write_hot()
    sums = Sums()
    sums.processes = 1
    for metric in REGISTRY.collect():
        before: dict[tuple[tuple[str, str], ...], float] = {}
        for sample in metric.samples:
            found = list(slots(sample.name, sample.labels))
            value = sample.value
            if found and found[0].kind == "buckets":  # the registry adds up the shorter ones
                own = tuple((k, v) for k, v in sample.labels.items() if k != "le")
                value, before[own] = value - before.get(own, 0.0), value
            for slot in found:
                sums.add(slot, value)
    return sums
