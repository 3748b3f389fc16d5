"""What a process knows to be sold out is not asked of Redis again, until it frees a seat itself."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import pytest

from booking.seats import sold_out
from booking.seats.holds import SeatHolds, Wanted
from booking.seats.outcomes import SoldOut
from booking.seats.sold_out import SETTLED_S
from chassis.ids import uuid7
from tests.support.clock import MonotonicClock
from tests.support.seats import DictTruth, exact, seat_holds, seats_of
from tests.support.seats import best as ask_redis

AREA, ORDER = (1, 4), uuid7()


async def best(holds: SeatHolds, session_id: UUID, area: tuple[int, int], quantity: int) -> object:
    """As an order is placed."""
    if holds.is_sold_out(session_id, Wanted((area,), quantity)):
        return SoldOut()
    return await ask_redis(holds, session_id, area, quantity)


@pytest.fixture
def truth() -> DictTruth:
    return DictTruth()


@pytest.fixture
async def holds(
    redis_url: str, truth: DictTruth, clock: MonotonicClock
) -> AsyncIterator[SeatHolds]:
    async with seat_holds(redis_url, truth, clock=clock) as made:
        yield made


@pytest.fixture
def clock() -> MonotonicClock:
    return MonotonicClock()


async def known_to_be_gone(holds: SeatHolds, truth: DictTruth, clock: MonotonicClock) -> UUID:
    """A session whose four seats ORDER holds, sold out for so long that this process believes it."""
    session_id = truth.publish("....")
    seats_of(await exact(holds, session_id, [1, 2, 3, 4], order_id=ORDER))
    assert await best(holds, session_id, AREA, 2) == SoldOut()
    clock.now += SETTLED_S
    assert await best(holds, session_id, AREA, 2) == SoldOut()
    return session_id


async def test_a_seat_that_another_process_frees_is_not_seen_meanwhile(
    redis_url: str, holds: SeatHolds, truth: DictTruth, clock: MonotonicClock
) -> None:
    """So the tests below see a memory at work, and not Redis."""
    session_id = await known_to_be_gone(holds, truth, clock)
    async with seat_holds(redis_url, truth) as elsewhere:
        await elsewhere.release(session_id, ORDER)
    assert await best(holds, session_id, AREA, 2) == SoldOut()
    clock.now += sold_out.ASK_INTERVAL_S
    assert seats_of(await best(holds, session_id, AREA, 2)) == [1, 2]


async def released(holds: SeatHolds, session_id: UUID) -> None:
    await holds.release(session_id, ORDER)


async def freed(holds: SeatHolds, session_id: UUID) -> None:
    await holds.free(session_id, [(seat, "h", str(ORDER)) for seat in (1, 2)])


async def rebuilt(holds: SeatHolds, session_id: UUID) -> None:
    await holds.rebuild(session_id)


async def lost_and_loaded_again(holds: SeatHolds, session_id: UUID) -> None:
    await holds.calls.command_to_each_node("FLUSHDB")
    await holds.state(session_id)


@pytest.mark.parametrize("free", [released, freed, rebuilt, lost_and_loaded_again])
async def test_a_seat_that_this_process_frees_can_be_held_at_once(
    holds: SeatHolds,
    truth: DictTruth,
    clock: MonotonicClock,
    free: Callable[[SeatHolds, UUID], Awaitable[None]],
) -> None:
    session_id = await known_to_be_gone(holds, truth, clock)
    await free(holds, session_id)
    assert seats_of(await best(holds, session_id, AREA, 2)) == [1, 2]
