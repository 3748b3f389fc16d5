"""Callbacks that meet: copies in other processes, copies of what was undone, other bodies of one event."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from booking.payments.callbacks import REMEMBERED_S, Webhooks
from booking.providers.protocol import Charge, ChargeResult
from chassis.problems import Unavailable
from tests.support.booking import (
    BookingApp,
    at_once,
    booking_tables,
    is_sound,
    running_booking,
    until_one_waits,
    until_so_many_wait,
)
from tests.support.outbox import events_waiting
from tests.support.payments import OLD, Disturbed, Waiting, outcomes_of, send

END_THE_FIRST = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    " AND wait_event_type = 'Lock' AND query LIKE '%FOR UPDATE OF o, p%'"
)


@pytest.fixture
async def processes(
    database_url: str, redis_url: str
) -> AsyncIterator[tuple[BookingApp, BookingApp]]:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            running_booking(database_url, redis_url, webhook_secret=(OLD,))
        )
        second = await stack.enter_async_context(
            running_booking(database_url, redis_url, first.neighbours, webhook_secret=(OLD,))
        )
        Disturbed(first, never_answered)
        yield first, second


async def never_answered(inner: Any, charge: Charge) -> ChargeResult:
    raise Unavailable()


async def accepted(app: BookingApp, session_id: UUID | None = None) -> Waiting:
    """A payment that the provider has accepted, and not decided."""
    user = uuid4()
    order = await app.order(user, session_id or app.neighbours.publish())
    payment = (await app.pay(user, order.json["order_id"])).json["payment"]
    return Waiting(app, user, order.json["order_id"], payment["payment_id"])


@asynccontextmanager
async def held(database_url: str, order_id: str) -> AsyncIterator[Any]:
    """Whoever decides about the order waits, in the middle of its transaction, until this ends."""
    async with booking_tables(database_url) as tables, tables.transaction():
        await tables.execute("SELECT FROM orders WHERE order_id = $1 FOR UPDATE", UUID(order_id))
        yield tables


async def effects(database_url: str) -> tuple[int, int, int]:
    """Events taken, tickets, sales that were told."""
    async with booking_tables(database_url) as tables:
        found = await tables.fetchrow(
            "SELECT (SELECT count(*) FROM provider_events), (SELECT count(*) FROM tickets)"
        )
    return found[0], found[1], len(await events_waiting(database_url, "order.paid"))


async def test_copies_are_answered_only_after_the_first_is_committed(
    processes: tuple[BookingApp, BookingApp], database_url: str
) -> None:
    """One in the process of the first, one in another process."""
    here, there = processes
    waiting = await accepted(here)
    async with held(database_url, waiting.order_id):
        calls = [asyncio.create_task(send(here, waiting.event()))]
        await until_one_waits(database_url)
        calls += [asyncio.create_task(send(app, waiting.event())) for app in (here, there)]
        await until_so_many_wait(database_url, 2)
        assert not any(call.done() for call in calls)
        assert await effects(database_url) == (0, 0, 0)
    assert [(await call).status for call in calls] == [200] * 3
    assert await effects(database_url) == (1, 2, 1)
    await is_sound(here)


async def test_a_copy_of_a_callback_that_was_undone_is_taken(
    processes: tuple[BookingApp, BookingApp], database_url: str
) -> None:
    here, there = processes
    waiting = await accepted(here)
    async with held(database_url, waiting.order_id) as tables:
        first = asyncio.create_task(send(here, waiting.event()))
        await until_one_waits(database_url)
        beside = asyncio.create_task(send(here, waiting.event()))
        copy = asyncio.create_task(send(there, waiting.event()))
        await until_so_many_wait(database_url, 2)
        await tables.execute(END_THE_FIRST)
        assert [(await one).status for one in (first, beside)] == [503, 503]
        assert not copy.done()
    assert (await copy).status == 200
    assert await effects(database_url) == (1, 2, 1)
    assert (await send(here, waiting.event())).status == 200  # and not: known here
    assert await effects(database_url) == (1, 2, 1)
    await is_sound(here)


async def test_what_was_undone_is_not_remembered(
    processes: tuple[BookingApp, BookingApp], database_url: str
) -> None:
    here, _ = processes
    waiting = await accepted(here)
    async with held(database_url, waiting.order_id) as tables:
        first = asyncio.create_task(send(here, waiting.event()))
        await until_one_waits(database_url)
        await tables.execute(END_THE_FIRST)
        assert (await first).status == 503
    assert await effects(database_url) == (0, 0, 0)
    assert (await send(here, waiting.event())).status == 200
    assert await effects(database_url) == (1, 2, 1)


async def test_another_body_of_an_event_that_is_refused_is_judged_by_itself(
    processes: tuple[BookingApp, BookingApp], database_url: str
) -> None:
    """It arrives while the wrong one is looked up. Which of two is right, PostgreSQL knows."""
    here, _ = processes
    waiting = await accepted(here)
    bodies = [waiting.event(amount=1), waiting.event(), waiting.event(amount=1)]
    wrong, right, copy = await at_once([send(here, body) for body in bodies])
    assert (wrong.status, wrong.code) == (400, "payment-mismatch")
    assert right.status == 200
    assert copy.status in {200, 400}
    assert await effects(database_url) == (1, 2, 1)


async def test_another_body_of_an_event_that_was_taken_is_a_copy_in_every_process(
    processes: tuple[BookingApp, BookingApp], database_url: str
) -> None:
    here, there = processes
    one = await accepted(here)
    assert (await send(here, one.event())).status == 200
    for app in (here, there):  # known in the one, asked for by the other
        assert (await send(app, one.event(amount=1))).status == 200
        assert (await send(app, one.event("payment.failed", amount=1))).status == 200
    assert await effects(database_url) == (1, 2, 1)


async def test_an_event_id_that_tells_of_two_payments_has_both_effects_once(
    processes: tuple[BookingApp, BookingApp], database_url: str
) -> None:
    """An event is taken once for its payment (docs/adr/0099): nobody's money waits for the reconciler."""
    here, there = processes
    one, other = await accepted(here), await accepted(here)
    for app in (here, there, here):
        assert (await send(app, one.event())).status == 200
        assert (await send(app, other.event())).status == 200
    assert await effects(database_url) == (2, 4, 2)
    assert [await each.status() for each in (one, other)] == ["paid", "paid"]


