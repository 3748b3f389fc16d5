"""`/readyz`: whether this process can serve. `/readyz?deep`: whether what it needs answers, too.

Balancers ask the first. What all replicas share (PostgreSQL, Redis, another service) does not decide it: if
all of them said no, the balancer would have nobody, and buyers would see its error page and not a problem
with Retry-After. Alarms and people ask the second. Both list the dependencies.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from chassis.concurrency.cache import FetchOnce
from chassis.draining import Drain
from chassis.problems import Draining, Unavailable

OPTIONAL_DEPENDENCIES = {"nats"}  # reported, but not needed: the outbox keeps the events
GLANCE_S = 0.25  # a balancer does not wait for a database that hangs

Look = Callable[[], Awaitable[dict[str, bool]]]


class Readiness:
    """`look` lists each dependency and whether it answers. `is_open`: this process's own pools."""

    def __init__(
        self, name: str, look: Look, drain: Drain, *, is_open: Callable[[], bool] = lambda: True
    ) -> None:
        self._name = name
        self._drain = drain
        self._is_open = is_open
        self._looks: FetchOnce[str, dict[str, bool]] = FetchOnce(
            lambda _: look(), ttl_s=0.0, entries_max=1
        )
        self._last: dict[str, bool] = {}

    async def answer(self, query: bytes) -> dict[str, Any]:
        """The body of a 200. Raises Draining, or Unavailable with the dependencies."""
        if self._drain.begun:
            raise Draining()
        deep = _is_deep(query)
        self._last = dependencies = await (self._look() if deep else self._glance())
        needed = (up for name, up in dependencies.items() if name not in OPTIONAL_DEPENDENCIES)
        if not self._is_open() or (deep and not all(needed)):
            raise Unavailable(dependencies=dependencies)
        return {"status": "ready", "service": self._name, "dependencies": dependencies}

    async def _look(self) -> dict[str, bool]:
        return await self._looks.get("")

    async def _glance(self) -> dict[str, bool]:
        try:
            async with asyncio.timeout(GLANCE_S):
                return await self._look()
        except TimeoutError:
            return dict.fromkeys(self._last, False)


def _is_deep(query: bytes) -> bool:
    asked = dict(part.partition(b"=")[::2] for part in query.split(b"&"))
    return asked.get(b"deep", b"0") not in {b"0", b"false"}
