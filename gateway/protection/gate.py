"""All questions to Redis before a request is let in, in one round trip.

The rate limits come first, then whether the login was revoked. While Redis is away, this process
counts alone and asks identity about revoked logins: browsing continues, and logins stay limited.
"""

import time
from pathlib import Path
from typing import Any

from chassis.auth.tokens import Principal
from chassis.observability import logs
from chassis.problems import InvalidToken, Overloaded
from chassis.redis.pipeline import Call
from chassis.redis.scripts import RedisCalls, load_scripts
from gateway.metrics import LIMITED, LIMITS_LOCAL
from gateway.protection.limits import Bucket, LocalBuckets, Policies, Refused, Standing, refusal
from gateway.protection.revocations import Revocations
from gateway.routing import Route

SCRIPTS = load_scripts(Path(__file__).parent / "lua")
AWAY_S = 1.0  # after a failure, how long Redis is not asked

Headers = list[tuple[bytes, bytes]]
log = logs.get("gateway")


class Gate:
    """`await gate.enter(route, address, principal)` returns the RateLimit headers.

    Raises RateLimited with these headers, InvalidToken if the login was revoked, Unavailable if
    neither Redis nor identity can tell.
    """

    def __init__(self, redis: RedisCalls, policies: Policies, revocations: Revocations) -> None:
        self._redis = redis
        self._policies = policies
        self._revocations = revocations
        self._refused = Refused()
        self._local = LocalBuckets()
        self._away_until = 0.0
        self._gcra = SCRIPTS["gcra"].digest

    def refuse_known(self, route: Route, address: str) -> None:
        """Raises RateLimited without a round trip for an address that is known to be over its
        limit."""
        for bucket in self._policies.buckets(route.limit, address, None):
            standing = self._refused.standing(bucket)
            if standing is not None:
                self._refuse([standing])

    async def enter(self, route: Route, address: str, principal: Principal | None) -> Headers:
        user = str(principal.user_id) if principal is not None else None
        buckets = self._policies.buckets(route.limit, address, user)
        if user is not None and (known := self._refused.standing(buckets[-1])) is not None:
            self._refuse([known])
        standings, answer = await self._ask(buckets, principal)
        over = [standing for standing in standings if standing.again_in_ms is not None]
        if over:
            for bucket, standing in zip(buckets, standings, strict=True):
                self._refused.remember(bucket, standing)
            self._refuse(standings)
        if principal is not None and await self._revocations.is_revoked(principal.login_id, answer):
            raise InvalidToken("This login has ended.")
        return self._policies.headers(standings)

    def _refuse(self, standings: list[Standing]) -> None:
        over = [one for one in standings if one.again_in_ms is not None]
        worst = max(over, key=lambda standing: standing.again_in_ms or 0)
        LIMITED.labels(worst.policy.name).inc()
        problem = refusal(worst)
        for name, value in self._policies.headers(standings):
            problem.headers[name.decode("ascii")] = value.decode("ascii")
        raise problem

    async def _ask(
        self, buckets: list[Bucket], principal: Principal | None
    ) -> tuple[list[Standing], Any]:
        """The standings in the order of the buckets, and Redis's answer about the login. None:
        Redis is away."""
        now = time.monotonic()
        if now < self._away_until:
            return self._count_locally(buckets, now), None
        if self._away_until:
            self._away_until = now + AWAY_S  # only this request tests if Redis is back
        try:
            standings, answer = await self._ask_redis(buckets, principal)
        except Overloaded as away:
            if not self._away_until:
                log.warning("redis_away", reason=away.detail or away.code)
            self._away_until = time.monotonic() + AWAY_S
            return self._count_locally(buckets, now), None
        if self._away_until:
            self._away_until = 0.0
            log.info("redis_back")
        return standings, answer

    async def _ask_redis(
        self, buckets: list[Bucket], principal: Principal | None
    ) -> tuple[list[Standing], Any]:
        asked: list[Call] = [
            ("EVALSHA", self._gcra, 1, bucket.key, bucket.policy.interval_us, bucket.policy.burst)
            for bucket in buckets
        ]
        if principal is not None:
            asked.append(self._revocations.question(principal.login_id))
        answers = await self._redis.submit_all(asked)
        standings = [
            _standing(bucket, answer) for bucket, answer in zip(buckets, answers, strict=False)
        ]
        return standings, answers[-1] if principal is not None else None

    def _count_locally(self, buckets: list[Bucket], now: float) -> list[Standing]:
        LIMITS_LOCAL.inc()
        return [self._local.take(bucket, now) for bucket in buckets]


def _standing(bucket: Bucket, answer: list[Any]) -> Standing:
    word, number, full_in_ms = answer
    if word == b"allowed":
        return Standing(bucket.policy, number, full_in_ms)
    if word == b"limited":
        return Standing(bucket.policy, 0, full_in_ms, number)
    raise LookupError(f"gcra.lua returned {word!r}, which is not in its header")
