"""Gathers concurrent calls of one kind into one round trip.

No wait is added: while one batch is under way the next one gathers, and a call that finds nothing
under way leaves at once. Bounded batch, bounded queue, an outcome for each item of its own.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from typing import Generic, TypeVar

from chassis.problems import Overloaded, Unavailable

NOBODYS_FAULT = (Overloaded, OSError)  # Unavailable is an Overloaded, TimeoutError an OSError

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

RunBatch = Callable[[Sequence[Item]], Awaitable[Sequence[Outcome | BaseException]]]


class Coalescer(Generic[Item, Outcome]):
    """`await coalescer.call(item)` returns, or raises, what `run_batch` says for that item.

    run_batch: takes items, returns as many outcomes in the same order; an exception instance is
        raised to that item's caller alone. When run_batch itself raises for a batch of more than
        one, its members are tried one by one, so one bad item never fails its neighbours: it must
        be atomic, leaving nothing behind when it raises. Not so when it raises NOBODYS_FAULT: a batch
        whose connection was lost may have had its effect, and trying each would only prolong what
        ails them all. Then every caller gets Unavailable, or Overloaded.
    batch_max: items a round trip.  queue_max: items waiting; beyond it callers get Overloaded.
    concurrency: round trips under way at once.

    A caller cancelled while its item waits takes the item along. Cancelled later, it leaves the item
    in the batch: its effect may still happen and its outcome is dropped. Whoever cancels must be able
    to live with that (holds expire, inserts are idempotent).
    """

    def __init__(
        self,
        run_batch: RunBatch[Item, Outcome],
        *,
        batch_max: int,
        queue_max: int,
        concurrency: int = 1,
    ) -> None:
        self._run_batch = run_batch
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._free = concurrency
        self._queue: deque[tuple[Item, asyncio.Future[Outcome]]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled = False

    async def call(self, item: Item) -> Outcome:
        return await self.submit(item)

    def submit(self, item: Item) -> "asyncio.Future[Outcome]":
        """As `call`, without waiting yet: for callers with several items for one round trip."""
        if len(self._queue) >= self._queue_max:
            raise Overloaded()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        self._queue.append((item, future))
        if self._free and not self._scheduled:
            self._scheduled = True  # leave after this turn of the loop, with all who came in it
            loop.call_soon(self._depart)
        return future

    async def drain(self) -> None:
        """Returns when nothing is under way or waits: before what the batches use is closed."""
        while self._tasks or self._scheduled:
            await (asyncio.wait(self._tasks) if self._tasks else asyncio.sleep(0))

    def _depart(self) -> None:
        self._scheduled = False
        while self._free:
            batch = self._next_batch()
            if not batch:
                return
            self._free -= 1
            # a context of its own: a batch belongs to no single caller's request
            task = asyncio.get_running_loop().create_task(self._travel(batch), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._arrived)

    def _next_batch(self) -> list[tuple[Item, "asyncio.Future[Outcome]"]]:
        """The longest waiting, without those whose callers have gone."""
        batch: list[tuple[Item, asyncio.Future[Outcome]]] = []
        while self._queue and len(batch) < self._batch_max:
            member = self._queue.popleft()
            if not member[1].done():
                batch.append(member)
        return batch

    def _arrived(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._free += 1
        if self._queue and not task.cancelled():
            self._depart()

    async def _travel(self, batch: list[tuple[Item, "asyncio.Future[Outcome]"]]) -> None:
        try:
            outcomes = await self._run_batch([item for item, _ in batch])
        except Exception as failure:
            if len(batch) == 1:
                _settle(batch[0][1], failure)
                return
            if isinstance(failure, NOBODYS_FAULT):
                _settle_all([future for _, future in batch], [_told(failure) for _ in batch])
                return
            for member in batch:
                if not member[1].done():
                    await self._travel([member])
        except BaseException:
            for _, future in batch:
                future.cancel()
            raise
        else:
            _settle_all([future for _, future in batch], outcomes)


def _told(failure: Exception) -> Overloaded:
    """For one of several callers: an exception is raised to one of them only."""
    if isinstance(failure, Overloaded):
        return type(failure)(failure.detail)
    told = Unavailable()
    told.__cause__ = failure
    return told


def _settle_all(
    futures: Sequence["asyncio.Future[Outcome]"], outcomes: Sequence[Outcome | BaseException]
) -> None:
    """Never retried when the numbers differ: the batch has had its effect."""
    if len(futures) != len(outcomes):
        for future in futures:
            _settle(future, ValueError(f"{len(futures)} items, {len(outcomes)} outcomes"))
        return
    for future, outcome in zip(futures, outcomes, strict=True):
        _settle(future, outcome)


def _settle(future: "asyncio.Future[Outcome]", outcome: Outcome | BaseException) -> None:
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
        future.exception()  # a caller cancelled in this very turn will not look; that is no leak
    else:
        future.set_result(outcome)
