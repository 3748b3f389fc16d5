"""Who may have ordered: what moves the watch, and what does not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from booking.seats.buyers import STILL_S
from booking.seats.claims import Claim
from booking.seats.holds import SeatHolds
from booking.seats.keys import session_keys
from chassis.problems import Unavailable
from tests.support.clock import MonotonicClock
from tests.support.seats import DictTruth, exact, seat_holds

ORDER, OTHER = uuid4(), uuid4()


@pytest.fixture
def truth() -> DictTruth:
    return DictTruth()


@pytest.fixture
async def holds(redis_url: str, truth: DictTruth) -> AsyncIterator[SeatHolds]:
    async with seat_holds(redis_url, truth, in_flight_max_s=0.0) as made:
        yield made


async def knowing(holds: SeatHolds, truth: DictTruth) -> UUID:
    """A session with two holds, of which it is known who may have ordered."""
    session_id = truth.publish("......")
    for seat, order_id in enumerate((ORDER, OTHER), start=1):
        await exact(holds, session_id, [seat], order_id=order_id)
    await holds.buyers.read(session_id)
    assert not await is_unknown(holds, session_id)
    return session_id


async def is_unknown(holds: SeatHolds, session_id: UUID) -> bool:
    return await holds.buyers.may_have_ordered(session_id, uuid4())


async def sold(holds: SeatHolds, session_id: UUID) -> None:
    await holds.sell(session_id, ORDER)
    await holds.sell(session_id, uuid4())


async def released(holds: SeatHolds, session_id: UUID) -> None:
    await holds.release(session_id, ORDER)
    await holds.release(session_id, ORDER)


async def freed(holds: SeatHolds, session_id: UUID) -> None:
    await holds.free(session_id, [(1, "h", str(ORDER)), (2, "s", "")])


async def kept(holds: SeatHolds, session_id: UUID) -> None:
    await holds.keep_many(session_id, {ORDER: 900_000})


@pytest.mark.parametrize("quiet", [sold, released, freed, kept])
async def test_what_gives_nobody_a_seat_leaves_what_is_known(
    holds: SeatHolds, truth: DictTruth, quiet: Callable[[SeatHolds, UUID], Awaitable[None]]
) -> None:
    session_id = await knowing(holds, truth)
    await quiet(holds, session_id)
    assert not await is_unknown(holds, session_id)


async def held(holds: SeatHolds, session_id: UUID) -> None:
    await exact(holds, session_id, [5])


async def corrected(holds: SeatHolds, session_id: UUID) -> None:
    await holds.correct(session_id, [Claim(6, "held", uuid4(), uuid4(), 900_000)])


async def sold_by_an_older_process(holds: SeatHolds, session_id: UUID) -> None:
    await holds.calls.command("HINCRBY", session_keys(session_id)[1], "version", 1)


async def lost(holds: SeatHolds, session_id: UUID) -> None:
    await holds.calls.command_to_each_node("FLUSHDB")


async def lost_and_loaded(holds: SeatHolds, session_id: UUID) -> None:
    await holds.calls.command_to_each_node("FLUSHDB")
    await holds.state(session_id)


async def cut_off(holds: SeatHolds, session_id: UUID) -> None:
    with contextlib.suppress(Unavailable):
        await holds.calls.command_to_each_node("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no")
    with contextlib.suppress(Unavailable):
        await holds.calls.ping()
    await holds.calls.ping()


@pytest.mark.parametrize(
    "change", [held, corrected, sold_by_an_older_process, lost, lost_and_loaded, cut_off]
)
async def test_whatever_may_bring_an_order_ends_what_is_known(
    holds: SeatHolds, truth: DictTruth, change: Callable[[SeatHolds, UUID], Awaitable[None]]
) -> None:
    session_id = await knowing(holds, truth)
    await change(holds, session_id)
    assert await is_unknown(holds, session_id)


async def test_for_a_while_after_loading_nothing_is_known(redis_url: str, truth: DictTruth) -> None:
    async with seat_holds(redis_url, truth, in_flight_max_s=3600.0) as holds:
        session_id = truth.publish("......")
        await exact(holds, session_id, [1])
        await holds.buyers.read(session_id)
        assert await is_unknown(holds, session_id)


async def test_who_has_ordered_is_read_when_nobody_has_got_a_seat_for_a_while(
    redis_url: str, truth: DictTruth
) -> None:
    clock = MonotonicClock()
    async with seat_holds(redis_url, truth, in_flight_max_s=0.0, clock=clock) as holds:
        session_id = truth.publish("......")
        for seat in range(1, 4):
            await exact(holds, session_id, [seat])
            assert await is_unknown(holds, session_id)
            clock.move_on(STILL_S)
        assert truth.buyers_read == 0
        assert await is_unknown(holds, session_id)  # begins the reading
        async with asyncio.timeout(5.0):
            await truth.buyers_asked.wait()
        assert not await is_unknown(holds, session_id)
        assert truth.buyers_read == 1
