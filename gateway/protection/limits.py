"""Rate limits: how many requests an address or a user may make, and the headers about them.

A bucket holds `burst` requests and refills at `rate` per second (GCRA: a leaky bucket as one
timestamp). The headers follow draft-ietf-httpapi-ratelimit-headers-10: quota `q` is the bucket's
size, window `w` is the time to fill it, `r` requests are left, and the bucket is full in `t`.
"""

import math
from collections.abc import Sequence

import msgspec

from chassis.problems import RateLimited
from chassis.settings import Settings

MAILS_A_LOGIN = 1 / 60  # each mail goes to a person who did not ask this client for it
REFRESHES_A_LOGIN = 4  # all tabs and devices of a login refresh it
AHEAD_SHARE = 8  # one request in so many of a burst may be let in by each process without Redis
UNTOLD_SHARE = 20  # of these, so many of a burst are never told
UNTOLD_RATE_SHARE = 20  # and in the long run, one request in so many by all processes of a node


class Policy(msgspec.Struct, frozen=True):
    """A limit: `burst` requests at once, `rate` per second in the long run.

    unconfirmed_max: how many requests of a bucket each process may let in before Redis has counted
    them. All processes together may be so many each over the limit (ADR 74). 0: Redis is asked first.
    untold_burst, untold_rate: how many each process may let in without telling Redis at all, at once and
    per second. They come on top (ADR 96).
    """

    name: str
    rate: float
    burst: int
    unconfirmed_max: int = 0
    untold_burst: int = 0
    untold_rate: float = 0.0

    @property
    def interval_us(self) -> int:
        return max(1, round(1_000_000 / self.rate))

    @property
    def item(self) -> str:
        """This policy's item in RateLimit-Policy."""
        window_s = max(1, math.ceil(self.burst / self.rate))
        return f'"{self.name}";q={self.burst};w={window_s}'


class Bucket(msgspec.Struct, frozen=True):
    """The bucket that a request counts in: a policy, and a user or address."""

    policy: Policy
    key: str

    @classmethod
    def of(cls, policy: Policy, who: str) -> "Bucket":
        return cls(policy, f"limit:{{{policy.name}:{who}}}")


class Standing(msgspec.Struct, frozen=True):
    """A bucket's state after a request. `again_in_ms` is None if the request was allowed."""

    policy: Policy
    left: int
    full_in_ms: int
    again_in_ms: int | None = None

    @property
    def item(self) -> str:
        """This bucket's item in RateLimit."""
        return f'"{self.policy.name}";r={self.left};t={math.ceil(self.full_in_ms / 1000)}'


class Policies:
    """All limits by name, from the settings.

    `ip` and `user` keep the platform from too much work, and a few requests more do no harm. The
    others keep clients from guessing passwords and signatures, and from sending mails to strangers:
    they are exact.
    """

    def __init__(self, settings: Settings) -> None:
        rate, burst = settings.rate_limit_per_ip, settings.rate_limit_per_ip_burst
        self.ip = _of_work("ip", rate, burst, settings.workers)
        self.refused = Policy("refused", rate, burst)
        rate, burst = settings.rate_limit_per_user, settings.rate_limit_per_user_burst
        self.user = _of_work("user", rate, burst, settings.workers)
        rate, burst = settings.rate_limit_login, settings.rate_limit_login_burst
        self.login = Policy("login", rate, burst)
        self.refresh = Policy("refresh", rate * REFRESHES_A_LOGIN, burst * REFRESHES_A_LOGIN)
        self.mail = Policy("mail", rate * MAILS_A_LOGIN, burst)
        self._beside = {"login": self.login, "refresh": self.refresh, "mail": self.mail}
        every = (self.ip, self.user, self.login, self.refresh, self.mail, self.refused)
        self.names = [one.name for one in every]
        self._fields: dict[tuple[str, ...], bytes] = {}

    def buckets(self, limit: str, address: str, user: str | None) -> list[Bucket]:
        """The buckets that a request counts in. `limit` is its route's, `address` its limiter
        key."""
        if limit == "signed":
            return [Bucket.of(self.refused, address)]
        buckets = [Bucket.of(self.ip, address)]
        beside = self._beside.get(limit)
        if beside is not None:
            buckets.append(Bucket.of(beside, address))
        if user is not None:
            buckets.append(Bucket.of(self.user, user))
        return buckets

    def headers(self, standings: Sequence[Standing]) -> list[tuple[bytes, bytes]]:
        names = tuple([standing.policy.name for standing in standings])
        policy = self._fields.get(names)
        if policy is None:
            policy = ", ".join(one.policy.item for one in standings).encode("ascii")
            self._fields[names] = policy
        state = ", ".join([standing.item for standing in standings]).encode("ascii")
        return [(b"ratelimit-policy", policy), (b"ratelimit", state)]


def _of_work(name: str, rate: float, burst: int, processes: int) -> Policy:
    """A limit that keeps us from too much work: most of its requests need not be known to all."""
    untold = burst // UNTOLD_SHARE
    untold_rate = rate / UNTOLD_RATE_SHARE / processes
    return Policy(name, rate, burst, burst // AHEAD_SHARE - untold, untold, untold_rate)


class OverLimit(RateLimited):
    """Too many requests."""

    limits: Sequence[tuple[bytes, bytes]] = ()  # the RateLimit headers of the answer


def refusal(standing: Standing, limits: Sequence[tuple[bytes, bytes]] = ()) -> OverLimit:
    """A 429 with Retry-After in whole seconds, at least 1."""
    again_in_s = max(1, math.ceil((standing.again_in_ms or 0) / 1000))
    problem = OverLimit(
        f"Wait {again_in_s} s before the next request.",
        headers={"Retry-After": str(again_in_s)},
    )
    problem.limits = limits
    return problem
