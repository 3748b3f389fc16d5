"""Calls to Redis that leave a node alone while it is away, but for one call in AWAY_S.

The request path must not wait for a dead server again and again.
"""

import time
from typing import Any

from chassis.observability import logs
from chassis.problems import Overloaded
from chassis.redis.scripts import RedisCalls
from chassis.redis.servers import Address
from chassis.redis.slots import Call, key_of

FORGET_S = 60.0
AWAY_S = 1.0  # after a failure, how long Redis is not asked

log = logs.get("gateway")


class Questions:
    """`await ask(calls)` returns the answers in order; None where the node is away."""

    def __init__(self, redis: RedisCalls) -> None:
        self._redis = redis
        self._away: dict[Address | None, float] = {}  # nodes of Redis, and until when

    @property
    def is_any_away(self) -> bool:
        return bool(self._away)

    async def ask(self, calls: list[Call]) -> list[Any]:
        return await (self._ask_each(calls) if self._away else self._submit(calls))

    async def _ask_each(self, calls: list[Call]) -> list[Any]:
        now = time.monotonic()
        asked = []
        for node in [node for node, until in self._away.items() if until < now - FORGET_S]:
            del self._away[node]  # no request needs it any more
        for place, call in enumerate(calls):
            node = self._node_of(call)
            until = self._away.get(node)
            if until is None or until <= now:
                asked.append(place)
            if until is not None and until <= now:
                self._away[node] = now + AWAY_S  # this call alone finds out whether it is back
        answers: list[Any] = [None] * len(calls)
        if asked:
            for place, answer in zip(
                asked, await self._submit([calls[place] for place in asked]), strict=True
            ):
                answers[place] = answer
        return answers

    async def _submit(self, calls: list[Call]) -> list[Any]:
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
