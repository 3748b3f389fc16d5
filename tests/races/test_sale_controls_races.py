"""A pause meets orders that are under way: what is answered first holds; with the mechanism, and without."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from uuid import UUID, uuid4

import pytest

from tests.support.booking import (
    BookingApp,
    at_once,
    booking_tables,
    is_sound,
    running_booking,
    until_one_waits,
    until_so_many_wait,
    without_redis,
)
from tests.support.operations import Desk

BUYERS = 120


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    """A process that has just read the controls, and will not read them again during the race."""
    async with running_booking(database_url, redis_url, reads_controls=False) as running:
        yield running


def another(app: BookingApp) -> AbstractAsyncContextManager[BookingApp]:
    """A second process over the same stores. It learns of a pause from PostgreSQL's refusal alone."""
    wiring = app.wiring
    return running_booking(
        wiring.database_url, wiring.redis_url, app.neighbours, reads_controls=False
    )


async def orders_of(app: BookingApp, session_id: UUID) -> int:
    async with booking_tables(app.wiring.database_url) as tables:
        counted = "SELECT count(*) FROM orders WHERE session_id = $1"
        return int(await tables.fetchval(counted, session_id))


async def test_an_order_that_began_before_the_pause_and_has_no_lock_yet_is_refused(
    app: BookingApp, database_url: str
) -> None:
    """It waits for a seat's claim while the sale is paused: its statement is older than the pause."""
    session_id, desk = app.neighbours.publish(), Desk(app)
    async with (
        another(app) as other,
        booking_tables(database_url) as blocker,
    ):
        claim = blocker.transaction()
        await claim.start()
        await blocker.execute(
            "INSERT INTO seat_claims (session_id, seat_id, order_id, state, expires_at)"
            " VALUES ($1, 7, $2, 'held', now() + interval '1 hour')", session_id, uuid4(),
        )  # fmt: skip
        order = asyncio.create_task(other.order(uuid4(), session_id, seats=[7]))
        await until_one_waits(database_url)
        assert (await desk.pause(session_id)).status == 200
        await claim.rollback()
        refused = await order
    assert (refused.status, refused.code) == (409, "sale-paused")
    assert await orders_of(app, session_id) == 0
    await is_sound(app)


async def pause_behind_an_order(app: BookingApp, database_url: str) -> tuple[int, int]:
    """An order has seen that the sale runs, and waits for its buyer's tally; the sale is paused. How many
    orders there are when that is answered, and in the end."""
    session_id, user = app.neighbours.publish(), uuid4()
    assert (await app.order(user, session_id, seats=[1])).status == 201
    async with booking_tables(database_url) as blocker:
        tally = blocker.transaction()
        await tally.start()
        await blocker.execute("SELECT FROM user_tallies WHERE user_id = $1 FOR UPDATE", user)
        order = asyncio.create_task(app.order(user, session_id, seats=[7]))
        await until_one_waits(database_url)
        pause = asyncio.create_task(Desk(app).pause(session_id))
        await asyncio.wait(
            [pause, asyncio.create_task(until_so_many_wait(database_url, 2))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        there = await orders_of(app, session_id) if pause.done() else 0
        await tally.rollback()
        assert (await pause).status == 200
        there = there or await orders_of(app, session_id)
        assert (await order).status == 201
    return there, await orders_of(app, session_id)


async def test_a_pause_is_answered_after_the_orders_that_it_does_not_stop(
    app: BookingApp, database_url: str
) -> None:
    answered, at_last = await pause_behind_an_order(app, database_url)
    assert answered == at_last == 2
    await is_sound(app)


async def test_control_without_the_lock_an_order_is_created_after_the_pause_was_answered(
    app: BookingApp, database_url: str
) -> None:
    """If this one fails, the race above proves nothing."""
    async with booking_tables(database_url) as tables:
        await tables.execute(
            "CREATE OR REPLACE FUNCTION steered_cap(session uuid, heed_pause boolean) RETURNS int"
            " LANGUAGE sql AS 'SELECT NULL::int'"
        )
    answered, at_last = await pause_behind_an_order(app, database_url)
    assert (answered, at_last) == (1, 2)


@pytest.mark.parametrize("redis_helps", [True, False], ids=["with redis", "past redis"])
async def test_no_order_is_created_after_the_pause_was_answered(
    app: BookingApp, redis_helps: bool
) -> None:
    """Two processes sell, one of them is told to pause; the other learns it from PostgreSQL alone."""
    session_id, desk = app.neighbours.publish(rows=20), Desk(app)
    seats = [1 + 11 * row + n for row in range(20) for n in range(10)]
    async with another(app) as other:
        if not redis_helps:
            without_redis(app)
            without_redis(other)
        answered: list[int] = []

        async def pause() -> None:
            await until_some_orders(app, session_id)
            assert (await desk.pause(session_id)).status == 200
            answered.append(await orders_of(app, session_id))

        async def buy(n: int) -> list[int]:
            """Two orders, one after the other, so that some begin after the pause."""
            one = (app, other)[n % 2]
            wanted = [seats[n]], [seats[n + BUYERS // 2]]
            return [(await one.order(uuid4(), session_id, seats=seat)).status for seat in wanted]

        *statuses, _ = await at_once([*(buy(n) for n in range(BUYERS // 2)), pause()])
        last = [await one.order(uuid4(), session_id, seats=[seats[-1]]) for one in (app, other)]
    assert {answer.code for answer in last} == {"sale-paused"}
    placed = [status for both in statuses for status in both if status == 201]
    assert await orders_of(app, session_id) == len(placed) == answered[0]
    if redis_helps:
        await is_sound(app)


async def until_some_orders(app: BookingApp, session_id: UUID) -> None:
    while not await orders_of(app, session_id):  # noqa: ASYNC110
        await asyncio.sleep(0)
