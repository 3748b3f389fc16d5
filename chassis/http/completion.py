"""Requests that may change state run to completion, even if the client disconnects or the server is stopping.

The gateway runs such calls in tasks of their own and says so by an ASGI extension; a service that is
called by somebody else (over HTTP, by another service) sees to it itself.
"""

import asyncio
from collections.abc import Callable, Coroutine
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

    async def run(
        self,
        work: Coroutine[Any, Any, None],
        *,
        begins_within_s: float | None = None,
        has_begun: Callable[[], bool] = lambda: False,
    ) -> None:
        """Raises what `work` raises. With `begins_within_s`: TimeoutError if it has not begun by then, while
        it goes on.

        A future and a timer of our own: asyncio.timeout() round asyncio.shield() costs a change 5 µs more.
        """
        loop = asyncio.get_running_loop()
        task = loop.create_task(work)
        self._under_way.add(task)
        ended: asyncio.Future[bool] = loop.create_future()
        task.add_done_callback(lambda _: self._ended(task, ended))
        late = None
        if begins_within_s is not None:
            late = loop.call_later(begins_within_s, _say_late, ended)
        try:
            if not await ended and not has_begun():
                raise TimeoutError
            await (task if task.done() else asyncio.shield(task))
        finally:
            if late is not None:
                late.cancel()

    async def drain(self) -> None:
        """Waits for what is under way, DRAIN_S at most: before what it uses is closed."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_S)

    def _ended(self, task: "asyncio.Task[None]", ended: "asyncio.Future[bool]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # seen, should the caller have gone before it came
        if not ended.done():
            ended.set_result(True)


def _say_late(ended: "asyncio.Future[bool]") -> None:
    if not ended.done():
        ended.set_result(False)
