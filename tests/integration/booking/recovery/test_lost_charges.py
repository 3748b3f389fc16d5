"""Money that was taken just before a failover buys its order again, or goes back, once."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.audit.checks import audit_booking
from booking.orders.expiry import sweep_orders
from booking.providers.protocol import RefundResult
from booking.recovery.charges import ChargeRecovery
from booking.recovery.findings import Finding
from booking.recovery.refunds import RefundRecovery
from booking.recovery.restoring import find_lost, restore
from booking.recovery.returning import decide_return
from booking.recovery.store import AnotherReconcile, alone, known_charges
from chassis.problems import Unavailable
from contracts.booking import PaymentRefunded
from tests.support.booking import (
    BookingApp,
    at_once,
    booking_tables,
    is_sound,
    let_time_pass,
)
from tests.support.losses import LosingHouse
from tests.support.payments import Disturbed, taken_in_silence
from tests.support.prices import PRICES
from tests.support.refunds import RefundingProvider

USER, OTHER = uuid4(), uuid4()


async def buy(
    app: BookingApp, user: UUID, session_id: UUID, seats: list[int], **more: Any
) -> dict[str, Any]:
    body = {"session_id": session_id, "seats": seats} | more
    order: dict[str, Any] = (await app.post("/orders", body, user=user)).json
    paid = await app.pay(user, order["order_id"])
    assert paid.status == 200, paid.json
    return order | {"tickets": [ticket["ticket_id"] for ticket in paid.json["tickets"]]}


async def lose_a_sale(house: LosingHouse, *, told: bool = False, **terms: Any) -> tuple[UUID, Any]:
    """An order that was paid, answered and lost; one more that was paid before and is there."""
    async with house.selling() as app:
        session_id = app.neighbours.publish(**terms)
        await buy(app, OTHER, session_id, [21])
        await house.tell(app)
    await house.keep_copy()
    async with house.selling() as app:
        lost = await buy(app, USER, session_id, [1, 2])
        if told:
            await house.tell(app)
    await house.fail_over()
    return session_id, lost


def shown(findings: list[Finding]) -> list[tuple[str, bool]]:
    return sorted((str(finding.kind), finding.left) for finding in findings)


async def about_money(house: LosingHouse, app: BookingApp) -> list[Finding]:
    """What a run finds and does about money, of whatever age, without the lock that keeps runs apart."""
    until = house.since + timedelta(days=1)
    found = []
    for recovery in (
        ChargeRecovery(app.services, apply=True),
        RefundRecovery(app.services, apply=True),
    ):
        found += [finding async for finding in recovery.findings(house.since, until)]
    return found


async def counts(house: LosingHouse) -> list[int]:
    """Rows that would change if anything did."""
    tables = ("orders", "payments", "tickets", "outbox", "recovered_charges", "recovery_notes")
    async with booking_tables(house.database_url) as db:
        return [await db.fetchval(f"SELECT count(*) FROM {table}") for table in tables]


async def test_an_order_that_was_lost_is_restored_with_the_tickets_that_its_buyer_has(
    house: LosingHouse,
) -> None:
    session_id, lost = await lose_a_sale(house, told=True)
    async with house.selling() as app:
        assert (await app.get(f"/orders/{lost['order_id']}", user=USER)).status == 404
        assert len(await house.money_without_an_order()) == 1
        (finding,) = [
            one for one in await house.find(app, apply=True) if one.kind == "charge_without_order"
        ]
        assert (finding.left, finding.what) == (False, "Its order is restored.")
        assert (str(finding.order_id), finding.user_id) == (lost["order_id"], USER)
        assert (finding.session_id, finding.seats) == (session_id, [1, 2])
        assert (finding.amount, finding.currency) == (256_000, "CNY")
        assert finding.title
        assert finding.starts_at == app.neighbours.terms[session_id].starts_at
        order = (await app.get(f"/orders/{lost['order_id']}", user=USER)).json
        assert order["status"] == "paid"
        mine = (await app.get("/tickets", user=USER)).json["tickets"]
        assert sorted(ticket["ticket_id"] for ticket in mine) == sorted(lost["tickets"])
        assert await house.money_without_an_order() == []
        _, seats = await app.services.holds.state(session_id)
        assert seats[:3] == b"ss."
        assert await house.find(app, apply=True) == []
        await is_sound(app)


async def test_a_charge_alone_is_enough_to_restore_an_order(house: LosingHouse) -> None:
    """Notification has lost its last moments as well: what the charge says is all there is."""
    session_id, lost = await lose_a_sale(house)
    async with house.selling() as app:
        findings = await house.find(app, apply=True)
        assert ("charge_without_order", False) in shown(findings)
        order = (await app.get(f"/orders/{lost['order_id']}", user=USER)).json
        assert (order["status"], [item["seat_id"] for item in order["items"]]) == ("paid", [1, 2])
        assert (await app.order(OTHER, session_id, seats=[2])).code == "seats-taken"
        assert await house.money_without_an_order() == []
        await is_sound(app)


async def test_an_order_is_restored_in_its_categories(house: LosingHouse) -> None:
    """And so for what was paid, with its fees; also by the charge alone."""
    async with house.selling() as app:
        session_id = app.neighbours.publish(prices=PRICES)
    await house.keep_copy()
    async with house.selling() as app:
        chosen = [{"category": "child", "quantity": 1}, {"category": "student", "quantity": 1}]
        lost = await buy(app, USER, session_id, [1, 2], categories=chosen)
    await house.fail_over()
    async with house.selling() as app:
        await about_money(house, app)
        order = (await app.get(f"/orders/{lost['order_id']}", user=USER)).json
        assert order["status"] == "paid"
        assert order["items"] == lost["items"]
        await is_sound(app)


async def test_without_apply_everything_is_listed_and_nothing_is_written(
    house: LosingHouse,
) -> None:
    _, lost = await lose_a_sale(house, told=True)
    async with house.selling() as app:
        before = await counts(house)
        findings = await house.find(app)
        assert all(finding.left for finding in findings)
        (charge,) = [one for one in findings if one.kind == "charge_without_order"]
        assert charge.what == "Its order will be restored."
        mails = {one.template for one in findings if one.kind == "mail_without_order"}
        assert mails == {"order_confirmation", "payment_receipt"}
        assert {str(one.order_id) for one in findings if one.order_id} == {lost["order_id"]}
        assert await counts(house) == before
        assert len(await house.money_without_an_order()) == 1
        assert shown(await house.find(app)) == shown(findings)


async def sold_again(app: BookingApp, session_id: UUID, _: LosingHouse) -> str:
    await app.services.holds.rebuild(session_id)
    await buy(app, OTHER, session_id, [2])
    return "a seat of it is somebody else's by now"


async def held_again(app: BookingApp, session_id: UUID, _: LosingHouse) -> str:
    await app.services.holds.rebuild(session_id)
    assert (await app.order(OTHER, session_id, seats=[2])).status == 201
    return "a seat of it is somebody else's by now"


async def no_account(app: BookingApp, _session: UUID, _: LosingHouse) -> str:
    app.neighbours.unknown.add(USER)
    return "its buyer has no account any more"


async def another_price(app: BookingApp, session_id: UUID, _: LosingHouse) -> str:
    terms = app.neighbours.terms[session_id]
    dearer = [msgspec.structs.replace(area, price=area.price + 1) for area in terms.areas]
    app.neighbours.terms[session_id] = msgspec.structs.replace(terms, areas=dearer)
    return "its seats cost 256002 CNY and it was of 256000 CNY"


async def cancelled_session(app: BookingApp, session_id: UUID, _: LosingHouse) -> str:
    terms = app.neighbours.terms[session_id]
    app.neighbours.terms[session_id] = msgspec.structs.replace(terms, status="cancelled")
    return "its session is cancelled"


async def no_metadata(app: BookingApp, _session: UUID, house: LosingHouse) -> str:
    await house.sandbox.execute("UPDATE charges SET metadata = NULL")
    return "nothing says which seats it was for"


@pytest.mark.parametrize(
    "meanwhile",
    [sold_again, held_again, no_account, another_price, cancelled_session, no_metadata],
    ids=lambda one: one.__name__,
)
async def test_an_order_that_cannot_be_restored_is_refunded_once_and_its_buyer_told(
    house: LosingHouse, meanwhile: Any
) -> None:
    session_id, lost = await lose_a_sale(house)
    async with house.selling() as app:
        why = await meanwhile(app, session_id, house)
        (dry,) = [one for one in await house.find(app) if one.kind == "charge_without_order"]
        assert dry.what == f"It will be refunded, since {why}."
        (done,) = [
            one for one in await house.find(app, apply=True) if one.kind == "charge_without_order"
        ]
        assert (done.left, done.what) == (False, f"Since {why}, its money goes back: refunded.")
        assert await house.money_without_an_order() == []
        assert await house.find(app, apply=True) == []
        refunds = await house.sandbox.fetch("SELECT amount FROM refunds")
        assert [row["amount"] for row in refunds] == [256_000]
        async with booking_tables(house.database_url) as db:
            told = await db.fetch("SELECT data FROM outbox WHERE type LIKE '%payment.refunded%'")
        if meanwhile is not no_metadata:
            (news,) = [msgspec.json.decode(row["data"], type=PaymentRefunded) for row in told]
            assert (str(news.order_id), news.user_id) == (lost["order_id"], USER)
            assert (news.order_no, news.reason) == (lost["order_no"], "order_lost")
        await is_sound(app)


async def test_a_buyer_who_has_their_limit_by_now_gets_the_money_back(house: LosingHouse) -> None:
    session_id, _ = await lose_a_sale(house, max_tickets_per_user=2)
    async with house.selling() as app:
        await app.services.holds.rebuild(session_id)
        await buy(app, USER, session_id, [5, 6])
        (done,) = [
            one for one in await house.find(app, apply=True) if one.kind == "charge_without_order"
        ]
        assert "its buyer has as many tickets as they may" in done.what
        assert await house.money_without_an_order() == []
        await is_sound(app)


async def test_a_payment_that_was_lost_buys_the_order_that_is_there(house: LosingHouse) -> None:
    async with house.selling() as app:
        session_id = app.neighbours.publish()
        order = (await app.order(USER, session_id, seats=[1, 2])).json
        twice = (await app.order(OTHER, session_id, seats=[5])).json
    await house.keep_copy()
    async with house.selling() as app:
        assert (await app.pay(USER, order["order_id"])).status == 200
        assert (await app.pay(OTHER, twice["order_id"])).status == 200
    await house.fail_over()
    async with house.selling() as app:
        assert (await app.pay(OTHER, twice["order_id"])).status == 200  # again: charged twice
        found = [
            one for one in await house.find(app, apply=True) if one.kind == "charge_without_payment"
        ]
        assert sorted((str(one.order_id), one.left, one.what) for one in found) == sorted(
            [
                (order["order_id"], False, "It has bought its order."),
                (
                    twice["order_id"],
                    False,
                    "Since its order is paid another way, its money goes back: refunded.",
                ),
            ]
        )
        assert (await app.get(f"/orders/{order['order_id']}", user=USER)).json["status"] == "paid"
        assert await house.money_without_an_order() == []
        assert await house.find(app, apply=True) == []
        await is_sound(app)


async def test_a_payment_that_was_given_up_since_is_taken_at_the_providers_word(
    house: LosingHouse,
) -> None:
    async with house.selling() as app:
        session_id = app.neighbours.publish()
        order = (await app.order(USER, session_id, seats=[1, 2])).json
        disturbed = Disturbed(app, taken_in_silence)
        assert (await app.pay(USER, order["order_id"])).status == 202
        disturbed.end()
        async with booking_tables(house.database_url) as db:
            await db.execute("UPDATE payments SET state = 'failed', reason = 'given_up'")
            await let_time_pass(db, order["order_id"])
        assert await sweep_orders(app.services.pool, app.services.holds) == 1
        (found,) = [one for one in await house.find(app) if one.kind == "payment_behind"]
        assert "as failed" in found.what
        assert ("payment_behind", False) in shown(await house.find(app, apply=True))
        assert (await app.get(f"/orders/{order['order_id']}", user=USER)).json["status"] == "paid"
        assert await house.find(app, apply=True) == []
        await is_sound(app)


async def test_a_charge_that_the_provider_has_not_decided_is_left_for_another_run(
    house: LosingHouse,
) -> None:
    async with house.selling() as app:
        session_id = app.neighbours.publish()
    await house.keep_copy()
    async with house.selling() as app:
        await house.sandbox.put(delay_s=600)
        order = (await app.order(USER, session_id, seats=[1])).json
        assert (await app.pay(USER, order["order_id"], "tok_async")).status == 202
    await house.fail_over()
    async with house.selling() as app:
        assert ("charge_pending", True) in shown(await house.find(app, apply=True))
        await house.sandbox.let_time_pass()
        assert ("charge_without_order", False) in shown(await house.find(app, apply=True))
        assert await house.money_without_an_order() == []


class Dies(Exception):
    """The process, in the middle."""


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
async def test_a_run_that_dies_round_the_providers_call_refunds_once(
    house: LosingHouse, before: bool
) -> None:
    await lose_a_sale(house)
    await house.sandbox.execute("UPDATE charges SET metadata = NULL")
    async with house.selling() as app:
        inner = house.sandbox.provider

        class Dying(Disturbed):
            async def refund(self, **how: Any) -> RefundResult:
                if not before:
                    await inner.refund(**how)
                raise Dies

        dying = Dying(app, inner.charge)  # type: ignore[arg-type]
        with pytest.raises(Dies):
            await house.find(app, apply=True)
        dying.end()
        async with booking_tables(house.database_url) as db:
            await db.execute(
                "UPDATE recovered_charges SET decided_at = now() - interval '2 minutes'"
            )
        broken = [one for one in await audit_booking(app.services, looks_max=1) if not one.ok]
        assert next(one.name for one in broken) == "lost_charges_are_returned"
        assert shown(await house.find(app)) == [("refund_unsent", True), ("seats_differ", True)]
        assert ("refund_unsent", False) in shown(await house.find(app, apply=True))
        assert await house.find(app, apply=True) == []
        refunds = await house.sandbox.fetch("SELECT amount FROM refunds WHERE state = 'succeeded'")
        assert [row["amount"] for row in refunds] == [256_000]
        await is_sound(app)


async def test_a_refund_that_the_provider_refuses_is_tried_under_a_new_key(
    house: LosingHouse,
) -> None:
    await lose_a_sale(house)
    await house.sandbox.execute("UPDATE charges SET metadata = NULL")
    async with house.selling() as app:
        await house.sandbox.put(refunds="fail")
        (refused,) = [one for one in await house.find(app, apply=True) if one.amount]
        assert refused.left
        assert "refuses (refused)" in refused.what
        await house.sandbox.put(refunds="pending", delay_s=600)
        (waits,) = await house.find(app, apply=True)
        assert (waits.kind, waits.left) == ("refund_unsent", True)
        await house.sandbox.let_time_pass()
        (back,) = await house.find(app, apply=True)
        assert (back.left, back.what) == (False, "Refunded.")
        assert await house.money_without_an_order() == []
        states = await house.sandbox.fetch("SELECT state FROM refunds ORDER BY created_at")
        assert [row["state"] for row in states] == ["failed", "succeeded"]


async def test_a_provider_that_does_not_answer_leaves_the_finding(house: LosingHouse) -> None:
    await lose_a_sale(house)
    await house.sandbox.execute("UPDATE charges SET metadata = NULL")
    async with house.selling() as app:
        provider = RefundingProvider(app)
        provider.verdicts = [Unavailable()]
        assert ("charge_without_order", True) in shown(await house.find(app, apply=True))
        assert ("refund_unsent", False) in shown(await house.find(app, apply=True))
        assert len(provider.sent) == 1
        assert len(set(provider.calls)) == 1  # the stored key, both times


async def test_a_second_run_is_refused_while_one_acts(house: LosingHouse) -> None:
    async with house.selling() as app, alone(app.services.pool):
        with pytest.raises(AnotherReconcile):
            await house.find(app, apply=True)
        assert await house.find(app) == []


async def test_a_charge_that_was_decided_to_go_back_is_never_restored(house: LosingHouse) -> None:
    """One run has looked and can restore it; another has decided meanwhile, and has not sent it yet."""
    session_id, lost = await lose_a_sale(house)
    async with house.selling() as app:
        span = (house.since, house.since + timedelta(days=1))
        charges = [one async for page in app.services.provider.list_charges(*span) for one in page]
        (charge,) = [one for one in charges if str(one.order_id) == lost["order_id"]]
        known = await known_charges(app.services.pool, [charge])
        could = await find_lost(app.services, charge)
        decided = decide_return(
            app.services, charge, known[charge.payment_id], None, reason="order_lost"
        )
        assert await decided
        assert not await restore(app.services, charge, could)
        assert (await app.get(f"/orders/{lost['order_id']}", user=USER)).status == 404
        assert ("refund_unsent", False) in shown(await house.find(app, apply=True))
        assert await house.money_without_an_order() == []
        assert (await app.order(OTHER, session_id, seats=[1, 2])).status == 201


async def test_two_runs_at_once_restore_once_and_refund_once(house: LosingHouse) -> None:
    """Without the lock that keeps them apart: it may be lost with its connection."""
    session_id, _ = await lose_a_sale(house)
    await house.keep_copy()
    async with house.selling() as app:
        await app.services.holds.rebuild(session_id)
        await buy(app, OTHER, session_id, [9])
    await house.fail_over()
    await house.sandbox.execute("UPDATE charges SET metadata = NULL WHERE amount = 128000")
    async with house.selling() as one, house.selling() as other:
        await at_once([about_money(house, one), about_money(house, other)])
        assert await house.money_without_an_order() == []
        refunds = await house.sandbox.fetch("SELECT amount FROM refunds")
        assert [row["amount"] for row in refunds] == [128_000]
        assert not [found for found in await house.find(one, apply=True) if found.amount]
        await is_sound(one)


async def test_a_live_sale_is_left_alone(house: LosingHouse) -> None:
    """Every payment is seen at every moment of its life, by runs that act on charges of any age."""
    async with house.selling() as app:
        session_id = app.neighbours.publish(rows=4)
        seats = [11 * row + number for row in range(4) for number in range(1, 11)]
        seen: list[Finding] = []
        done = False

        async def buy_one(seat: int) -> None:
            user = uuid4()
            order = (await app.order(user, session_id, seats=[seat])).json
            assert (await app.pay(user, order["order_id"])).status == 200

        async def look() -> None:
            while not done:
                seen.extend(await about_money(house, app))

        async with asyncio.TaskGroup() as group:
            looking = group.create_task(look())
            for start in range(0, len(seats), 8):
                await asyncio.gather(*map(buy_one, seats[start : start + 8]))
            done = True
            await looking
        assert {finding.kind for finding in seen} <= {"payment_behind"}
        assert await house.find(app, apply=True) == []
        assert await house.sandbox.fetch("SELECT FROM refunds") == []
        assert await house.money_without_an_order() == []
        await is_sound(app)


async def test_a_charge_younger_than_the_margin_is_no_finding(house: LosingHouse) -> None:
    await lose_a_sale(house)
    async with house.selling() as app:
        found = await house.find(app, margin_s=60.0)
        assert [finding for finding in found if finding.amount] == []
        assert ("charge_without_order", True) in shown(await house.find(app))
