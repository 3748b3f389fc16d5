"""The coalescer: what a batch is, who gets which outcome, what cancellation and failure leave."""

import asyncio
from collections.abc import Sequence

import pytest

from chassis.concurrency.coalescer import Coalescer
from chassis.context import CURRENT, RequestContext, current
from chassis.problems import Overloaded, Unavailable


class Line:
    """A run_batch that records its batches and waits for `go` when told to."""

    def __init__(self, *, waits: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.under_way = 0
        self.under_way_max = 0
        if not waits:
            self.go.set()

    async def run(self, items: Sequence[int]) -> list[int | BaseException]:
        self.batches.append(list(items))
        self.under_way += 1
        self.under_way_max = max(self.under_way, self.under_way_max)
        self.begun.set()
        try:
            await self.go.wait()
        finally:
            self.under_way -= 1
        return [ValueError(f"bad {item}") if item < 0 else item * 10 for item in items]


def calls(coalescer: Coalescer[int, int], items: Sequence[int]) -> list["asyncio.Task[int]"]:
    return [asyncio.create_task(coalescer.call(item)) for item in items]


async def test_calls_of_one_turn_travel_together_and_each_gets_its_own_outcome() -> None:
    line = Line()
    coalescer: Coalescer[int, int] = Coalescer(line.run, batch_max=10, queue_max=10)
    answers = await asyncio.gather(*calls(coalescer, [1, 2, -3, 4]), return_exceptions=True)
    assert line.batches == [[1, 2, -3, 4]]
    assert [answers[0], answers[1], answers[3]] == [10, 20, 40]
    assert isinstance(answers[2], ValueError)


async def test_what_arrives_while_a_batch_is_under_way_is_the_next_batch() -> None:
    line = Line(waits=True)
    coalescer: Coalescer[int, int] = Coalescer(line.run, batch_max=10, queue_max=10)
    first = calls(coalescer, [1])
    await line.begun.wait()
    rest = calls(coalescer, [2, 3, 4])
    await asyncio.sleep(0)
    line.go.set()
    assert await asyncio.gather(*first, *rest) == [10, 20, 30, 40]
    assert line.batches == [[1], [2, 3, 4]]


async def test_batches_are_bounded_and_so_are_those_under_way() -> None:
    line = Line(waits=True)
    coalescer: Coalescer[int, int] = Coalescer(line.run, batch_max=3, queue_max=100, concurrency=2)
    tasks = calls(coalescer, range(20))
    await line.begun.wait()
    line.go.set()
    assert await asyncio.gather(*tasks) == [n * 10 for n in range(20)]
    assert max(map(len, line.batches)) == 3
    assert line.under_way_max == 2


async def test_a_full_queue_refuses_at_once() -> None:
    line = Line(waits=True)
    coalescer: Coalescer[int, int] = Coalescer(line.run, batch_max=1, queue_max=2)
    first = calls(coalescer, [1])
    await line.begun.wait()
    waiting = calls(coalescer, [2, 3])
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await coalescer.call(4)
    line.go.set()
    assert await asyncio.gather(*first, *waiting) == [10, 20, 30]


async def test_a_caller_who_gave_up_while_waiting_takes_the_item_along() -> None:
    line = Line(waits=True)
    coalescer: Coalescer[int, int] = Coalescer(line.run, batch_max=10, queue_max=10)
    first = calls(coalescer, [1])
    await line.begun.wait()
    waiting = calls(coalescer, [2, 3])
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    line.go.set()
    assert await asyncio.gather(first[0], waiting[1]) == [10, 30]
    assert line.batches == [[1], [3]]


async def test_a_caller_who_gives_up_under_way_disturbs_nobody() -> None:
    line = Line(waits=True)
    coalescer: Coalescer[int, int] = Coalescer(line.run, batch_max=10, queue_max=10)
    tasks = calls(coalescer, [1, 2, -3, 4])
    await line.begun.wait()
    tasks[1].cancel()
    tasks[2].cancel()
    line.go.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [answers[0], answers[3]] == [10, 40]
    assert isinstance(answers[1], asyncio.CancelledError)
    assert await coalescer.call(5) == 50


async def test_a_failed_batch_is_tried_one_by_one_and_only_the_bad_one_fails() -> None:
    seen: list[list[int]] = []

    async def refuse_thirteen(items: Sequence[int]) -> list[int | BaseException]:
        seen.append(list(items))
        if 13 in items:
            raise RuntimeError("thirteen")
        return list(items)

    coalescer: Coalescer[int, int] = Coalescer(refuse_thirteen, batch_max=10, queue_max=10)
    answers = await asyncio.gather(*calls(coalescer, [11, 12, 13, 14]), return_exceptions=True)
    assert [answers[0], answers[1], answers[3]] == [11, 12, 14]
    assert isinstance(answers[2], RuntimeError)
    assert seen == [[11, 12, 13, 14], [11], [12], [13], [14]]


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (Unavailable("The database does not answer."), Unavailable),
        (Overloaded("Too busy."), Overloaded),
        (TimeoutError(), Unavailable),
        (ConnectionResetError(), Unavailable),
    ],
)
async def test_a_batch_of_unknown_outcome_is_not_tried_again(
    failure: Exception, told: type[Exception]
) -> None:
    """It may have had its effect; and what ails all of them would ail each."""
    seen: list[list[int]] = []

    async def lose(items: Sequence[int]) -> list[int | BaseException]:
        seen.append(list(items))
        raise failure

    coalescer: Coalescer[int, int] = Coalescer(lose, batch_max=10, queue_max=10)
    answers = await asyncio.gather(*calls(coalescer, [1, 2, 3]), return_exceptions=True)
    assert [type(one) for one in answers] == [told] * 3
    assert len({id(one) for one in answers}) == 3, "an exception belongs to one caller"
    assert seen == [[1, 2, 3]]


