"""Whether this process can serve, and whether what it needs answers."""

import asyncio

import pytest

from chassis.draining import Drain
from chassis.http.readiness import Readiness
from chassis.problems import Draining, Problem, Unavailable


async def up_but_redis() -> dict[str, bool]:
    return {"postgresql": True, "redis": False, "nats": False}


async def test_what_everybody_shares_is_told_and_takes_nobody_out() -> None:
    readiness = Readiness("booking", up_but_redis, Drain())
    shallow = await readiness.answer(b"")
    assert shallow["status"] == "ready"
    assert shallow["dependencies"] == await up_but_redis()
    for query in (b"deep", b"deep=1", b"x=1&deep=true"):
        with pytest.raises(Unavailable) as refused:
            await readiness.answer(query)
        assert refused.value.extra["dependencies"] == await up_but_redis()
    assert (await readiness.answer(b"deep=0"))["status"] == "ready"


async def test_nats_is_told_and_needed_by_neither() -> None:
    async def up_but_nats() -> dict[str, bool]:
        return {"postgresql": True, "nats": False}

    readiness = Readiness("booking", up_but_nats, Drain())
    for query in (b"", b"deep"):
        assert (await readiness.answer(query))["dependencies"] == await up_but_nats()


async def test_a_dependency_that_hangs_keeps_no_balancer_waiting() -> None:
    answers = asyncio.Event()

    async def look() -> dict[str, bool]:
        if not answers.is_set():
            await answers.wait()
        return {"postgresql": True}

    readiness = Readiness("catalog", look, Drain())
    answers.set()
    assert (await readiness.answer(b""))["dependencies"] == {"postgresql": True}
    answers.clear()
    assert (await readiness.answer(b""))["dependencies"] == {"postgresql": False}
    deep = asyncio.create_task(readiness.answer(b"deep"))
    answers.set()
    assert (await deep)["dependencies"] == {"postgresql": True}


async def test_a_process_whose_own_pool_is_closed_cannot_serve() -> None:
    readiness = Readiness("booking", up_but_redis, Drain(), is_open=lambda: False)
    with pytest.raises(Problem) as refused:
        await readiness.answer(b"")
    assert refused.value.code == "unavailable"


async def test_a_process_that_drains_is_ready_for_nothing() -> None:
    drain = Drain()
    readiness = Readiness("booking", up_but_redis, drain)
    waiting = asyncio.create_task(drain.begins())
    await asyncio.sleep(0)
    drain.begin()
    await waiting
    await drain.begins()
    for query in (b"", b"deep"):
        with pytest.raises(Draining):
            await readiness.answer(query)
