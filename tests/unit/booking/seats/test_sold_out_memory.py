"""What a process remembers of areas that are sold out."""

from uuid import uuid4

import pytest

from booking.seats.sold_out import ASK_INTERVAL_S, SETTLED_S, SoldOutMemory
from tests.support.clock import MonotonicClock

HERE, THERE = ((1, 49),), ((50, 99),)
SESSION = uuid4()


@pytest.fixture
def clock() -> MonotonicClock:
    return MonotonicClock()


@pytest.fixture
def settled(clock: MonotonicClock) -> SoldOutMemory:
    """An area of which two seats are not to be had, for long enough, and just asked about."""
    memory = SoldOutMemory(clock=clock)
    memory.remember(SESSION, HERE, 2)
    clock.now += SETTLED_S
    memory.remember(SESSION, HERE, 2)
    return memory


def test_nothing_is_believed_before_it_has_settled(clock: MonotonicClock) -> None:
    memory = SoldOutMemory(clock=clock)
    memory.remember(SESSION, HERE, 2)
    assert not memory.says(SESSION, HERE, 2)
    clock.now += SETTLED_S - 0.01
    memory.remember(SESSION, HERE, 2)  # that it was just asked about does not settle it
    assert not memory.says(SESSION, HERE, 2)
    clock.now += 0.01
    assert memory.says(SESSION, HERE, 2)


def test_as_many_or_more_are_known_to_be_gone_and_fewer_are_not(settled: SoldOutMemory) -> None:
    assert settled.says(SESSION, HERE, 2)
    assert settled.says(SESSION, HERE, 5)
    assert not settled.says(SESSION, HERE, 1)
    assert not settled.says(SESSION, THERE, 2)
    assert not settled.says(uuid4(), HERE, 2)


def test_one_is_sent_to_look_now_and_then_and_the_others_are_not(
    settled: SoldOutMemory, clock: MonotonicClock
) -> None:
    clock.now += ASK_INTERVAL_S
    assert [settled.says(SESSION, HERE, 2) for _ in range(3)] == [False, True, True]
    clock.now += ASK_INTERVAL_S
    assert not settled.says(SESSION, HERE, 2)


def test_a_seat_freed_here_is_known_at_once(settled: SoldOutMemory) -> None:
    settled.forget(SESSION)
    assert not settled.says(SESSION, HERE, 2)


def test_a_hold_in_the_area_ends_what_was_known_of_it_alone(
    settled: SoldOutMemory, clock: MonotonicClock
) -> None:
    settled.remember(SESSION, THERE, 1)
    settled.forget(SESSION, HERE)
    assert not settled.says(SESSION, HERE, 2)
    clock.now += SETTLED_S
    settled.remember(SESSION, THERE, 1)
    assert settled.says(SESSION, THERE, 1)


def test_only_so_many_areas_are_remembered(clock: MonotonicClock) -> None:
    memory = SoldOutMemory(areas_max=3, clock=clock)
    for first in range(1, 6):
        memory.remember(SESSION, ((first, first),), 1)
    clock.now += SETTLED_S
    for first in range(3, 6):
        memory.remember(SESSION, ((first, first),), 1)
    assert [memory.says(SESSION, ((first, first),), 1) for first in range(1, 6)] == [
        False,
        False,
        True,
        True,
        True,
    ]