@pytest.mark.parametrize("shared_fate", [True, False])
async def test_whoever_waits_is_told_with_the_batch_only_where_they_share_its_fate(
    shared_fate: bool,
) -> None:
    line = Line(waits=True)

    async def lose_the_first(items: Sequence[int]) -> list[int | BaseException]:
        outcomes = await line.run(items)
        if line.batches[1:]:
            return outcomes
        raise Unavailable("Redis does not answer.")

    coalescer: Coalescer[int, int] = Coalescer(
        lose_the_first, batch_max=2, queue_max=10, shared_fate=shared_fate
    )
    first = calls(coalescer, [1])
    await line.begun.wait()
    waiting = calls(coalescer, [2, 3, 4])
    await asyncio.sleep(0)
    line.go.set()
    answers = await asyncio.gather(*first, *waiting, return_exceptions=True)
    told = len(answers) if shared_fate else 1
    assert [type(one) for one in answers[:told]] == [Unavailable] * told
    assert answers[told:] == [20, 30, 40][told - 1 :]
    assert len({id(one) for one in answers}) == 4
    assert await coalescer.call(5) == 50


async def test_a_wrong_number_of_outcomes_fails_all_and_repeats_nothing() -> None:
    seen: list[list[int]] = []

    async def forget_one(items: Sequence[int]) -> list[int | BaseException]:
        seen.append(list(items))
        return list(items)[1:]

    coalescer: Coalescer[int, int] = Coalescer(forget_one, batch_max=10, queue_max=10)
    answers = await asyncio.gather(*calls(coalescer, [1, 2]), return_exceptions=True)
    assert all(isinstance(one, ValueError) for one in answers)
    assert seen == [[1, 2]]


async def test_a_batch_belongs_to_no_request() -> None:
    async def say_whose(items: Sequence[int]) -> list[str | BaseException]:
        return [current().request_id for _ in items]

    coalescer: Coalescer[int, str] = Coalescer(say_whose, batch_max=10, queue_max=10)
    token = CURRENT.set(RequestContext("somebody"))
    try:
        assert await coalescer.call(1) == "-"
    finally:
        CURRENT.reset(token)
