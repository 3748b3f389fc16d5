"""Requests that may change state run to completion, even if the client disconnects or the server is stopping.

Granian never cancels a request's task, so a request that the gateway hands straight to a service of its
process (chassis.seam.direct) only has to be waited for at the end: `began` and `ended`. What our own
deadlines could cancel runs in a task of its own: the gateway says so by an ASGI extension, and a service that
is called by somebody else (over HTTP, by another service) sees to it itself.
"""

import asyncio
import contextlib
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
        self._uncancelled = 0
        self._idle: asyncio.Event | None = None

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
        task.add_done_callback(lambda _: self._task_ended(task, ended))
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

    def began(self) -> None:
        """A request runs in a task that nobody cancels: the server's own. Call `ended` after it."""
        self._uncancelled += 1

    def ended(self) -> None:
        self._uncancelled -= 1
        if self._idle is not None and not self._uncancelled:
            self._idle.set()

    async def drain(self) -> None:
        """Waits for what is under way, DRAIN_S at most: before what it uses is closed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                if self._under_way:
                    await asyncio.wait(self._under_way)
                if self._uncancelled:
                    self._idle = asyncio.Event()
                    await self._idle.wait()

    def _task_ended(self, task: "asyncio.Task[None]", ended: "asyncio.Future[bool]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # seen, should the caller have gone before it came
        if not ended.done():
            ended.set_result(True)


def _say_late(ended: "asyncio.Future[bool]") -> None:
    if not ended.done():
        ended.set_result(False)
