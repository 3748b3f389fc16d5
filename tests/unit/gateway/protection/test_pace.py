"""Those who are turned away come back spread over the time it takes to serve them."""

import asyncio
from contextlib import ExitStack

import pytest

from chassis.problems import Overloaded
from gateway.protection.admission import (
    DRAIN_KNOWN_S,
    LAG_HOLDS_S,
    LAG_MAX_S,
    LAG_PERSISTS_S,
    PAY,
    RETRY_AFTER_MAX_S,
    Admission,
    Drain,
    LoopLag,
    Pace,
)
from tests.support.clock import MonotonicClock


@pytest.fixture
def clock() -> MonotonicClock:
    return MonotonicClock()


def test_a_crowd_that_comes_at_once_is_spread_over_seconds(clock: MonotonicClock) -> None:
    pace = Pace(clock=clock)
    for _ in range(100):
        pace.served()
    waits = [pace.shed() for _ in range(600)]
    assert max(waits) == 6  # six hundred turned away, a hundred served a second
    assert min(waits) == 1
    assert len(set(waits)) == 6


def test_nobody_waits_longer_than_the_bound_even_when_nothing_is_served(
    clock: MonotonicClock,
) -> None:
    pace = Pace(clock=clock)
    assert {pace.shed() for _ in range(2000)} <= set(range(1, RETRY_AFTER_MAX_S + 1))


def test_an_old_crowd_is_forgotten(clock: MonotonicClock) -> None:
    pace = Pace(clock=clock)
    for _ in range(500):
        pace.shed()
    clock.now += 2.0
    pace.served()
    assert pace.shed() == 1


async def turn(lag: LoopLag, clock: MonotonicClock, busy_s: float) -> bool:
    """What is said now, by the questions before; the one put now waits behind so much work."""
    asyncio.get_running_loop().call_soon(clock.move_on, busy_s)
    said = lag.is_above(LAG_MAX_S)
    await asyncio.sleep(0)
    return said


async def test_a_process_that_stays_behind_knows_it_and_forgets_it(clock: MonotonicClock) -> None:
    lag = LoopLag(clock=clock)
    await turn(lag, clock, 2 * LAG_PERSISTS_S)
    assert not await turn(lag, clock, 0.0)  # one long piece of work is no overload
    said = [await turn(lag, clock, 1.5 * LAG_MAX_S) for _ in range(7)]
    assert said[:2] == [False, False]
    assert said[-1] is True
    await turn(lag, clock, 0.0)
    assert not await turn(lag, clock, 0.0)


async def test_what_was_seen_a_while_ago_says_nothing_of_now(clock: MonotonicClock) -> None:
    lag = LoopLag(clock=clock)
    for _ in range(6):
        await turn(lag, clock, 1.5 * LAG_MAX_S)
    await asyncio.sleep(0)
    clock.now += LAG_HOLDS_S * 1.5
    assert not lag.is_above(LAG_MAX_S)


class JustBehind(LoopLag):
    def is_above(self, most_s: float) -> bool:
        return most_s < LAG_MAX_S + 0.01


async def test_who_pays_is_refused_last_when_the_process_is_behind() -> None:
    admission = Admission(10, 10, lag=JustBehind())
    with pytest.raises(Overloaded) as refused:
        admission.refuse_when_behind("booking")
    assert int(refused.value.headers["Retry-After"]) >= 1
    admission.refuse_when_behind(PAY)


def test_no_more_may_wait_than_get_a_place_in_time(clock: MonotonicClock) -> None:
    drain = Drain(wait_s=0.1, clock=clock)
    assert drain.room(512) == 512  # nobody has had to wait yet
    drain.waited()
    for _ in range(30):
        drain.passed()
    clock.now += 0.05
    assert drain.room(512) == 512  # too soon to tell
    clock.now += 0.0501
    assert drain.room(512) == 30  # three hundred a second
    drain.waited()
    clock.now += 0.4
    assert drain.room(512) == 6  # thirty in half a second
    assert drain.room(512) == 6  # and what was counted is known while it is counted anew
    clock.now += DRAIN_KNOWN_S + 0.1
    assert drain.room(512) == 512


def test_nobody_waits_for_places_that_nobody_leaves(clock: MonotonicClock) -> None:
    drain = Drain(wait_s=0.1, clock=clock)
    drain.waited()
    clock.now += 0.2
    assert drain.room(512) == 0


def test_those_who_come_are_counted_before_anything_is_spent_on_them() -> None:
    admission = Admission(8, 2)  # five places for one service, and two may wait
    with ExitStack() as coming:
        for _ in range(7):
            coming.enter_context(admission.coming("booking"))
        with pytest.raises(Overloaded), admission.coming("booking"):
            pass
        with admission.coming("booking", takes_place=False), admission.coming(PAY):
            pass
    with admission.coming("booking"):
        pass


async def test_who_waits_for_a_service_that_stalls_keeps_nobody_from_another() -> None:
    leaving = True

    class Stalling(Drain):
        def room(self, most: int) -> int:
            return most if leaving else 0

    # seven places that are not payment's, five a service
    admission = Admission(8, 9, wait_s=60, drain=Stalling)
    for _ in range(5):
        await admission.enter("catalog")
    waiting = [asyncio.create_task(admission.enter("catalog")) for _ in range(4)]
    await asyncio.sleep(0)
    leaving = False
    with admission.coming("booking"):
        await admission.enter("booking")
    with pytest.raises(Overloaded), admission.coming("catalog"):
        pass
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
