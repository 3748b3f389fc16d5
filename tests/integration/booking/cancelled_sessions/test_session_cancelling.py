"""A cancelled session: closed at once, in the database; everybody refunded, through any kill."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.payments.outcomes import apply_outcome
from booking.providers.protocol import ChargeResult, RefundResult
from chassis.postgres.pool import transaction
from contracts.booking import OrderCancelled, RefundChanged
from tests.support.booking import (
    SEATED,
    BookingApp,
    booking_tables,
    is_sound,
    running_booking,
    without_redis,
)
from tests.support.refunds import (
    LET_IN,
    PRICE,
    RefundingProvider,
    ask_back,
    bought,
    cancel_session,
    organizer_of,
    set_policy,
    work_off,
)


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


async def progress(app: BookingApp, session_id: UUID) -> Any:
    path = f"/sessions/{session_id}/cancellation"
    answer = await app.get(path, user=organizer_of(app, session_id))
    assert answer.status == 200, answer
    return answer.json


async def test_everybody_gets_everything_back_and_nobody_can_buy(app: BookingApp) -> None:
    provider = RefundingProvider(app)
    session_id = app.neighbours.publish()
    set_policy(app, session_id, refundable=False, fee_kind="percent", fee=50)
    paid = [await bought(app, session_id, seats=seats) for seats in ((1, 2), (3,), (5, 6))]
    unpaid_user = uuid4()
    unpaid = (await app.order(unpaid_user, session_id, seats=[9])).json["order_id"]
    # one of them has been let in already
    inside = paid[1][1]["tickets"][0]["ticket_id"]
    await app.services.pool.execute(LET_IN, UUID(inside))
    cancelled = await cancel_session(app, session_id)
    assert (cancelled.status, cancelled.json["status"]) == (202, "running")
    assert (cancelled.json["orders_total"], cancelled.json["cancelled"]) == (4, 1)
    assert (await cancel_session(app, session_id)).status == 202  # and again: nothing new
    assert session_id in app.neighbours.cancelled
    _, seats = await app.services.holds.state(session_id)
    assert seats == b"sssbss" + b"b" * 19
    await is_sound(app)
    # catalog's terms say still that it sells: the database refuses
    refused = await app.order(uuid4(), session_id, seats=[10])
    assert (refused.status, refused.code) == (409, "seats-taken")
    await work_off(app)
    found = await progress(app, session_id)
    assert (found["status"], found["refunded"], found["waiting"]) == ("finished", 3, 0)
    assert (found["amount_total"], found["amount_refunded"]) == (5 * PRICE, 5 * PRICE)
    assert sum(provider.sent.values()) == 5 * PRICE
    for user, order in paid:
        read = (await app.get(f"/orders/{order['order_id']}", user=user)).json
        assert read["status"] == "refunded"
    read = (await app.get(f"/orders/{unpaid}", user=unpaid_user)).json
    assert (read["status"], read["cancel_reason"]) == ("cancelled", "session_cancelled")
    _, seats = await app.services.holds.state(session_id)
    assert seats == b"b" * 25
    await is_sound(app)
    rows = await app.services.pool.fetch("SELECT type, data FROM outbox ORDER BY position")
    refunds = [
        msgspec.json.decode(row["data"], type=RefundChanged)
        for row in rows
        if row["type"] == "stampede.refund.approved.v1"
    ]
    assert {(one.cause, one.reason, one.fee) for one in refunds} == {
        ("session_cancelled", "台风", 0)
    }
    (ended,) = [row["data"] for row in rows if row["type"] == "stampede.order.cancelled.v1"]
    assert msgspec.json.decode(ended, type=OrderCancelled).reason == "session_cancelled"


async def test_only_its_organizer_cancels_and_sees_it(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    stranger = organizer_of(app, app.neighbours.publish())
    assert (await cancel_session(app, session_id, stranger)).status == 404
    assert (await cancel_session(app, session_id, uuid4())).status == 403
    path = f"/sessions/{session_id}/cancellation"
    assert (await app.get(path, user=organizer_of(app, session_id))).status == 404
    assert (await cancel_session(app, session_id)).status == 202
    assert (await app.get(path, user=stranger)).status == 404
    draft = app.neighbours.publish(status="draft")
    assert (await cancel_session(app, draft)).code == "session-not-published"
    over = app.neighbours.publish(starts_at=datetime.now(UTC) - timedelta(days=6, hours=1))
    assert (await cancel_session(app, over)).code == "session-over"


async def test_a_worker_killed_between_any_two_orders_goes_on_where_it_was(
    app: BookingApp, database_url: str, redis_url: str
) -> None:
    provider = RefundingProvider(app)
    session_id = app.neighbours.publish()
    orders = [await bought(app, session_id, seats=(seat,)) for seat in (1, 2, 3, 4, 5)]
    app.neighbours.deaf = True  # catalog is away
    await cancel_session(app, session_id)
    cancelling = app.services.session_cancelling
    assert await cancelling.work_off(orders_max=2) == 2
    assert (await progress(app, session_id))["waiting"] == 3
    await is_sound(app)
    # another process, which knows nothing but what is in the database
    async with running_booking(database_url, redis_url, app.neighbours) as next_one:
        RefundingProvider(next_one).__dict__.update(provider.__dict__)
        assert await next_one.services.session_cancelling.work_off(orders_max=2) == 2
        assert await next_one.services.session_cancelling.work_off(orders_max=2) == 1
        await work_off(next_one)
        assert (await progress(app, session_id))["status"] == "running"  # catalog does not know yet
        app.neighbours.deaf = False
        await work_off(next_one)
    found = await progress(app, session_id)
    assert (found["status"], found["refunded"], found["orders_total"]) == ("finished", 5, 5)
    assert session_id in app.neighbours.cancelled
    assert sorted(provider.sent.values()) == [PRICE] * 5
    assert len({order["order_id"] for _, order in orders}) == 5
    await is_sound(app)


async def test_a_refund_that_fails_is_counted_and_one_that_waits_is_granted_without_its_fee(
    app: BookingApp,
) -> None:
    provider = RefundingProvider(app)
    session_id = app.neighbours.publish()
    set_policy(app, session_id, approval="organizer", fee_kind="fixed", fee=5_000)
    user, paid = await bought(app, session_id)
    waiting = await ask_back(
        app, user, paid["order_id"], ticket_ids=[paid["tickets"][0]["ticket_id"]]
    )
    assert (waiting.json["status"], waiting.json["fee"]) == ("requested", 5_000)
    async with transaction(app.services.pool) as tx:  # and then he passes the ticket on
        await tx.execute(
            "UPDATE tickets SET status = 'void' WHERE ticket_id = $1",
            UUID(paid["tickets"][0]["ticket_id"]),
        )
        await tx.execute(
            "INSERT INTO tickets (ticket_id, order_id, session_id, seat_id, user_id, code)"
            " VALUES ($1, $2, $3, 1, $4, 'code')",
            *(uuid4(), UUID(paid["order_id"]), session_id, uuid4()),
        )
    approve = f"/refunds/{waiting.json['refund_id']}/approve"
    refused = await app.post(approve, user=organizer_of(app, session_id))
    assert (refused.code, refused.json["reason"]) == ("refund-not-allowed", "ticket_used")
    await cancel_session(app, session_id)
    provider.verdicts = [RefundResult(state="failed", reason="card_closed")]
    await work_off(app)
    read = (await app.get(f"/refunds/{waiting.json['refund_id']}", user=user)).json
    assert (read["fee"], read["amount"], read["cause"]) == (0, PRICE, "session_cancelled")
    assert read["reason"] == "台风"
    found = await progress(app, session_id)
    assert (found["status"], found["failed"], found["refunded"]) == ("finished_with_failures", 1, 0)
    assert (found["amount_total"], found["amount_refunded"]) == (2 * PRICE, PRICE)


async def test_money_under_way_for_a_cancelled_session_goes_back(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    user, payment_id = uuid4(), uuid4()
    order = (await app.order(user, session_id, seats=[1])).json
    async with booking_tables(database_url) as tables:  # as POST /pay before it calls the provider
        await tables.execute(
            "INSERT INTO payments (payment_id, order_id, user_id, provider, method, amount,"
            " currency, state, request_id) VALUES ($1, $2, $3, 'sandbox', 'card', $4, 'CNY',"
            " 'processing', 'r')",
            *(payment_id, order["order_id"], user, PRICE),
        )
    await cancel_session(app, session_id)
    async with transaction(app.services.pool) as tx:
        verdict = ChargeResult(state="succeeded", amount=PRICE, currency="CNY")
        settled = await apply_outcome(tx, app.services.issuing, payment_id, verdict)
    assert settled.state == "refund_due"
    read = (await app.get(f"/orders/{order['order_id']}", user=user)).json
    assert (read["status"], read["cancel_reason"]) == ("cancelled", "session_cancelled")
    await work_off(app)
    assert (await progress(app, session_id))["status"] == "finished"


@pytest.mark.parametrize("closed", [True, False], ids=["as it is", "without the trigger"])
async def test_a_seat_that_comes_free_after_the_cancellation_cannot_be_sold(
    app: BookingApp, database_url: str, closed: bool
) -> None:
    """Mutation control: without the trigger a process with stale terms sells what is refunded."""
    RefundingProvider(app)
    session_id = app.neighbours.publish()
    organizer = organizer_of(app, session_id)
    await bought(app, session_id)
    if not closed:
        async with booking_tables(database_url) as tables:
            await tables.execute(
                "DROP TRIGGER seat_claims_stay_when_session_cancelled ON seat_claims"
            )
    await cancel_session(app, session_id)
    await work_off(app)
    without_redis(app)  # Redis has lost everything; terms are still those of a session on sale
    unblocked = await app.post(f"/sessions/{session_id}/unblock", {"seats": [7]}, user=organizer)
    assert unblocked.status in {200, 409}
    sold = [(await app.order(uuid4(), session_id, seats=[seat])).status for seat in (1, 2, 7, 8)]
    assert sold == ([409] * 4 if closed else [201, 201, 201, 409])
    best = await app.order(uuid4(), session_id, area=SEATED, quantity=1)
    assert best.status != 201
