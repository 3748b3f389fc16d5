"""A request that may change something goes on, whoever has stopped waiting for it."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import pytest

from chassis.http.completion import RequestCompletion

WAIT_S = 10.0  # for what comes at once


class Work:
    """Begins, and ends when it is let; `done` tells."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.done = False

    async def __call__(self) -> None:
        self.begun.set()
        await self.go_on.wait()
        self.done = True


async def test_work_goes_on_when_its_caller_is_cancelled_and_draining_waits_for_it() -> None:
    completion, work = RequestCompletion(), Work()
    caller = asyncio.ensure_future(completion.run(work()))
    await work.begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    draining = asyncio.ensure_future(completion.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    work.go_on.set()
    await draining
    assert work.done


async def test_work_that_does_not_begin_in_time_is_given_up_and_goes_on() -> None:
    completion, work = RequestCompletion(), Work()
    await give_up(completion, work())
    work.go_on.set()
    await completion.drain()
    assert work.done


@pytest.mark.parametrize("goes", [False, True], ids=["client-waits", "client-goes"])
async def test_an_answer_that_has_begun_may_take_its_time(goes: bool) -> None:
    completion, work = RequestCompletion(), Work()
    asked = asyncio.Event()

    def has_begun() -> bool:
        asked.set()
        return True

    run = completion.run(work(), begins_within_s=0.0, has_begun=has_begun)
    caller = asyncio.ensure_future(run)
    await asyncio.wait_for(asked.wait(), WAIT_S)
    if goes:
        caller.cancel()
    work.go_on.set()
    await asyncio.gather(caller, return_exceptions=True)
    await completion.drain()
    assert (work.done, caller.cancelled()) == (True, goes)


async def test_what_the_work_raises_comes_to_its_caller() -> None:
    async def fails() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        await RequestCompletion().run(fails(), begins_within_s=1.0)


async def test_the_failure_of_work_that_nobody_waits_for_is_no_leak() -> None:
    completion, work = RequestCompletion(), Work()
    leaks: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, leak: leaks.append(leak))

    async def fails() -> None:
        await work()
        raise LookupError

    await give_up(completion, fails())
    work.go_on.set()
    await completion.drain()
    gc.collect()
    assert leaks == []


async def give_up(completion: RequestCompletion, work: Coroutine[Any, Any, None]) -> None:
    caller = asyncio.ensure_future(completion.run(work, begins_within_s=0.0))
    await asyncio.wait({caller}, timeout=WAIT_S)
    assert caller.done(), "it waits for ever"
    assert isinstance(caller.exception(), TimeoutError)
