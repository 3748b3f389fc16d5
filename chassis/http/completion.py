"""Requests that may change state run to completion, even if the client disconnects or the server is stopping.

The gateway runs such calls in tasks of their own and says so by an ASGI extension; a service that is
called by somebody else (over HTTP, by another service) sees to it itself.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from chassis.seam.upstream import SAFE_METHODS, Scope

DRAIN_S = 5.0  # what is being committed when the server stops
EXTENSION = "stampede.run_to_its_end"
RUN_TO_ITS_END: dict[str, dict[str, Any]] = {EXTENSION: {}}  # `extensions` of such a call's scope


def must_complete(scope: Scope) -> bool:
    return scope["method"] not in SAFE_METHODS and EXTENSION not in scope.get("extensions", ())


class RequestCompletion:
    """`await run(work)`: cancelling the caller leaves the work alone."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        await asyncio.shield(task)

    async def drain(self) -> None:
        """Waits for what is under way, DRAIN_S at most: before what it uses is closed."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_S)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # seen, should the caller have gone before it came
