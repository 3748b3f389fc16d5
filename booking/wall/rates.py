"""From counters that only grow to rates and quantiles, source by source.

A source that comes, comes back after a pause, or begins again must not look like a burst: what is seen first
is where counting begins, and a counter that has become smaller begins there again.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from contracts.wall import BOUNDS_S, UNWATCHED_INTERVAL_S, Digest

RATE_WINDOW_S = (
    3.5  # three digests: processes write what hot code counted once a second, not all at once
)
QUANTILE_WINDOW_S = 10.5
LATE_AFTER_S = 5.0  # while digests come each second
KEPT_DIGESTS = 16
GONE_AFTER_S = 600.0

Counters = dict[str, float]


class Carried(msgspec.Struct, frozen=True):
    """What the next collector must know of a source, to lose no count and to invent none."""

    at_s: float
    counters: Counters


class Source:
    """What one machine has said, with the time at which we heard it on our own clock."""

    def __init__(self, heard_s: float, digest: Digest, before: Carried | None = None) -> None:
        self.digest = digest
        self.heard_s = heard_s
        self.grown: Counters = {}  # since the digest before, once
        self._kept: deque[Digest] = deque([digest], maxlen=KEPT_DIGESTS)
        if before is not None and before.at_s <= digest.at_s:
            self.grown = growth(before.counters, digest.counters)

    def hear(self, now_s: float, digest: Digest) -> None:
        """The same digest again says nothing."""
        self.grown = {}
        if digest.at_s == self.digest.at_s:
            return
        if digest.at_s < self.digest.at_s:  # another boot of the machine
            self._kept.clear()
        else:
            self.grown = growth(self.digest.counters, digest.counters)
        self._kept.append(digest)
        self.digest, self.heard_s = digest, now_s

    def age_s(self, now_s: float) -> float:
        return now_s - self.heard_s

    def is_late(self, now_s: float, interval_s: float) -> bool:
        return self.age_s(now_s) > LATE_AFTER_S + (
            UNWATCHED_INTERVAL_S if interval_s >= UNWATCHED_INTERVAL_S else 0.0
        )

    def rates(self) -> Counters:
        """Per second, over the last digests."""
        first = self._since(RATE_WINDOW_S)
        duration_s = self.digest.at_s - first.at_s
        if duration_s <= 0:
            return {}
        return {
            name: more / duration_s
            for name, more in growth(first.counters, self.digest.counters).items()
        }

    def answered(self, name: str) -> list[float]:
        """Answers by duration in the last ten seconds, by bucket."""
        first = self._since(QUANTILE_WINDOW_S).buckets.get(name)
        last = self.digest.buckets.get(name)
        if last is None:
            return []
        pairs = zip(first or [0.0] * len(last), last, strict=True)
        return [max(0.0, now - before) for before, now in pairs]

    def carried(self) -> Carried:
        return Carried(self.digest.at_s, self.digest.counters)

    def _since(self, window_s: float) -> Digest:
        """The oldest digest within the window, or the last but one if all are older."""
        within = [one for one in self._kept if self.digest.at_s - one.at_s <= window_s]
        if len(within) > 1 or len(self._kept) == 1:
            return within[0]
        return self._kept[-2]


def growth(before: Mapping[str, float], now: Mapping[str, float]) -> Counters:
    """How much each has grown. One that is smaller has begun again: that much is unknown, so nothing."""
    return {
        name: more for name, value in now.items() if (more := value - before.get(name, 0.0)) > 0
    }


def added(many: Iterable[Mapping[str, float]]) -> Counters:
    sums: Counters = {}
    for one in many:
        for name, value in one.items():
            sums[name] = sums.get(name, 0.0) + value
    return sums


def added_buckets(many: Iterable[Sequence[float]]) -> list[float]:
    return [sum(place) for place in zip(*(one for one in many if one), strict=True)]


def quantile(buckets: Sequence[float], share: float) -> float | None:
    """Seconds, by interpolation within its bucket, as Prometheus does it. None: nothing was answered.

    Of the open bucket the largest bound is all that is known.
    """
    total = sum(buckets)
    if total <= 0:
        return None
    wanted, below = total * share, 0.0
    for place, count in enumerate(buckets[:-1]):
        if below + count >= wanted and count:
            start = BOUNDS_S[place - 1] if place else 0.0
            return start + (BOUNDS_S[place] - start) * (wanted - below) / count
        below += count
    return BOUNDS_S[-1]
