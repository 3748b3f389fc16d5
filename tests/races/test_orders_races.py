"""Many at once: one owner a seat, the cap, one charge; and the same with the mechanism taken out."""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiosql
import msgspec
import pytest

from booking.audit.checks import audit_booking
from booking.orders import placing_store as placing
from booking.orders.expiry import sweep_orders
from booking.payments import store as payments
from booking.providers.protocol import Charge, ChargeResult
from chassis.problems import Unavailable
from tests.support.booking import (
    SEATED,
    BookingApp,
    at_once,
    booking_tables,
    is_sound,
    let_time_pass,
    running_booking,
    until_one_waits,
    without_redis,
)
from tests.support.outbox import events_waiting
from tests.support.payments import OLD, Disturbed, Waiting, send

BUYERS = 200


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


def owners(answers: list[Any]) -> Counter[int]:
    """How many orders each seat was given to."""
    made = [answer.json for answer in answers if answer.status == 201]
    return Counter(item["seat_id"] for order in made for item in order["items"])


@pytest.mark.parametrize("redis_helps", [True, False], ids=["with redis", "past redis"])
async def test_two_hundred_for_one_seat_and_one_gets_it(app: BookingApp, redis_helps: bool) -> None:
    session_id = app.neighbours.publish()
    if not redis_helps:
        without_redis(app)
    answers = await at_once([app.order(uuid4(), session_id, seats=[7]) for _ in range(BUYERS)])
    assert owners(answers) == {7: 1}
    refused = [answer for answer in answers if answer.status != 201]
    assert {(a.status, a.code, tuple(a.json["seats"])) for a in refused} == {
        (409, "seats-taken", (7,))
    }
    if redis_helps:
        await is_sound(app)


@pytest.mark.parametrize("redis_helps", [True, False], ids=["with redis", "past redis"])
async def test_overlapping_sets_each_seat_has_one_owner(app: BookingApp, redis_helps: bool) -> None:
    session_id = app.neighbours.publish(rows=2)
    if not redis_helps:
        without_redis(app)
    dice = random.Random(7)
    ids = [*range(1, 11), *range(12, 22)]
    wanted = [dice.sample(ids, dice.randint(1, 4)) for _ in range(BUYERS)]
    answers = await at_once([app.order(uuid4(), session_id, seats=seats) for seats in wanted])
    assert {answer.status for answer in answers} == {201, 409}
    assert max(owners(answers).values()) == 1
    for answer, seats in zip(answers, wanted, strict=True):
        if answer.status == 201:
            assert [item["seat_id"] for item in answer.json["items"]] == sorted(seats)
    if redis_helps:
        await is_sound(app)


