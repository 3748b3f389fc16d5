"""Rounds in the background go on whatever happens in one of them, and end when they are told."""

import asyncio
from typing import Any

import pytest

from chassis.concurrency.backoff import Backoff
from chassis.concurrency.rounds import Every, repeat
from tests.support.clock import MonotonicClock

RETRY = Backoff(first_s=1.0, most_s=4.0)


class Loop:
    """Rounds with these results, of which failures are raised; what it waited and was told of."""

    def __init__(self, *results: int | Exception) -> None:
        self.results = list(results)
        self.waits: list[float] = []
        self.told: list[tuple[str, int]] = []
        self._stop = asyncio.Event()

    async def run(self, **changes: Any) -> None:
        what: dict[str, Any] = {
            "interval_s": 0.5,
            "retry": RETRY,
            "failed": self._failed,
            "wait": self._pause,
        }
        await repeat(self._round, self._stop, **what | changes)

    async def _round(self) -> int:
        result = self.results.pop(0)
        if not self.results:
            self._stop.set()
        if isinstance(result, Exception):
            raise result
        return result

    def _failed(self, failure: Exception, failures: int) -> None:
        self.told.append((str(failure), failures))

    async def _pause(self, _stop: asyncio.Event, delay_s: float) -> None:
        self.waits.append(delay_s)


async def test_a_failed_round_ends_nothing_and_is_told_with_how_many_before_it() -> None:
    loop = Loop(OSError("a"), OSError("b"), 0, KeyError("c"), 0)
    await loop.run()
    assert loop.results == []
    assert loop.told == [("a", 1), ("b", 2), ("'c'", 1)]


async def test_failures_in_a_row_are_tried_again_later_each_time() -> None:
    loop = Loop(0, *[OSError()] * 4, 0)
    await loop.run()
    first, *failed, last = loop.waits
    assert (first, last) == (0.5, 0.5)
    for waited, at_most in zip(failed, (1.0, 2.0, 4.0, 4.0), strict=True):
        assert at_most / 2 <= waited <= at_most


async def test_a_round_may_say_when_the_next_one_is() -> None:
    loop = Loop(3, OSError(), 7)
    await loop.run(interval_s=lambda result: result * 10.0, retry=2.0)
    assert loop.waits == [30.0, 2.0, 70.0]


async def test_a_failure_that_is_not_expected_ends_the_rounds() -> None:
    loop = Loop(OSError(), ZeroDivisionError(), 0)
    with pytest.raises(ZeroDivisionError):
        await loop.run(expected=(OSError,))
    assert (loop.results, loop.told) == ([0], [("", 1)])


@pytest.mark.parametrize("with_stop", [True, False], ids=["stopped", "cancelled"])
async def test_the_wait_between_two_rounds_is_cut_short(with_stop: bool) -> None:
    stop, began = asyncio.Event(), asyncio.Event()

    async def one_round() -> None:
        began.set()

    running = asyncio.ensure_future(
        repeat(
            one_round,
            stop if with_stop else None,
            interval_s=3600.0,
            retry=3600.0,
            failed=lambda *_: None,
        )
    )
    async with asyncio.timeout(10):
        await began.wait()
        if with_stop:
            stop.set()
        else:
            running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert running.cancelled() is not with_stop


def test_what_is_done_now_and_then_is_due_once_in_its_interval() -> None:
    clock = MonotonicClock()
    at_once, later = Every(60.0, clock=clock), Every(60.0, at_once=False, clock=clock)
    assert [at_once.is_due(), at_once.is_due(), later.is_due()] == [True, False, False]
    clock.now += 61
    assert [at_once.is_due(), at_once.is_due(), later.is_due()] == [True, False, True]
