"""What this process knows of each bucket: the state that Redis reported, and its own requests since then.

    take ─▶ let in here ─▶ pick_unreported ─▶ Redis counts it ─▶ confirmed: the state of all processes
      │          │               ▲                  │
      │          └▶ untold       └── unanswered ◀───┘ Redis gave no answer
      └───▶ None: ask Redis first (an exact limit, or too many of its requests are unconfirmed)

Untold is what a bucket seldom asks of this process: a small limit of its own inside the limit, and Redis
never hears of it. In a crowd of people who each ask seldom, that is nearly everything.
Nothing here waits or asks. Source: GCRA, as in limits.py. ADRs 74 and 96 derive the bound on the error.
"""

import math
from itertools import islice

from chassis.concurrency.cache import BoundedCache
from gateway.protection.limits import Bucket, Standing

BUCKETS_MAX = 100_000  # that one process knows; a forgotten bucket counts as full
LOOKS = 2  # at others, whenever a bucket is added: so those that are full again do not pile up
ROUNDING_S = 1e-9
ROUNDING = 1e-3  # of a request


class Count:
    """One bucket. Times are of this process's monotonic clock.

    arrival_s: when its next request is due, as far as is known. own_s: the same by this process's own
    requests alone, told or not. untold_s: by those that Redis never hears of, at their own rate.
    unreported: requests let in here that are not on their way to Redis yet. unconfirmed: these,
    and those on their way.
    """

    __slots__ = (
        "allowance_s",
        "arrival_s",
        "bucket",
        "interval_s",
        "own_s",
        "unconfirmed",
        "unreported",
        "untold_s",
    )

    def __init__(self, bucket: Bucket, now_s: float) -> None:
        self.bucket = bucket
        self.interval_s = 1 / bucket.policy.rate
        self.allowance_s = self.interval_s * bucket.policy.burst
        self.arrival_s = self.own_s = self.untold_s = now_s
        self.unreported = self.unconfirmed = 0

    def refusal(self, now_s: float) -> Standing | None:
        """The standing, if no request is allowed now."""
        ahead_s = self.arrival_s - now_s
        over_s = ahead_s + self.interval_s - self.allowance_s
        if ahead_s <= 0 or over_s <= ROUNDING_S:
            return None
        again_in_ms = max(1, math.ceil(over_s * 1000))
        return Standing(self.bucket.policy, 0, math.ceil(ahead_s * 1000), again_in_ms)

    def may_be_untold(self, now_s: float) -> bool:
        policy = self.bucket.policy
        ahead = max(0.0, self.untold_s - now_s) * policy.untold_rate  # in requests
        return ahead + 1 <= policy.untold_burst + ROUNDING

    def let_in(self, now_s: float) -> Standing:
        """Decided here."""
        if self.may_be_untold(now_s):
            self.untold_s = max(self.untold_s, now_s) + 1 / self.bucket.policy.untold_rate
        else:
            self.unreported += 1
            self.unconfirmed += 1
        self.own_s = max(self.own_s, now_s) + self.interval_s
        self.arrival_s = max(self.arrival_s, now_s) + self.interval_s
        return self.standing(now_s)

    def standing(self, now_s: float) -> Standing:
        """After a request that was let in."""
        ahead_s = self.arrival_s - now_s
        left = int((self.allowance_s - ahead_s) / self.interval_s + ROUNDING)
        return Standing(self.bucket.policy, max(0, left), math.ceil(ahead_s * 1000))

    def is_full(self, now_s: float) -> bool:
        """True if a new one would be the same."""
        return max(self.arrival_s, self.untold_s) <= now_s and not self.unconfirmed


class Counts:
    """The buckets of one process."""

    def __init__(self, buckets_max: int = BUCKETS_MAX) -> None:
        self._counts: BoundedCache[str, Count] = BoundedCache(buckets_max)
        self._unreported: dict[str, Count] = {}

    @property
    def has_unreported(self) -> bool:
        return bool(self._unreported)

    def __len__(self) -> int:
        return len(self._counts)

    def refusal(self, bucket: Bucket, now_s: float) -> Standing | None:
        """The bucket's standing if it is known to be over its limit."""
        count = self._counts.get(bucket.key)
        return count.refusal(now_s) if count is not None else None

    def take(self, bucket: Bucket, now_s: float) -> Standing | None:
        """Lets a request in or refuses it by what is known here. None: only Redis can decide."""
        policy, count = bucket.policy, self._counts.get(bucket.key)
        if count is None:
            asks = not (policy.unconfirmed_max or policy.untold_burst)
        else:
            asks = count.unconfirmed >= policy.unconfirmed_max and not count.may_be_untold(now_s)
        return self.refusal(bucket, now_s) if asks else self.take_alone(bucket, now_s)

    def take_alone(self, bucket: Bucket, now_s: float) -> Standing:
        """As if there were no other process: Redis is away."""
        count = self._counts.get(bucket.key) or self._add(bucket, now_s)
        refusal = count.refusal(now_s)
        if refusal is not None:
            return refusal
        standing = count.let_in(now_s)
        if count.unreported:
            self._unreported[bucket.key] = count
        return standing

    def pick_unreported(self) -> list[tuple[Count, int]]:
        """Buckets with the number of requests to report, which are on their way from here on."""
        counts, self._unreported = self._unreported, {}
        return [(count, _pick(count)) for count in counts.values()]

    def pick(self, bucket: Bucket, now_s: float) -> tuple[Count, int]:
        """The same for one bucket, which Redis is asked about."""
        count = self._counts.get(bucket.key) or self._add(bucket, now_s)
        self._unreported.pop(bucket.key, None)
        return count, _pick(count)

    def confirmed(
        self, count: Count, reported: int, ahead_s: float, now_s: float, *, let_in: bool = False
    ) -> None:
        """Redis has counted `reported` requests, and the bucket is `ahead_s` ahead of now. `let_in`: Redis
        has let in another one."""
        count.unconfirmed -= reported
        if let_in:
            count.own_s = max(count.own_s, now_s) + count.interval_s
        known_s = now_s + ahead_s + count.unconfirmed * count.interval_s
        count.arrival_s = max(known_s, count.own_s)
        self._counts.put(count.bucket.key, count)  # the one idle for longest makes room

    def unanswered(self, count: Count, reported: int, now_s: float) -> None:
        """Redis may not have counted them. They are reported again, rather twice than never, but
        not those that the bucket has regained meanwhile."""
        owed = max(0, math.ceil((count.arrival_s - now_s) / count.interval_s - ROUNDING))
        regained = max(0, count.unreported + reported - owed)
        count.unreported += reported - regained
        count.unconfirmed -= regained
        if count.unreported:
            self._unreported[count.bucket.key] = count

    def forget_full(self, looks: int, now_s: float) -> None:
        """Drops buckets that are full again, because a bucket that is not known counts as full.
        Looks at the `looks` that were looked at longest ago."""
        for key in list(islice(self._counts, looks)):
            count = self._counts.get(key)
            if count is None or count.is_full(now_s):
                self._counts.drop(key)
            else:
                self._counts.put(key, count)

    def _add(self, bucket: Bucket, now_s: float) -> Count:
        count = self._unreported.get(bucket.key) or Count(bucket, now_s)
        self.forget_full(LOOKS, now_s)
        self._counts.put(bucket.key, count)
        return count


def _pick(count: Count) -> int:
    picked, count.unreported = count.unreported, 0
    return picked