async def test_a_bad_neighbour_fails_nobody_in_its_batch(
    processes: tuple[BookingApp, BookingApp], database_url: str
) -> None:
    here, _ = processes
    session_id = here.neighbours.publish(rows=4)
    good = [await accepted(here, session_id) for _ in range(8)]
    mismatched, unknown, twice = [await accepted(here, session_id) for _ in range(3)]
    async with booking_tables(database_url) as tables:  # a seat with a ticket: the statement fails
        await tables.execute(
            "INSERT INTO tickets (ticket_id, order_id, session_id, seat_id, user_id, code)"
            " SELECT $1, $2, session_id, seat_id, $1, 'x' FROM placed_items JOIN orders USING (order_id)"
            " WHERE order_id = $3 LIMIT 1",
            uuid4(), uuid4(), UUID(twice.order_id),
        )  # fmt: skip
    calls = [send(here, one.event(), id_=f"msg_{one.order_id}") for one in (*good, twice)]
    calls.append(send(here, mismatched.event(amount=1), id_="msg_mismatched"))
    calls.append(send(here, unknown.event(key=str(uuid4())), id_="msg_unknown"))
    answers = await at_once(calls)
    assert [answer.status for answer in answers] == [200] * 9 + [400, 404]
    assert {await one.status() for one in good} == {"paid"}
    assert [await one.status() for one in (mismatched, unknown)] == ["pending_payment"] * 2
    async with booking_tables(database_url) as tables:  # its money goes back
        state = "SELECT state FROM payments WHERE payment_id = $1"
        assert await tables.fetchval(state, UUID(twice.payment_id)) == "refund_due"


async def test_a_callback_that_waits_for_a_lock_holds_up_no_other(
    processes: tuple[BookingApp, BookingApp], database_url: str
) -> None:
    here, _ = processes
    session_id = here.neighbours.publish(rows=4)
    slow, *quick = [await accepted(here, session_id) for _ in range(4)]
    async with held(database_url, slow.order_id):
        waits = asyncio.create_task(send(here, slow.event(), id_="msg_slow"))
        await until_one_waits(database_url)
        answers = [await send(here, one.event(), id_=f"msg_{one.order_id}") for one in quick]
        assert [answer.status for answer in answers] == [200] * 3
        assert not waits.done()
    assert (await waits).status == 200


async def test_every_copy_is_verified_like_the_first(
    processes: tuple[BookingApp, BookingApp],
) -> None:
    here, _ = processes
    waiting = await accepted(here)
    assert (await send(here, waiting.event())).status == 200
    forged = await send(here, waiting.event(), secret="whsec_ZXZpbA==")
    stale = await send(here, waiting.event(), age_s=301)
    assert [(one.status, one.code) for one in (forged, stale)] == [
        (401, "bad-signature"),
        (400, "stale-timestamp"),
    ]


async def test_what_was_committed_long_ago_is_asked_of_postgresql(
    processes: tuple[BookingApp, BookingApp], database_url: str
) -> None:
    """A failover may have lost it since."""
    here, _ = processes
    waiting = await accepted(here)
    for remembered_s, known in ((REMEMBERED_S, 0), (0.0, 1)):
        webhooks = Webhooks(
            here.services.pool,
            providers={"sandbox": here.services.provider},
            outcomes=outcomes_of(here),
            remembered_s=remembered_s,
        )
        here.rewire(webhooks=webhooks)
        assert (await send(here, waiting.event())).status == 200
        async with booking_tables(database_url) as tables:
            await tables.execute("DELETE FROM provider_events")
        assert (await send(here, waiting.event())).status == 200
        assert await effects(database_url) == (known, 2, 1)
