"""Deadlines of one length: each comes in its time, and none that was dropped."""

import asyncio

import pytest

from chassis.concurrency.deadlines import Deadlines

WAIT_S = 10.0  # for what comes at once


class Watched:
    def __init__(self) -> None:
        self.came = asyncio.Event()

    def late(self) -> None:
        self.came.set()


async def test_each_is_late_in_its_order_and_what_was_dropped_never() -> None:
    deadlines = Deadlines(0.01)
    first, dropped, second = Watched(), Watched(), Watched()
    for one in (first, dropped, second):
        deadlines.add(one)
    deadlines.drop(dropped)
    async with asyncio.timeout(WAIT_S):
        await second.came.wait()
    assert first.came.is_set()
    assert not dropped.came.is_set()


async def test_one_that_comes_after_an_older_one_was_dropped_is_late_too() -> None:
    """The timer that rings for the older one is set again."""
    deadlines = Deadlines(0.2)
    older, later = Watched(), Watched()
    deadlines.add(older)
    await asyncio.sleep(0.01)
    deadlines.add(later)
    deadlines.drop(older)
    async with asyncio.timeout(WAIT_S):
        await later.came.wait()
    assert not older.came.is_set()


async def test_a_block_that_takes_longer_is_cut() -> None:
    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(TimeoutError), Deadlines(0.01).within():
        await asyncio.Event().wait()
    assert task.cancelling() == 0


async def test_a_block_whose_limit_was_lifted_may_take_longer() -> None:
    deadlines, another = Deadlines(0.01), Watched()
    with deadlines.within() as limit:
        deadlines.add(another)
        limit.lift()
        async with asyncio.timeout(WAIT_S):
            await another.came.wait()


async def test_a_cancellation_from_outside_stays_one() -> None:
    begun = asyncio.Event()

    async def wait() -> None:
        with Deadlines(60).within():
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(wait())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
