"""Who is let in by the rate limits and by the list of revoked logins.

Requests of an address and of a user are counted here and reported to Redis within 20 ms (ADR 74), but
for those of buckets that are seldom asked (ADR 96). Redis is asked first where a limit is exact, or where
too much is unreported: in one round trip with the question whether the login was revoked. While Redis is
away, this process counts alone and asks identity about revoked logins: browsing continues, and logins
stay limited.
"""

import time
from pathlib import Path
from typing import Any

from chassis.auth.tokens import Principal
from chassis.problems import InvalidToken
from chassis.redis.scripts import RedisCalls, load_scripts
from chassis.redis.slots import Call
from gateway.metrics import LIMITED, LIMITS_ASKED, LIMITS_LOCAL, LIMITS_REPORTED
from gateway.protection.counts import Count, Counts
from gateway.protection.limits import Bucket, Policies, Standing, refusal
from gateway.protection.questions import Questions
from gateway.protection.reporting import Reporting
from gateway.protection.revocations import Revocations
from gateway.routing import Route

SCRIPTS = load_scripts(Path(__file__).parent / "lua")

Headers = list[tuple[bytes, bytes]]


class Gate:
    """`await gate.enter(route, address, principal)` returns the RateLimit headers.

    Raises OverLimit with these headers, InvalidToken if the login was revoked, Unavailable if
    neither Redis nor identity can tell. Use it while `reporting.running()` is open.
    """

    def __init__(self, redis: RedisCalls, policies: Policies, revocations: Revocations) -> None:
        self._policies = policies
        self._revocations = revocations
        self._counts = Counts()
        self._questions = Questions(redis)
        self.reporting = Reporting(redis, self._questions, self._counts, SCRIPTS["report"])
        self._limited = {name: LIMITED.labels(name) for name in policies.names}

    def refuse_known(self, route: Route, address: str) -> None:
        """Raises OverLimit without a round trip for an address that is known to be over its
        limit."""
        now_s = time.monotonic()
        for bucket in self._policies.buckets(route.limit, address, None):
            standing = self._counts.refusal(bucket, now_s)
            if standing is not None:
                self._refuse([standing])

    async def enter(self, route: Route, address: str, principal: Principal | None) -> Headers:
        user = str(principal.user_id) if principal is not None else None
        buckets = self._policies.buckets(route.limit, address, user)
        if user is not None:
            known = self._counts.refusal(buckets[-1], time.monotonic())
            if known is not None:
                self._refuse([known])
        question = None
        if principal is not None and not self._revocations.lease.is_good(time.monotonic()):
            question = self._revocations.question(principal.login_id)
        standings, answer = await self._count(buckets, question)
        if any(standing.again_in_ms is not None for standing in standings):
            self._refuse(standings)
        if principal is not None:
            if question is None:
                ended = self._revocations.is_known(principal.login_id)
            else:
                ended = await self._revocations.is_revoked(principal.login_id, answer)
            if ended:
                raise InvalidToken("This login has ended.")
        return self._policies.headers(standings)

    def _refuse(self, standings: list[Standing]) -> None:
        over = [one for one in standings if one.again_in_ms is not None]
        worst = max(over, key=lambda standing: standing.again_in_ms or 0)
        self._limited[worst.policy.name].inc()
        raise refusal(worst, self._policies.headers(standings))

    async def _count(
        self, buckets: list[Bucket], question: Call | None
    ) -> tuple[list[Standing], Any]:
        """The standings in the order of the buckets, and Redis's answer to the question about the login.
        None: Redis is away, or there is no question."""
        now_s = time.monotonic()
        counts, away = self._counts, self._questions.is_any_away
        found = [None if away else counts.take(bucket, now_s) for bucket in buckets]
        picked = [
            counts.pick(bucket, now_s)
            for bucket, standing in zip(buckets, found, strict=True)
            if standing is None
        ]
        calls = [_question(count, reported) for count, reported in picked]
        if question is not None:
            calls.append(question)
        (LIMITS_ASKED if picked else LIMITS_REPORTED).inc()
        answers = await self._ask(calls, picked) if calls else []
        asked = zip([count for count, _ in picked], answers, strict=False)
        standings = [
            standing if standing is not None else self._decide(*next(asked)) for standing in found
        ]
        if None in answers[: len(picked)]:
            LIMITS_LOCAL.inc()
        if counts.has_unreported:
            self.reporting.soon()
        return standings, answers[-1] if question is not None else None

    async def _ask(self, calls: list[Call], picked: list[tuple[Count, int]]) -> list[Any]:
        """Asks about the picked buckets first, then whatever else is in `calls`."""
        answers: list[Any] = [None] * len(calls)
        try:
            answers = await self._questions.ask(calls)
        finally:
            now_s = time.monotonic()
            for (count, reported), answer in zip(picked, answers, strict=False):
                if answer is None:
                    self._counts.unanswered(count, reported, now_s)
                else:
                    let_in = answer[0] == b"allowed"
                    ahead_s = answer[2] / 1000
                    self._counts.confirmed(count, reported, ahead_s, now_s, let_in=let_in)
        return answers

    def _decide(self, count: Count, answer: list[Any] | None) -> Standing:
        if answer is None:
            return self._counts.take_alone(count.bucket, time.monotonic())
        word, number, full_in_ms = answer
        policy = count.bucket.policy
        if word == b"allowed":
            if count.arrival_s <= count.own_s:  # Redis was not told of all
                return count.standing(time.monotonic())
            return Standing(policy, number, full_in_ms)
        if word == b"limited":
            return Standing(policy, 0, full_in_ms, number)
        raise LookupError(f"gcra.lua returned {word!r}, which is not in its header")


def _question(count: Count, reported: int) -> Call:
    policy = count.bucket.policy
    return SCRIPTS["gcra"].call([count.bucket.key], [policy.interval_us, policy.burst, reported])
