"""Drawings of one kind, so that no other kind waits for them and nobody takes them from the others.

Pages to print take ten times as long as QR codes, and a code is what somebody at a door waits for: each
has a lane of its own. In a lane one is drawn after the other, owners of tickets in turn, few waiting of
each; whoever comes beyond that is told at once to come back (503). What is wanted twice is drawn once.
"""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar
from uuid import UUID

from chassis.problems import Overloaded, Unavailable

BUSY = "Too many tickets are being drawn; try again in a moment."

Job = TypeVar("Job", bound=Hashable)


class Lane(Generic[Job]):
    """`await lane.get(owner, job)` → what `draw(job)` returns. Close it after use.

    waiting_max: of all; each_max: of one owner.  kept_max: drawings remembered, the least recently
    asked for goes first.
    """

    def __init__(
        self,
        draw: Callable[[Job], Awaitable[bytes]],
        *,
        waiting_max: int,
        each_max: int,
        kept_max: int,
    ) -> None:
        self._draw = draw
        self._waiting_max, self._each_max, self._kept_max = waiting_max, each_max, kept_max
        self._waiting = 0
        self._queues: OrderedDict[UUID, deque[Job]] = OrderedDict()  # whose turn it is comes first
        self._coming: dict[Job, asyncio.Future[bytes]] = {}
        self._kept: OrderedDict[Job, bytes] = OrderedDict()
        self._drawing: asyncio.Task[None] | None = None

    async def get(self, owner: UUID, job: Job) -> bytes:
        """Raises Overloaded when too many wait, of this owner or of all."""
        kept = self._kept.get(job)
        if kept is not None:
            self._kept.move_to_end(job)
            return kept
        coming = self._coming.get(job) or self._line_up(owner, job)
        return await asyncio.shield(coming)  # who goes away takes it from nobody else

    async def close(self) -> None:
        if self._drawing is not None:
            self._drawing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._drawing
        for coming in self._coming.values():
            _end(coming, Unavailable())
        self._coming.clear()

    def _line_up(self, owner: UUID, job: Job) -> "asyncio.Future[bytes]":
        queue = self._queues.get(owner)
        if self._waiting >= self._waiting_max or (queue and len(queue) >= self._each_max):
            raise Overloaded(BUSY)
        if queue is None:
            queue = self._queues[owner] = deque()
        queue.append(job)
        self._waiting += 1
        coming = self._coming[job] = asyncio.get_running_loop().create_future()
        if self._drawing is None:
            self._drawing = asyncio.create_task(self._draw_all())
        return coming

    async def _draw_all(self) -> None:
        try:
            while self._queues:
                await self._draw_one(self._next())
        finally:
            self._drawing = None

    def _next(self) -> Job:
        owner, queue = next(iter(self._queues.items()))
        job = queue.popleft()
        self._waiting -= 1
        if queue:
            self._queues.move_to_end(owner)
        else:
            del self._queues[owner]
        return job

    async def _draw_one(self, job: Job) -> None:
        try:
            drawn = await self._draw(job)
        except Exception as failure:
            _end(self._coming.pop(job), failure)
            return
        self._kept[job] = drawn
        if len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
        self._coming.pop(job).set_result(drawn)


def _end(coming: "asyncio.Future[bytes]", failure: Exception) -> None:
    coming.set_exception(failure)
    coming.exception()  # whoever wanted it may have gone
