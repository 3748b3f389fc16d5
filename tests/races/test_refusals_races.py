"""A refusal is never the answer to a key that has an order, whoever is asked and whatever Redis lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import pytest

from booking.seats.keys import session_keys
from booking.seats.sold_out import SETTLED_S
from tests.support.booking import (
    BookingApp,
    booking_tables,
    running_booking,
    until_one_waits,
)
from tests.support.clock import MonotonicClock

HOLDER, USER = uuid4(), uuid4()
SEATS = 10


class House:
    """Two processes; `far` believes a session to be sold out, and knows who may have an order there."""

    def __init__(self, near: BookingApp, far: BookingApp, clock: MonotonicClock) -> None:
        self.near, self.far, self.clock = near, far, clock

    async def sell_out(self) -> tuple[UUID, str]:
        """The session, and HOLDER's order of all its seats, with the key `k0`."""
        session_id = self.near.neighbours.publish(rows=1, max_tickets_per_user=SEATS)
        made = await self.near.order(HOLDER, session_id, quantity=SEATS, key="k0")
        for _ in range(2):
            assert (await self.far.order(uuid4(), session_id)).code == "sold-out"
            self.clock.move_on(SETTLED_S)
        assert (await self.far.order(uuid4(), session_id)).code == "sold-out"
        return session_id, made.json["order_id"]

    async def far_knows(self, session_id: UUID) -> bool:
        """Reads who has ordered, and says whether it tells a stranger from them."""
        buyers = self.far.services.holds.buyers
        await buyers.read(session_id)
        return not await buyers.may_have_ordered(session_id, uuid4())

    def far_connected_s(self, session_id: UUID) -> float:
        """How long ago it was connected to Redis; a session that was loaded just now is much younger."""
        calls = self.far.services.holds.calls
        since = calls.connected_since(session_keys(session_id)[0])
        assert since is not None
        return asyncio.get_running_loop().time() - since

    async def refuses_by_itself(self, session_id: UUID) -> bool:
        return (await self.far.order(uuid4(), session_id, key="new")).code == "sold-out"


@pytest.fixture
async def house(database_url: str, redis_url: str) -> AsyncIterator[House]:
    clock = MonotonicClock()
    async with AsyncExitStack() as stack:
        near = await stack.enter_async_context(running_booking(database_url, redis_url))
        far = await stack.enter_async_context(
            running_booking(database_url, redis_url, near.neighbours, clock=clock)
        )
        far.services.holds.buyers.in_flight_max_s = 0.0  # the server has lost nothing
        yield House(near, far, clock)


async def test_an_order_placed_elsewhere_since_is_replayed(house: House) -> None:
    session_id, held = await house.sell_out()
    assert await house.far_knows(session_id)
    await house.near.cancel(HOLDER, held)
    first = await house.near.order(USER, session_id, quantity=SEATS, key="k1")
    assert first.status == 201
    assert await house.refuses_by_itself(session_id)
    again = await house.far.order(USER, session_id, quantity=SEATS, key="k1")
    assert (again.status, again.json) == (201, first.json)
    other = await house.far.order(USER, session_id, quantity=1, key="k1")
    assert other.code == "idempotency-key-reused"


async def test_an_order_that_was_about_to_be_committed_is_replayed(
    house: House, database_url: str
) -> None:
    session_id, held = await house.sell_out()
    await house.near.cancel(HOLDER, held)
    async with booking_tables(database_url) as tables, tables.transaction():
        await tables.execute("LOCK TABLE orders IN SHARE MODE")  # commits wait from here on
        order = house.near.order(USER, session_id, quantity=SEATS, key="k1")
        first = asyncio.create_task(order)
        await until_one_waits(database_url)
        assert await house.far_knows(session_id)
    assert (await first).status == 201
    again = await house.far.order(USER, session_id, quantity=SEATS, key="k1")
    assert (again.status, again.json) == (201, (await first).json)


async def test_a_cancelled_order_is_replayed(house: House) -> None:
    session_id, held = await house.sell_out()
    await house.near.cancel(HOLDER, held)
    assert (await house.near.order(USER, session_id, quantity=SEATS)).status == 201
    assert await house.far_knows(session_id)
    again = await house.far.order(HOLDER, session_id, quantity=SEATS, key="k0")
    assert (again.status, again.json["order_id"]) == (201, held)


async def test_an_order_is_replayed_though_redis_has_lost_everything(house: House) -> None:
    session_id, held = await house.sell_out()
    assert await house.far_knows(session_id)
    await house.near.cancel(HOLDER, held)
    first = await house.near.order(USER, session_id, quantity=SEATS, key="k1")
    for load in (False, True):
        await house.near.services.holds.calls.command_to_each_node("FLUSHDB")
        if load:
            await house.near.services.holds.state(session_id)
        again = await house.far.order(USER, session_id, quantity=SEATS, key="k1")
        assert (again.status, again.json) == (201, first.json)


async def test_an_order_whose_hold_redis_has_lost_is_replayed(
    house: House, database_url: str
) -> None:
    """It is in neither store when the session is loaded again; for so long nobody knows who has ordered."""
    session_id, held = await house.sell_out()
    await house.near.cancel(HOLDER, held)
    async with booking_tables(database_url) as tables, tables.transaction():
        await tables.execute("LOCK TABLE orders IN SHARE MODE")
        order = house.near.order(USER, session_id, quantity=SEATS, key="k1")
        first = asyncio.create_task(order)
        await until_one_waits(database_url)
        await house.near.services.holds.calls.command_to_each_node("FLUSHDB")
        await house.near.services.holds.state(session_id)
        house.far.services.holds.buyers.in_flight_max_s = house.far_connected_s(session_id) / 2
        assert not await house.far_knows(session_id)
    assert (await first).status == 201
    again = await house.far.order(USER, session_id, quantity=SEATS, key="k1")
    assert (again.status, again.json) == (201, (await first).json)


async def test_a_stranger_is_refused_without_a_question_to_postgresql(
    house: House, database_url: str
) -> None:
    session_id, _ = await house.sell_out()
    assert await house.far_knows(session_id)
    async with booking_tables(database_url) as tables, tables.transaction():
        await tables.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(5.0):
            assert await house.refuses_by_itself(session_id)
