"""Lanes for drawing tickets: kinds of drawings do not delay each other, and owners get fair turns.

Pages take ten times as long as QR codes, and a person at a door may be waiting for a code, so each kind has
its own lane. A lane draws one job after the other. Ticket owners take turns, and each may have only a few
jobs waiting; further requests are refused at once (503). Two requests for the same drawing share it.
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

    waiting_max: waiting jobs of all owners; each_max: of one owner.  kept_max: cached drawings; the least
    recently used is evicted first.
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
        self._queues: OrderedDict[UUID, deque[Job]] = OrderedDict()  # the next owner is first
        self._coming: dict[Job, asyncio.Future[bytes]] = {}
        self._kept: OrderedDict[Job, bytes] = OrderedDict()
        self._drawing: asyncio.Task[None] | None = None

    async def get(self, owner: UUID, job: Job) -> bytes:
        """Raises Overloaded if too many jobs wait, of this owner or of all."""
        kept = self._kept.get(job)
        if kept is not None:
            self._kept.move_to_end(job)
            return kept
        coming = self._coming.get(job) or self._line_up(owner, job)
        return await asyncio.shield(
            coming
        )  # a cancelled request does not cancel the drawing for others

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
    coming.exception()  # mark as retrieved: nobody may be waiting any more
