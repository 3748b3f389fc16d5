"""Refunds, mails and holds that a failover has lost."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.booking import BookingApp, booking_tables, is_sound
from tests.support.losses import LosingHouse
from tests.support.refunds import LET_IN, PRICE

USER, OTHER = uuid4(), uuid4()


async def bought(app: BookingApp, seats: list[int], **terms: Any) -> tuple[UUID, str, list[str]]:
    session_id = app.neighbours.publish(**terms)
    order = (await app.order(USER, session_id, seats=seats)).json
    paid = await app.pay(USER, order["order_id"])
    assert paid.status == 200, paid.json
    return session_id, order["order_id"], [one["ticket_id"] for one in paid.json["tickets"]]


async def refund(app: BookingApp, order_id: str, tickets: list[str] | None = None) -> None:
    body: dict[str, Any] = {"reason": "ill"} | ({"ticket_ids": tickets} if tickets else {})
    assert (await app.post(f"/orders/{order_id}/refund", body, user=USER)).status == 202
    await app.services.refund_sending.send_all_due()


async def status(app: BookingApp, order_id: str) -> str:
    return str((await app.get(f"/orders/{order_id}", user=USER)).json["status"])


async def refunds_sent(house: LosingHouse) -> list[int]:
    rows = await house.sandbox.fetch("SELECT amount FROM refunds WHERE state = 'succeeded'")
    return [row["amount"] for row in rows]


async def test_a_refund_that_was_lost_is_recorded_and_its_tickets_are_void(
    house: LosingHouse,
) -> None:
    async with house.selling() as app:
        session_id, order_id, tickets = await bought(app, [1, 2])
    await house.keep_copy()
    async with house.selling() as app:
        await refund(app, order_id)
    await house.fail_over()
    async with house.selling() as app:
        assert await status(app, order_id) == "paid"  # and the money is gone
        (dry,) = [one for one in await house.find(app) if one.kind == "refund_unknown"]
        assert (dry.left, str(dry.order_id), dry.amount) == (True, order_id, 2 * PRICE)
        assert await status(app, order_id) == "paid"
        (done,) = [one for one in await house.find(app, apply=True) if one.refund_id]
        assert (done.left, done.what) == (False, "It is recorded, and its tickets are void.")
        assert await status(app, order_id) == "refunded"
        async with booking_tables(house.database_url) as db:
            left = await db.fetchval("SELECT count(*) FROM tickets WHERE status = 'valid'")
        assert left == 0
        assert len(tickets) == 2
        await app.services.refund_sending.send_all_due()
        (one,) = (await app.get(f"/orders/{order_id}/refunds", user=USER)).json["refunds"]
        assert one["status"] == "succeeded"
        assert await refunds_sent(house) == [2 * PRICE]
        assert await house.find(app, apply=True) == []
        assert (await app.order(OTHER, session_id, seats=[1])).status == 201
        await is_sound(app)


async def test_a_refund_whose_approval_was_lost_is_approved(house: LosingHouse) -> None:
    async with house.selling() as app:
        _, order_id, _ = await bought(app, [1, 2])
        await app.post(f"/orders/{order_id}/refund", {"reason": "ill"}, user=USER)
        async with booking_tables(house.database_url) as db:
            asked = await db.fetchval("SELECT refund_id FROM refunds")
    await house.keep_copy()
    async with house.selling() as app:
        await app.services.refund_sending.send_all_due()
    await house.fail_over()
    async with house.selling() as app, booking_tables(house.database_url) as db:
        # as it would be had the organizer approved it after the copy
        await _unapprove(db, order_id)
        (done,) = [one for one in await house.find(app, apply=True) if one.refund_id]
        assert (done.kind, done.left, done.refund_id) == ("refund_behind", False, asked)
        assert await status(app, order_id) == "refunded"
        await app.services.refund_sending.send_all_due()
        assert await refunds_sent(house) == [2 * PRICE]
        assert await house.find(app, apply=True) == []
        await is_sound(app)


async def _unapprove(db: Any, order_id: str) -> None:
    await db.execute("UPDATE refund_items SET effect = 'wanted'")
    await db.execute(
        "UPDATE refunds SET state = 'requested', decided_at = NULL, next_attempt = NULL,"
        " attempts = 0"
    )
    await db.execute("UPDATE tickets SET status = 'valid', void_reason = NULL")
    await db.execute(
        "INSERT INTO seat_claims (session_id, seat_id, order_id, state)"
        " SELECT session_id, seat_id, order_id, 'sold' FROM tickets WHERE order_id = $1",
        UUID(order_id),
    )
    await db.execute("UPDATE user_tallies SET tickets = 2")
    await db.execute("UPDATE orders SET status = 'paid'")
    await db.execute("DELETE FROM order_events WHERE type LIKE '%refunded%'")


async def test_a_part_that_was_refunded_and_lost_is_for_a_person_to_decide(
    house: LosingHouse,
) -> None:
    async with house.selling() as app:
        _, order_id, tickets = await bought(app, [1, 2])
    await house.keep_copy()
    async with house.selling() as app:
        await refund(app, order_id, tickets[:1])
    await house.fail_over()
    async with house.selling() as app:
        (left,) = [one for one in await house.find(app, apply=True) if one.refund_id]
        assert left.left
        assert left.what == "Nothing says for which of the tickets it was: decide by hand."
        assert await status(app, order_id) == "paid"


async def test_a_ticket_that_was_used_since_keeps_its_refund_for_a_person(
    house: LosingHouse,
) -> None:
    async with house.selling() as app:
        _, order_id, tickets = await bought(app, [1, 2])
    await house.keep_copy()
    async with house.selling() as app:
        await refund(app, order_id)
    await house.fail_over()
    async with house.selling() as app:
        async with booking_tables(house.database_url) as db:
            await db.fetchval(LET_IN, UUID(tickets[0]))
        (left,) = [one for one in await house.find(app, apply=True) if one.refund_id]
        assert left.left
        assert left.what == "A ticket of it was used or passed on: decide by hand."


async def test_an_order_that_is_lost_with_its_refund_owes_nothing_and_is_listed_once(
    house: LosingHouse,
) -> None:
    async with house.selling() as app:
        app.neighbours.publish()
    await house.keep_copy()
    async with house.selling() as app:
        _, order_id, _ = await bought(app, [1, 2])
        await refund(app, order_id)
    await house.fail_over()
    async with house.selling() as app:
        (first,) = [one for one in await house.find(app, apply=True) if one.amount]
        assert (first.kind, first.left) == ("refund_without_order", True)
        assert [one for one in await house.find(app, apply=True) if one.amount] == []
        assert await refunds_sent(house) == [2 * PRICE]
        assert await house.money_without_an_order() == []


async def test_money_that_went_back_automatically_sells_nothing_after_a_failover(
    house: LosingHouse,
) -> None:
    """The payment stands where it stood before its seats were found gone. Asked, the provider would say that
    it has succeeded."""
    async with house.selling() as app:
        session_id = app.neighbours.publish()
        await house.sandbox.put(delay_s=600)
        order_id = (await app.order(USER, session_id, seats=[1])).json["order_id"]
        assert (await app.pay(USER, order_id, "tok_async")).status == 202
    await house.keep_copy()
    async with house.selling() as app:
        assert (await app.cancel(USER, order_id)).status in {200, 409}
        async with booking_tables(house.database_url) as db:
            await db.execute(
                "UPDATE payments SET state = 'refund_due', reason = 'seats_gone', ask_at = now()"
            )
        await house.sandbox.let_time_pass()
        assert await app.services.payments.refund_what_is_due() == 1
    await house.fail_over()
    async with house.selling() as app:
        (dry,) = [one for one in await house.find(app) if one.amount]
        assert (dry.kind, dry.left) == ("refund_behind", True)
        (done,) = [one for one in await house.find(app, apply=True) if one.amount]
        assert (done.kind, done.left) == ("refund_behind", False)
        assert await app.services.payments.refund_what_is_due() == 1
        assert await status(app, order_id) == "cancelled"
        assert await refunds_sent(house) == [PRICE]
        assert await house.find(app, apply=True) == []
        await is_sound(app)


async def test_mails_about_orders_that_are_gone_are_listed_once(house: LosingHouse) -> None:
    async with house.selling() as app:
        session_id = app.neighbours.publish()
        kept = (await app.order(OTHER, session_id, seats=[9])).json
        await house.tell(app)
    await house.keep_copy()
    async with house.selling() as app:
        lost = (await app.order(USER, session_id, seats=[1, 2])).json
        await house.tell(app)
        gone = (await app.order(USER, session_id, seats=[4])).json
        await house.tell(app)
        # notification has its event, and could not write: there is no such account
        await house.notification.pool.execute(
            "UPDATE messages SET state = 'skipped' WHERE event ->> 'subject' = $1", gone["order_id"]
        )
    await house.fail_over()
    async with house.selling() as app:
        dry = [one for one in await house.find(app) if one.template]
        told = [one for one in await house.find(app, apply=True) if one.template]
        assert dry == told
        mail, event = sorted(told, key=lambda one: one.kind, reverse=True)
        assert (mail.kind, str(mail.order_id)) == ("mail_without_order", lost["order_id"])
        assert (mail.template, mail.user_id) == ("order_confirmation", USER)
        assert (mail.amount, mail.currency, mail.session_id) == (2 * PRICE, "CNY", session_id)
        assert (mail.order_no, mail.left) == (lost["order_no"], True)
        assert "order again" in mail.what
        assert (event.kind, str(event.order_id)) == ("event_without_order", gone["order_id"])
        assert await house.find(app, apply=True) == []
        assert kept["order_id"] not in {str(one.order_id) for one in told}


@pytest.mark.parametrize("orders", [3, 1100])
async def test_every_mail_of_many_pages_is_looked_at(house: LosingHouse, orders: int) -> None:
    async with house.selling() as app:
        session_id = app.neighbours.publish()
        await app.order(USER, session_id, seats=[1])
        await house.tell(app)
        await house.notification.pool.execute(
            "INSERT INTO messages (message_id, event_id, template, channel, user_id, event, state,"
            " next_attempt) SELECT overlay(message_id::text placing to_char(n, 'FM000000000000')"
            " from 25)::uuid, gen_random_uuid(), template, channel, user_id,"
            " jsonb_set(event::jsonb, '{subject}', to_jsonb(gen_random_uuid()::text))::json, 'sent',"
            " NULL FROM messages CROSS JOIN generate_series(1, $1) AS n",
            orders,
        )
        assert len([one for one in await house.find(app) if one.template]) == orders


async def test_holds_of_lost_orders_are_released_in_redis(house: LosingHouse) -> None:
    async with house.selling() as app:
        session_id = app.neighbours.publish()
        await app.order(OTHER, session_id, seats=[9])
    await house.keep_copy()
    async with house.selling() as app:
        lost = (await app.order(USER, session_id, seats=[1, 2])).json
    await house.fail_over()
    async with house.selling() as app:
        dry = await house.find(app)
        (hold,) = [one for one in dry if one.kind == "hold_without_order"]
        assert (str(hold.order_id), hold.seats) == (lost["order_id"], [1, 2])
        assert hold.session_id == session_id
        _, seats = await app.services.holds.state(session_id)
        assert seats[:2] == b"hh"
        done = await house.find(app, apply=True)
        assert {finding.left for finding in done} == {False}
        _, seats = await app.services.holds.state(session_id)
        assert (seats[:2], seats[8:9]) == (b"..", b"h")
        assert await house.find(app, apply=True) == []
        await is_sound(app)
