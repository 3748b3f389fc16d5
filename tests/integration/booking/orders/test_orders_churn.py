"""Holding seats and letting them go, again and again: after CHURN_MAX times PostgreSQL has one wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import pytest

from booking.domain.order import CHURN_MAX, CHURN_WITHIN_S
from booking.orders.cooldown import ASK_INTERVAL_S
from booking.orders.expiry import sweep_orders
from tests.support.api import Answer
from tests.support.booking import (
    SEATED,
    BookingApp,
    at_once,
    booking_tables,
    is_sound,
    let_time_pass,
    running_booking,
    until_one_waits,
)
from tests.support.clock import MonotonicClock
from tests.support.payments import NOW, Disturbed, taken_in_silence
from tests.support.promo_codes import Stall
from tests.support.refunds import ask_back, cancel_session

USER, OTHER = uuid4(), uuid4()


@pytest.fixture
def clock() -> MonotonicClock:
    """What the process remembers lasts until a test moves this."""
    return MonotonicClock()


@pytest.fixture
async def app(
    database_url: str, redis_url: str, clock: MonotonicClock
) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url, clock=clock) as running:
        yield running


async def order(app: BookingApp, session_id: UUID, *, user: UUID = USER, **how: Any) -> str:
    made = await app.order(user, session_id, **{"quantity": 1} | how)
    assert made.status == 201, made
    return str(made.json["order_id"])


async def let_go(app: BookingApp, session_id: UUID, *, user: UUID = USER) -> None:
    assert (await app.cancel(user, await order(app, session_id, user=user))).status == 200


async def has_let_go(app: BookingApp, session_id: UUID, times: int, *, user: UUID = USER) -> None:
    """Once really, and then as if it had been so many times."""
    await let_go(app, session_id, user=user)
    await app.services.pool.execute(
        "UPDATE user_tallies SET let_go = $3 WHERE session_id = $1 AND user_id = $2",
        session_id, user, times,
    )  # fmt: skip


async def tally(app: BookingApp, session_id: UUID, *, user: UUID = USER) -> Any:
    return await app.services.pool.fetchrow(
        "SELECT *, extract(epoch FROM let_go_until - now())::float8 AS left_s FROM user_tallies"
        " WHERE session_id = $1 AND user_id = $2",
        session_id, user,
    )  # fmt: skip


async def window_passes(app: BookingApp, past_s: float = 1.0) -> None:
    """Every window ended `past_s` ago."""
    await app.services.pool.execute(
        "UPDATE user_tallies SET cools_until = cools_until - (let_go_until - now())"
        " - make_interval(secs => $1), let_go_until = now() - make_interval(secs => $1)",
        past_s,
    )


def is_told_to_wait(answer: Answer) -> None:
    assert (answer.status, answer.code) == (429, "rate-limited"), answer
    assert answer.headers["retry-after"] == str(CHURN_WITHIN_S)
    assert answer.json["title"] == "Too many requests"
    assert answer.json["detail"] == (
        "You cancelled or did not pay 20 orders of this session within 10 minutes. You can order again"
        " when these minutes are over."
    )


async def test_who_orders_and_cancels_too_often_waits_until_the_window_is_over(
    app: BookingApp, clock: MonotonicClock
) -> None:
    session_id = app.neighbours.publish()
    for _ in range(CHURN_MAX):
        await let_go(app, session_id)
    is_told_to_wait(await app.order(USER, session_id))
    row = await tally(app, session_id)
    assert (row["tickets"], row["let_go"], row["placed_at"]) == (0, CHURN_MAX, None)
    assert row["cools_until"] == row["let_go_until"]
    assert CHURN_WITHIN_S - 60 < row["left_s"] < CHURN_WITHIN_S
    _, seats = await app.services.holds.state(session_id)
    assert set(seats[:10]) == set(b".")  # what Redis had held is given back
    await window_passes(app)
    is_told_to_wait(await app.order(USER, session_id))  # as this process knows it
    clock.now += ASK_INTERVAL_S
    await let_go(app, session_id)  # and counted from the first again
    await let_go(app, session_id)
    assert (await tally(app, session_id))["let_go"] == 2
    await is_sound(app)


async def test_control_without_the_rule_nobody_ever_waits(app: BookingApp) -> None:
    """If this one fails, the tests here prove nothing."""
    session_id = app.neighbours.publish()
    await has_let_go(app, session_id, CHURN_MAX - 1)
    await let_go(app, session_id)
    async with booking_tables(app.wiring.database_url) as tables:
        await tables.execute("ALTER TABLE user_tallies DROP CONSTRAINT user_tallies_not_churning")
    await let_go(app, session_id)
    assert (await tally(app, session_id))["let_go"] == CHURN_MAX + 1


async def test_other_sessions_and_other_people_are_not_concerned(app: BookingApp) -> None:
    session_id, another = app.neighbours.publish(), app.neighbours.publish()
    await has_let_go(app, session_id, CHURN_MAX - 1)
    await let_go(app, session_id)
    is_told_to_wait(await app.order(USER, session_id))
    await order(app, another)
    await order(app, session_id, user=OTHER)
    assert (await app.cancel(OTHER, await order(app, session_id, user=OTHER))).status == 200
    await is_sound(app)


async def test_a_window_that_was_not_used_up_begins_anew(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    await has_let_go(app, session_id, CHURN_MAX - 1)
    await window_passes(app)
    await let_go(app, session_id)
    row = await tally(app, session_id)
    assert (row["let_go"], row["cools_until"]) == (1, None)
    await order(app, session_id)


async def test_orders_that_lapse_count_and_each_once_however_many_seats(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    await has_let_go(app, session_id, CHURN_MAX - 2)
    lapsing = [await order(app, session_id, quantity=3) for _ in range(2)]
    async with booking_tables(database_url) as tables:
        for order_id in lapsing:
            await let_time_pass(tables, order_id, past_s=10.0)
    assert await sweep_orders(app.services.pool, app.services.holds) == 2
    assert (await tally(app, session_id))["let_go"] == CHURN_MAX
    is_told_to_wait(await app.order(USER, session_id))
    await is_sound(app)


async def test_what_its_buyer_has_still_can_be_paid_and_refunded_meanwhile(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    kept = await order(app, session_id)
    await has_let_go(app, session_id, CHURN_MAX - 1)
    await let_go(app, session_id)
    is_told_to_wait(await app.order(USER, session_id))
    assert (await app.pay(USER, kept)).status == 200
    assert (await ask_back(app, USER, kept)).status in {201, 202}
    row = await tally(app, session_id)
    assert (row["tickets"], row["let_go"]) == (0, CHURN_MAX)  # a refund is not churn
    await is_sound(app)


async def test_an_organizers_cancelling_is_not_their_doing(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    await has_let_go(app, session_id, CHURN_MAX - 1)
    await order(app, session_id)
    assert (await cancel_session(app, session_id)).status == 202
    row = await tally(app, session_id)
    assert (row["tickets"], row["let_go"], row["cools_until"]) == (0, CHURN_MAX - 1, None)


async def test_whose_money_comes_late_gets_the_seats_all_the_same(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    late = await order(app, session_id)
    disturbed = Disturbed(app, taken_in_silence)
    assert (await app.pay(USER, late)).status == 202
    disturbed.end()
    await has_let_go(app, session_id, CHURN_MAX - 1)
    async with booking_tables(database_url) as tables:
        await let_time_pass(tables, late, past_s=10.0)
    assert await sweep_orders(app.services.pool, app.services.holds) == 1
    is_told_to_wait(await app.order(USER, session_id))
    assert await app.services.payments.reconcile(older_than_s=NOW) == 1
    assert (await app.get(f"/orders/{late}", user=USER)).json["status"] == "paid"
    assert (await tally(app, session_id))["tickets"] == 1
    is_told_to_wait(await app.order(USER, session_id))
    await is_sound(app)


async def test_a_key_that_has_an_order_is_answered_with_it_and_a_promo_code_opens_no_way(
    app: BookingApp,
) -> None:
    stall = Stall(app)
    session_id = stall.session_id
    assert (await stall.make()).status == 201
    first = await app.order(USER, session_id, quantity=1, key="k1")
    await has_let_go(app, session_id, CHURN_MAX - 1)
    await let_go(app, session_id)
    async with running_booking(
        app.wiring.database_url, app.wiring.redis_url, app.neighbours
    ) as other:
        by_code = {
            "session_id": session_id, "seat_area_id": SEATED, "quantity": 1, "promo_code": "EARLY"
        }  # fmt: skip
        is_told_to_wait(await other.post("/orders", by_code, user=USER))
    assert await stall.uses() == [0]
    for _ in range(2):  # by PostgreSQL, and from memory
        is_told_to_wait(await app.order(USER, session_id, quantity=1, key="k2"))
        again = await app.order(USER, session_id, quantity=1, key="k1")
        assert (again.status, again.json["order_id"]) == (201, first.json["order_id"])


async def test_many_tokens_and_addresses_at_once_let_go_no_more_often(
    app: BookingApp, database_url: str, redis_url: str
) -> None:
    """One person with eight logins from eight addresses, through two processes that share no memory."""
    tokens = 8
    session_id = app.neighbours.publish(max_tickets_per_user=tokens)
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(
            running_booking(database_url, redis_url, app.neighbours)
        )
        apps = [(app, second)[n % 2] for n in range(tokens)]
        heads = [
            {
                "authorization": f"Bearer {one.signer.token(user_id=USER)}",
                "x-forwarded-for": f"203.0.113.{n}",
            }
            for n, one in enumerate(apps)
        ]
        wanted = {"session_id": session_id, "seat_area_id": SEATED, "quantity": 1}

        async def churn(one: BookingApp, headers: dict[str, str]) -> int:
            """Orders and cancels until it is told to wait; how often it could."""
            times = 0
            while (made := await one.post("/orders", wanted, headers=headers)).status == 201:
                times += 1
                path = f"/orders/{made.json['order_id']}/cancel"
                assert (await one.post(path, headers=headers)).status == 200
            is_told_to_wait(made)
            return times

        times = sum(await at_once([churn(*one) for one in zip(apps, heads, strict=True)]))
        # whatever was held when the last one too many was let go of is let go of as well
        assert CHURN_MAX <= times < CHURN_MAX + tokens
        assert (await tally(app, session_id))["let_go"] == times  # none was lost between two
        for one, headers in zip(apps, heads, strict=True):
            is_told_to_wait(await one.post("/orders", wanted, headers=headers))
        await is_sound(app)


async def test_whoever_waits_for_another_one_sees_what_that_has_counted(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    held = await order(app, session_id)
    async with booking_tables(database_url) as tables:
        async with tables.transaction():  # as one that ends others of their orders
            await tables.execute(
                "UPDATE user_tallies SET let_go = $1, let_go_until = now() + interval '1 minute'",
                CHURN_MAX - 1,
            )
            cancelling = asyncio.create_task(app.cancel(USER, held))
            await until_one_waits(database_url)
        assert (await cancelling).status == 200
        row = await tally(app, session_id)
        assert (row["let_go"], row["cools_until"]) == (CHURN_MAX, row["let_go_until"])
        assert row["left_s"] < 61
        await tables.execute("UPDATE user_tallies SET cools_until = NULL")
        async with tables.transaction():
            await tables.execute("UPDATE user_tallies SET cools_until = let_go_until")
            ordering = asyncio.create_task(app.order(USER, session_id))
            await until_one_waits(database_url)
        is_told_to_wait(await ordering)


async def test_who_goes_on_trying_is_told_without_asking_the_stores(
    app: BookingApp, clock: MonotonicClock
) -> None:
    """A hold that is asked for moves the version of the session's seats in Redis, and so does its end."""
    session_id = app.neighbours.publish()
    await has_let_go(app, session_id, CHURN_MAX - 1)
    await let_go(app, session_id)
    for _ in range(2):
        before, _ = await app.services.holds.state(session_id)
        is_told_to_wait(await app.order(USER, session_id))
        asked, _ = await app.services.holds.state(session_id)
        assert asked > before
        for _ in range(2):
            is_told_to_wait(await app.order(USER, session_id))
        assert (await app.services.holds.state(session_id))[0] == asked
        clock.now += ASK_INTERVAL_S
