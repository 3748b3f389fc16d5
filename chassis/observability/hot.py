"""Counters, gauges and histograms for code that runs for every request.

prometheus_client's multiprocess mode writes each increment into a file in memory under a lock, which costs
1 to 2 µs. These add to plain numbers of this process, which `write_hot()` writes once a second
(chassis.observability.vitals) and before a scrape of this process. So another process's scrape is up to a
second behind, and a process that is killed takes its last second with it. For the event loop's thread only.
"""

from bisect import bisect_left
from typing import Any

from prometheus_client import Counter, Gauge, Histogram

_hot: list[
    "HotCounter | HotGauge | HotHistogram"
] = []  # every child of one, as prometheus_client's registry


class HotCounter(Counter):
    """A Counter, whose children are to be kept by their callers: finding one costs more than counting."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._waits = 0.0
        _hot.append(self)

    def inc(self, amount: float = 1.0, exemplar: dict[str, str] | None = None) -> None:
        self._waits += amount

    def write(self) -> None:
        if self._waits:
            amount, self._waits = self._waits, 0.0
            super().inc(amount)


class HotGauge(Gauge):
    """The same for a Gauge that is only counted up and down."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._waits = 0.0
        _hot.append(self)

    def inc(self, amount: float = 1.0) -> None:
        self._waits += amount

    def dec(self, amount: float = 1.0) -> None:
        self._waits -= amount

    def write(self) -> None:
        if self._waits:
            amount, self._waits = self._waits, 0.0
            super().inc(amount)


class HotHistogram(Histogram):
    """The same for a Histogram."""

    def _metric_init(self) -> None:
        super()._metric_init()
        own: Any = self
        self._bounds: list[float] = own._upper_bounds
        self._waits = [0] * len(self._bounds)
        self._amount = 0.0
        self._waiting = False
        _hot.append(self)

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        self._waits[bisect_left(self._bounds, amount)] += 1
        self._amount += amount
        self._waiting = True

    def write(self) -> None:
        if not self._waiting:
            return
        own: Any = self  # prometheus_client declares neither of the two
        self._waiting = False
        for place, count in enumerate(self._waits):
            if count:
                own._buckets[place].inc(count)
                self._waits[place] = 0
        own._sum.inc(self._amount)
        self._amount = 0.0


def write_hot() -> None:
    for one in _hot:
        one.write()
