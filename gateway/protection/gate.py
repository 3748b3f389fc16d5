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
from chassis.redis.scripts import RedisCalls, load_scripts
from chassis.redis.servers import Address
from chassis.redis.slots import Call, key_of
from gateway.metrics import LIMITED, LIMITS_ASKED, LIMITS_LOCAL
from gateway.protection.limits import Bucket, LocalBuckets, Policies, Refused, Standing, refusal
from gateway.protection.revocations import Revocations
from gateway.routing import Route

SCRIPTS = load_scripts(Path(__file__).parent / "lua")
FORGET_S = 60.0
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
        self._away: dict[Address | None, float] = {}  # nodes of Redis, and until when
        for name in policies.names:
            LIMITED.labels(name)
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
        calls: list[Call] = [
            ("EVALSHA", self._gcra, 1, bucket.key, bucket.policy.interval_us, bucket.policy.burst)
            for bucket in buckets
        ]
        if principal is not None:
            calls.append(self._revocations.question(principal.login_id))
        LIMITS_ASKED.inc()
        answers = await (self._ask_each(calls, now) if self._away else self._submit(calls, now))
        standings = [
            self._local.take(bucket, now) if answer is None else _standing(bucket, answer)
            for bucket, answer in zip(buckets, answers, strict=False)
        ]
        if None in answers:
            LIMITS_LOCAL.inc()
        return standings, answers[-1] if principal is not None else None

    async def _ask_each(self, calls: list[Call], now: float) -> list[Any]:
        """Leaves nodes alone that are away, but for one request in AWAY_S."""
        asked = []
        for node in [node for node, until in self._away.items() if until < now - FORGET_S]:
            del self._away[node]  # no request needs it any more
        for place, call in enumerate(calls):
            node = self._node_of(call)
            until = self._away.get(node)
            if until is None or until <= now:
                asked.append(place)
            if until is not None and until <= now:
                self._away[node] = now + AWAY_S  # this request alone finds out whether it is back
        answers: list[Any] = [None] * len(calls)
        if asked:
            for place, answer in zip(
                asked, await self._submit([calls[place] for place in asked], now), strict=True
            ):
                answers[place] = answer
        return answers

    async def _submit(self, calls: list[Call], now: float) -> list[Any]:
        """Answers in order; None where the node is away."""
        try:
            answers = await self._redis.submit_each(calls)
        except Overloaded as full:
            answers = [full] * len(calls)
        for place, answer in enumerate(answers):
            if isinstance(answer, BaseException):
                if not isinstance(answer, Overloaded):
                    raise answer
                self._gone(self._node_of(calls[place]), answer)
                answers[place] = None
            elif self._away and (node := self._node_of(calls[place])) in self._away:
                del self._away[node]
                log.info("redis_back", **_named(node))
        return answers

    def _node_of(self, call: Call) -> Address | None:
        key = key_of(call)
        return self._redis.node_of(key) if key is not None else None

    def _gone(self, node: Address | None, away: Overloaded) -> None:
        if node not in self._away:
            log.warning("redis_away", reason=away.detail or away.code, **_named(node))
        self._away[node] = time.monotonic() + AWAY_S


def _named(node: Address | None) -> dict[str, str]:
    return {} if node is None else {"node": str(node)}


def _standing(bucket: Bucket, answer: list[Any]) -> Standing:
    word, number, full_in_ms = answer
    if word == b"allowed":
        return Standing(bucket.policy, number, full_in_ms)
    if word == b"limited":
        return Standing(bucket.policy, 0, full_in_ms, number)
    raise LookupError(f"gcra.lua returned {word!r}, which is not in its header")
