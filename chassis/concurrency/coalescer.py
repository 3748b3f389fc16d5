"""Gathers concurrent calls of one kind into one round trip.

This adds no wait: while one batch is under way, the next one gathers; a call that finds nothing under way
leaves at once. Batch and queue are bounded, and each item has its own outcome.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context
from typing import Any, Generic, NamedTuple, TypeVar

from chassis.context import CURRENT, NO_ID, RequestContext, current
from chassis.observability.hot import HotHistogram
from chassis.problems import Overloaded, Unavailable
from chassis.spans import INTERNAL, LINKS_MAX, SWITCH, Part

BATCH_ITEMS = HotHistogram(
    "stampede_coalescer_batch_items",
    "Calls that travelled together in one round trip.",
    ["coalescer"],
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
WAITED = HotHistogram(
    "stampede_coalescer_wait_seconds",
    "How long the first call of a batch had waited for it to leave.",
    ["coalescer"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
TRAVELLED = HotHistogram(
    "stampede_coalescer_batch_seconds",
    "How long a batch was under way.",
    ["coalescer"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)

# includes Unavailable (an Overloaded) and TimeoutError (an OSError)
NOBODYS_FAULT = (Overloaded, OSError)

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

RunBatch = Callable[[Sequence[Item]], Awaitable[Sequence[Outcome | BaseException]]]


class Coalescer(Generic[Item, Outcome]):
    """`await coalescer.call(item)` returns or raises the outcome of `run_batch` for this item.

    run_batch: takes items, returns as many outcomes in the same order. An exception among them is raised to
        that item's caller only. If run_batch itself raises for a batch of several items, they are tried one
        by one, so a bad item never fails its neighbours. So run_batch must be atomic: if it raises, it has
        changed nothing. NOBODYS_FAULT is different: a batch whose connection was lost may have taken effect,
        and trying each item would only prolong the outage. Then every caller gets Unavailable or Overloaded.
    batch_max: items per round trip.  queue_max: waiting items; beyond it callers get Overloaded.
    concurrency: round trips under way at once.  name: in metrics; a constant of the code.
    stage: what the caller's request spends its wait on (RequestContext.spend); None: counted elsewhere.
    shared_fate: what is NOBODYS_FAULT is told to those who still wait as well: theirs goes to the same
        server, and each further batch would wait for it as long as this one did.

    If a caller is cancelled while its item waits, the item is removed. Later the item stays in the batch:
    its effect may still happen, and its outcome is dropped. Callers that cancel must tolerate this (holds
    expire, inserts are idempotent).
    """

    def __init__(
        self,
        run_batch: RunBatch[Item, Outcome],
        *,
        batch_max: int,
        queue_max: int,
        concurrency: int = 1,
        name: str = "unnamed",
        stage: str | None = "postgres",
        shared_fate: bool = False,
    ) -> None:
        self._count_items = BATCH_ITEMS.labels(name).observe
        self._count_wait = WAITED.labels(name).observe
        self._count_travel = TRAVELLED.labels(name).observe
        self._run_batch = run_batch
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._free = concurrency
        self._stage = stage
        self._name = name
        self._shared_fate = shared_fate
        # With `SWITCH.on` also the part of the trace that waits, and since when.
        self._queue: deque[tuple[Item, asyncio.Future[Outcome], float, _Waiter | None]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._scheduled = False

    async def call(self, item: Item) -> Outcome:
        if self._stage is None:
            return await self.submit(item)
        began_s = time.perf_counter()
        try:
            return await self.submit(item)
        finally:
            current().spend(self._stage, began_s)

    def submit(self, item: Item) -> "asyncio.Future[Outcome]":
        """Like `call`, but does not wait: for callers with several items for one round trip."""
        if len(self._queue) >= self._queue_max:
            raise Overloaded()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        waiter = _waiter() if SWITCH.on else None
        self._queue.append((item, future, loop.time(), waiter))
        if self._free and not self._scheduled:
            # leaves after this turn of the loop, with all calls of this turn
            self._scheduled = True
            loop.call_soon(self._depart)
        return future

    async def drain(self) -> None:
        """Returns when nothing waits or is under way. Call it before closing what the batches use."""
        while self._tasks or self._scheduled:
            await (asyncio.wait(self._tasks) if self._tasks else asyncio.sleep(0))

    def _depart(self) -> None:
        self._scheduled = False
        while self._free:
            waiters: list[_Waiter] = []
            batch = self._next_batch(waiters)
            if not batch:
                return
            self._free -= 1
            self._count_items(len(batch))
            # In a context of its own: a batch belongs to no single caller's request.
            context = Context()
            work = self._timed(batch)
            if waiters:
                work = context.run(self._traced, work, waiters, len(batch))
            task = asyncio.get_running_loop().create_task(work, context=context)
            self._tasks.add(task)
            task.add_done_callback(self._arrived)

    def _next_batch(self, waiters: "list[_Waiter]") -> list[tuple[Item, "asyncio.Future[Outcome]"]]:
        """The longest waiting items, without those whose callers have gone. `waiters`: gets those of them
        that are traced."""
        batch: list[tuple[Item, asyncio.Future[Outcome]]] = []
        while self._queue and len(batch) < self._batch_max:
            item, future, came_at, waiter = self._queue.popleft()
            if not future.done():
                if not batch:
                    self._count_wait(asyncio.get_running_loop().time() - came_at)
                batch.append((item, future))
                if waiter is not None:
                    waiters.append(waiter)
        return batch

    def _traced(
        self, work: Coroutine[Any, Any, None], waiters: "list[_Waiter]", items: int
    ) -> Coroutine[Any, Any, None]:
        """A batch is a span of one of its requests, the first that is sampled: what it asks others is below
        that. The other requests have a span of their own, with a link to it, and it has links to them."""
        lead = next((one for one in waiters if one.part.trace.sampled), waiters[0])
        span = Part(lead.part.trace, lead.part.service, lead.part.span_id)
        context = RequestContext(NO_ID, "0")
        context.trace = span
        CURRENT.set(context)
        return self._travel_traced(work, waiters, lead, span, items)

    async def _travel_traced(
        self,
        work: Coroutine[Any, Any, None],
        waiters: "list[_Waiter]",
        lead: "_Waiter",
        span: Part,
        items: int,
    ) -> None:
        left_s = time.perf_counter()
        try:
            await work
        finally:
            sampled = [one.part.link for one in waiters if one.part.trace.sampled]
            others = [link for link in sampled if link[0] != lead.part.trace.trace_id]
            back = (span.link,) if span.trace.sampled else ()
            for one in waiters:
                attributes = {
                    "stampede.batch.items": items,
                    "stampede.batch.waited_s": round(left_s - one.since_s, 6),
                }
                one.part.add(
                    f"batch {self._name}",
                    INTERNAL,
                    one.since_s,
                    attributes,
                    span_id=span.span_id if one is lead else 0,
                    links=others[:LINKS_MAX] if one is lead else back,
                )

    def _arrived(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._free += 1
        if self._queue and not task.cancelled():
            self._depart()

    async def _timed(self, batch: list[tuple[Item, "asyncio.Future[Outcome]"]]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await self._travel(batch)
        finally:
            self._count_travel(loop.time() - began)

    async def _travel(self, batch: list[tuple[Item, "asyncio.Future[Outcome]"]]) -> None:
        try:
            outcomes = await self._run_batch([item for item, _ in batch])
        except Exception as failure:
            if isinstance(failure, NOBODYS_FAULT) and self._shared_fate:
                batch += [(item, future) for item, future, _, _ in self._queue]
                self._queue.clear()
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


class _Waiter(NamedTuple):
    part: Part
    since_s: float


def _waiter() -> _Waiter | None:
    part = current().trace
    return _Waiter(part, time.perf_counter()) if part is not None else None


def _told(failure: Exception) -> Overloaded:
    """A copy for each caller: one exception object must be raised to one caller only."""
    if isinstance(failure, Overloaded):
        return type(failure)(failure.detail)
    told = Unavailable()
    told.__cause__ = failure
    return told


def _settle_all(
    futures: Sequence["asyncio.Future[Outcome]"], outcomes: Sequence[Outcome | BaseException]
) -> None:
    """Does not retry if the numbers differ: the batch has taken effect."""
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
        future.exception()  # a caller cancelled in this turn will not read it; that is no leak
    else:
        future.set_result(outcome)