async def without_the_key(app: BookingApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the mechanism out: no primary key of claims, and INSERTs that know of none."""
    async with booking_tables(app.wiring.database_url) as tables:
        await tables.execute(
            "ALTER TABLE seat_claims DROP CONSTRAINT seat_claims_one_owner_per_seat"
        )
    for store, path in (
        (placing, "booking/orders/sql/placing.sql"),
        (payments, "booking/payments/sql/payments.sql"),
    ):
        sql = Path(path).read_text(encoding="utf-8")
        sql, cut = re.subn(
            r"ON CONFLICT \(session_id, seat_id\).*?RETURNING", "RETURNING", sql, flags=re.S
        )
        assert cut == 1
        monkeypatch.setattr(
            store, "queries", aiosql.from_str(sql, "asyncpg", mandatory_parameters=False)
        )


async def test_control_without_the_claims_key_a_seat_is_sold_twice(
    app: BookingApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this one fails, the races above prove nothing."""
    session_id = app.neighbours.publish()
    await without_the_key(app, monkeypatch)
    without_redis(app)
    users = [uuid4() for _ in range(20)]
    answers = await at_once([app.order(user, session_id, seats=[7]) for user in users])
    assert owners(answers)[7] > 1
    # The tickets' own key is a second net: whoever pays later gets the money back.
    buyers = [
        (u, a.json["order_id"]) for u, a in zip(users, answers, strict=True) if a.status == 201
    ]
    assert (await app.pay(*buyers[0])).status == 200
    assert (await app.pay(*buyers[1])).code == "order-expired"
    assert await app.services.payments.refund_what_is_due() == 1
    async with booking_tables(app.wiring.database_url) as tables:
        await tables.execute("DROP INDEX tickets_one_valid_per_seat")
    assert (await app.pay(*buyers[2])).status == 200
    findings = {one.name: one.ok for one in await audit_booking(app.services, looks_max=1)}
    assert not findings["seats_sold_once"]


async def test_control_losing_redis_alone_would_sell_a_seat_twice(
    app: BookingApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Redis flushed between two buyers it is PostgreSQL's key and nothing else that refuses."""
    session_id = app.neighbours.publish()
    monkeypatch.setattr(app.services.holds.truth, "snapshot", forgetful(app))
    first = await app.order(uuid4(), session_id, seats=[7])
    await app.services.holds.calls.command_to_each_node("FLUSHDB")
    refused = await app.order(uuid4(), session_id, seats=[7])
    assert (first.status, refused.code) == (201, "seats-taken")
    await without_the_key(app, monkeypatch)
    await app.services.holds.calls.command_to_each_node("FLUSHDB")
    assert (await app.order(uuid4(), session_id, seats=[7])).status == 201


def forgetful(app: BookingApp) -> Any:
    """A rebuild that finds every seat free: what loading an old snapshot would be."""
    real = app.services.holds.truth.snapshot

    async def snapshot(session_id: UUID) -> Any:
        found = await real(session_id)
        return type(found)(found.layout, [], {})

    return snapshot


async def test_one_person_asking_at_once_stays_within_the_cap(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=10, max_tickets_per_user=4)
    without_redis(app)
    user = uuid4()
    ids = [1 + 11 * row + n for row in range(10) for n in range(10)]
    answers = await at_once([app.order(user, session_id, seats=[seat]) for seat in ids])
    assert Counter(answer.status for answer in answers) == {201: 4, 409: 96}
    assert {a.code for a in answers if a.status == 409} == {"ticket-limit-reached"}


async def test_control_without_the_cap_one_person_takes_all(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish(rows=1, max_tickets_per_user=4)
    without_redis(app)
    async with booking_tables(database_url) as tables:
        await tables.execute("ALTER TABLE user_tallies DROP CONSTRAINT user_tallies_within_cap")
    user = uuid4()
    answers = await at_once([app.order(user, session_id, seats=[n]) for n in range(1, 11)])
    assert {answer.status for answer in answers} == {201}
    findings = {
        finding.name: finding.ok for finding in await audit_booking(app.services, looks_max=1)
    }
    assert not findings["tallies_are_right"]


async def test_a_bad_order_in_a_batch_fails_none_of_its_neighbours(app: BookingApp) -> None:
    session_id = app.neighbours.publish(rows=5)
    late = app.neighbours.publish(rows=5)
    without_redis(app)
    await app.order(uuid4(), session_id, seats=[1])
    good = [app.order(uuid4(), session_id, seats=[n]) for n in range(2, 11)]
    taken = app.order(uuid4(), session_id, seats=[12, 1])
    greedy = app.order(uuid4(), late, seats=[1, 2, 3, 4, 5, 6, 7])
    answers = await at_once([*good, taken, greedy])
    assert [answer.status for answer in answers[:9]] == [201] * 9
    assert [answer.code for answer in answers[9:]] == ["seats-taken", "ticket-limit-reached"]
    assert (await app.order(uuid4(), session_id, seats=[12])).status == 201  # nothing half-done


async def test_two_processes_sell_one_session_out_exactly(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish(rows=5, places=1)
    async with running_booking(database_url, app.wiring.redis_url, app.neighbours) as other:
        calls = [
            [app, other][n % 2].order(uuid4(), session_id, area=SEATED, quantity=1)
            for n in range(BUYERS)
        ]
        answers = await at_once(calls)
    assert Counter(answer.status for answer in answers) == {201: 50, 409: 150}
    assert {a.code for a in answers if a.status == 409} == {"sold-out"}
    assert set(owners(answers).values()) == {1}
    await is_sound(app)


def with_two_areas(app: BookingApp, session_id: UUID) -> None:
    """Its last two rows become an area of their own at the same price. In its first row 2 and 9 are
    accessible, with companions' seats beside them."""
    plan, terms = app.neighbours.plans[session_id], app.neighbours.terms[session_id]
    seats, floor = plan.areas
    first, *rows = seats.rows
    first = msgspec.structs.replace(first, accessible=[2, 9], companions=[(1, 2), (10, 9)])
    front = msgspec.structs.replace(seats, rows=[first, *rows[:-2]])
    back = msgspec.structs.replace(seats, area_id=uuid4(), rows=rows[-2:])
    areas = [front, back, floor]
    app.neighbours.plans[session_id] = msgspec.structs.replace(plan, areas=areas)
    of_all, of_floor = terms.areas
    begin = back.rows[0].segments[0].first_seat_id
    of_front = msgspec.structs.replace(
        of_all, last_seat_id=begin - 2, capacity=of_all.capacity - 20
    )
    of_back = msgspec.structs.replace(
        of_all, area_id=back.area_id, first_seat_id=begin, capacity=20
    )
    app.neighbours.terms[session_id] = msgspec.structs.replace(
        terms, areas=[of_front, of_back, of_floor]
    )


async def test_by_price_in_two_rows_and_accessible_at_once_each_seat_has_one_owner(
    app: BookingApp, database_url: str
) -> None:
    """Through two processes; as many win as there are seats for, and nobody has another's companion's."""
    session_id = app.neighbours.publish(rows=5, places=1)
    with_two_areas(app, session_id)
    wishes: list[dict[str, Any]] = [
        {"price": 128_000, "quantity": 2},
        {"price_max": 128_000, "quantity": 4, "two_rows": True},
        {"price": 128_000, "quantity": 2, "accessible": 1},
    ]
    async with running_booking(database_url, app.wiring.redis_url, app.neighbours) as other:
        answers = await at_once(
            [
                [app, other][n % 2].post(
                    "/orders",
                    {"session_id": session_id} | wishes[n % 3],
                    user=uuid4(),
                    headers={"Idempotency-Key": str(uuid4())},
                )
                for n in range(BUYERS)
            ]
        )
    assert {answer.status for answer in answers} == {201, 409}
    assert len(owners(answers)) == 50
    assert set(owners(answers).values()) == {1}
    pairs = [a.json["items"] for n, a in enumerate(answers) if n % 3 == 2 and a.status == 201]
    assert sorted([one["seat_id"] for one in pair] for pair in pairs) == [[1, 2], [9, 10]]
    await is_sound(app)


async def test_a_sale_with_redis_flushed_again_and_again_sells_nothing_twice(
    app: BookingApp,
) -> None:
    session_id = app.neighbours.publish(rows=10, places=1)
    over = asyncio.Event()

    async def vandal() -> int:
        flushes = 0
        while not over.is_set():
            await app.services.holds.calls.command_to_each_node("FLUSHDB")
            flushes += 1
            await asyncio.sleep(0.02)  # the fault's own rhythm; nothing waits for it
        return flushes

    async def buyer() -> Any:
        answer = await app.order(user := uuid4(), session_id, quantity=1)
        if answer.status == 201:
            await app.pay(user, answer.json["order_id"])
        return answer

    vandalism = asyncio.create_task(vandal())
    answers = await at_once([buyer() for _ in range(BUYERS)])
    over.set()
    assert await vandalism > 1
    assert {answer.status for answer in answers} <= {201, 409, 503}
    # On a busy machine no order may get through between two flushes.
    assert max(owners(answers).values(), default=1) == 1
    rest = [await buyer() for _ in range(100)]  # and the sale goes on by itself
    assert sum((owners(answers) + owners(rest)).values()) == 100
    await is_sound(app)


async def test_fifty_pay_one_order_at_once_and_it_is_charged_once(
    app: BookingApp, database_url: str
) -> None:
    for keys in (["same"] * 50, [None] * 50, [f"key-{n}" for n in range(50)]):
        user = uuid4()
        order_id = (await app.order(user, app.neighbours.publish())).json["order_id"]
        answers = await at_once([app.pay(user, order_id, key=key) for key in keys])
        paid = [answer for answer in answers if answer.status == 200]
        assert paid
        assert len({answer.body for answer in paid}) == 1
        assert keys[0] == "same" or len(paid) == 1
        codes = {answer.code for answer in answers if answer.status != 200}
        assert codes <= {"idempotency-in-flight", "payment-in-progress", "order-not-payable"}
        async with booking_tables(database_url) as tables:
            charges = "SELECT count(*) FROM sandbox.charges WHERE reference = $1"
            assert await tables.fetchval(charges, order_id) == 1
    await is_sound(app)


async def test_control_without_the_key_of_live_payments_fifty_clicks_charge_more_than_once(
    app: BookingApp, database_url: str
) -> None:
    user = uuid4()
    order_id = (await app.order(user, app.neighbours.publish())).json["order_id"]
    async with booking_tables(database_url) as tables:
        await tables.execute("DROP INDEX payments_one_live_per_order")
        await at_once([app.pay(user, order_id) for _ in range(50)])
        charges = "SELECT count(*) FROM sandbox.charges WHERE reference = $1"
        assert await tables.fetchval(charges, order_id) > 1


async def test_paying_what_was_cancelled_is_refused_to_each_and_charges_nothing(
    app: BookingApp, database_url: str
) -> None:
    user = uuid4()
    order_id = (await app.order(user, app.neighbours.publish())).json["order_id"]
    assert (await app.cancel(user, order_id)).status == 200
    keys = [None, None, "same", "same", "other"]
    answers = await at_once([app.pay(user, order_id, key=key) for key in keys])
    assert {answer.code for answer in answers} == {"order-not-payable"}
    strangers = await app.pay(uuid4(), order_id)
    assert (strangers.status, strangers.code) == (404, "not-found")
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM sandbox.charges") == 0


async def test_callbacks_of_many_payments_five_times_at_once_settle_each_once(
    database_url: str, redis_url: str
) -> None:
    """From two processes, so that copies meet in PostgreSQL and not only in memory."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(
            running_booking(database_url, redis_url, webhook_secret=(OLD,))
        )
        second = await stack.enter_async_context(
            running_booking(database_url, redis_url, first.neighbours, webhook_secret=(OLD,))
        )
        session_id = first.neighbours.publish(rows=4)
        Disturbed(first, never_answered)
        bodies = []
        for _ in range(12):
            order_id = (await first.order(user := uuid4(), session_id)).json["order_id"]
            payment_id = (await first.pay(user, order_id)).json["payment"]["payment_id"]
            waiting = Waiting(first, user, order_id, payment_id)
            bodies.append((f"msg_{order_id}", waiting.event()))
        copies = [
            send((first, second)[n % 2], body, id_=name) for n in range(5) for name, body in bodies
        ]
        answers = await at_once(copies)
        assert {answer.status for answer in answers} == {200}
        async with booking_tables(database_url) as tables:
            assert await tables.fetchval("SELECT count(*) FROM provider_events") == 12
            assert await tables.fetchval("SELECT count(*) FROM tickets") == 24
        assert len(await events_waiting(database_url, "order.paid")) == 12
        await is_sound(first)


async def never_answered(inner: Any, charge: Charge) -> ChargeResult:
    raise Unavailable()


async def test_cancelling_and_paying_at_once_does_one_of_them(app: BookingApp) -> None:
    outcomes: Counter[str] = Counter()
    session_id = app.neighbours.publish(rows=10, max_tickets_per_user=100)
    for turn in range(20):
        user = uuid4()
        order_id = (await app.order(user, session_id)).json["order_id"]
        calls = [app.pay(user, order_id), app.cancel(user, order_id)]
        first, second = await at_once(calls if turn % 2 else calls[::-1])
        pay, cancel = (first, second) if turn % 2 else (second, first)
        status = (await app.get(f"/orders/{order_id}", user=user)).json["status"]
        outcomes[status] += 1
        assert (pay.status == 200) == (status == "paid"), (pay, cancel)
        assert (cancel.status == 200) == (status == "cancelled"), (pay, cancel)
        assert status in {"paid", "cancelled"}
    assert sum(outcomes.values()) == 20
    await is_sound(app)


async def test_a_cancellation_that_waited_for_a_payment_to_begin_sees_it(
    app: BookingApp, database_url: str
) -> None:
    user = uuid4()
    order_id = (await app.order(user, app.neighbours.publish())).json["order_id"]
    # as POST /pay does before it calls the provider
    async with booking_tables(database_url) as tables, tables.transaction():
        await tables.execute("SELECT FROM orders WHERE order_id = $1 FOR UPDATE", order_id)
        cancelling = asyncio.create_task(app.cancel(user, order_id))
        await until_one_waits(database_url)
        await tables.execute(
            "INSERT INTO payments (payment_id, order_id, user_id, provider, method, amount,"
            " currency, state, request_id) SELECT $2, order_id, user_id, 'sandbox', 'card',"
            " total_amount, currency, 'created', 'r' FROM orders WHERE order_id = $1",
            order_id,
            uuid4(),
        )
    refused = await cancelling
    assert (refused.status, refused.code) == (409, "payment-in-progress")
    assert (await app.get(f"/orders/{order_id}", user=user)).json["status"] == "pending_payment"


async def test_expiring_paying_and_taking_over_at_once_agree_on_one_end(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish(rows=10, max_tickets_per_user=100)
    async with booking_tables(database_url) as tables:
        for _ in range(10):
            user = uuid4()
            made = (await app.order(user, session_id)).json
            seats = [item["seat_id"] for item in made["items"]]
            await let_time_pass(tables, made["order_id"])
            pay, _, _, other = await at_once(
                [
                    app.pay(user, made["order_id"]),
                    sweep_orders(app.services.pool, app.services.holds),
                    sweep_orders(app.services.pool, app.services.holds),
                    app.order(uuid4(), session_id, seats=seats),
                ]
            )
            assert pay.code == "order-expired"
            assert other.status in {201, 409}
            await sweep_orders(app.services.pool, app.services.holds)
            claims = "SELECT count(*) FROM seat_claims WHERE order_id = $1"
            assert await tables.fetchval(claims, made["order_id"]) == 0
    await is_sound(app)
