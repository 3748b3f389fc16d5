"""What an order says of its seats once some were used, given away or given back; and who they came from."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.booking import BookingApp, running_booking
from tests.support.refunds import (
    LET_IN,
    PRICE,
    RefundingProvider,
    ask_back,
    bought,
    cancel_session,
    set_policy,
    work_off,
)

BUYER, FRIEND = uuid4(), uuid4()


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        RefundingProvider(running)
        running.neighbours.emails |= {"buyer@example.com": BUYER, "friend@example.com": FRIEND}
        yield running


async def give(app: BookingApp, user: UUID, ticket_id: str, to: str) -> Any:
    given = await app.post(f"/tickets/{ticket_id}/transfer", {"to_email": to}, user=user)
    assert given.status == 201, given
    return given.json


async def order_of(app: BookingApp, order_id: str, user: UUID = BUYER) -> Any:
    return (await app.get(f"/orders/{order_id}", user=user)).json


def statuses(order: Any) -> list[str]:
    return [place["status"] for place in order["places"]]


async def test_an_order_says_what_is_left_what_went_back_and_who_has_the_rest(
    app: BookingApp,
) -> None:
    session_id = app.neighbours.publish()
    set_policy(app, session_id, fee_kind="percent", fee=10)
    _, paid = await bought(app, session_id, user=BUYER, seats=[1, 2, 3, 4])
    used, given, back, _ = (ticket["ticket_id"] for ticket in paid["tickets"])
    fresh = await order_of(app, paid["order_id"])
    assert (statuses(fresh), fresh["tickets_left"]) == (["valid"] * 4, 4)
    assert not {"refunded_amount", "refund_cause", "session_cancelled"} & set(fresh)
    await app.services.pool.fetchval(LET_IN, UUID(used))
    assert (await give(app, BUYER, given, "friend@example.com"))["given_to"] == "a***@example.com"
    assert (await ask_back(app, BUYER, paid["order_id"], ticket_ids=[back])).status == 202

    order = await order_of(app, paid["order_id"])
    assert order["status"] == "paid"
    assert statuses(order) == ["checked_in", "given", "refunded", "valid"]
    assert (order["tickets_left"], order["total_amount"]) == (2, 4 * PRICE)
    assert (order["refunded_amount"], order["refund_cause"]) == (PRICE * 9 // 10, "buyer")
    in_use, gone, returned, valid = order["places"]
    assert [one.get("ticket_id") is None for one in order["places"]] == [False, True, True, False]
    assert gone["given_to"] == "a***@example.com"
    assert all("since" in one for one in (in_use, gone, returned))
    assert "since" not in valid
    assert [ticket["seat_id"] for ticket in order["tickets"]] == [1, 4]
    (listed,) = (await app.get("/orders", user=BUYER)).json["orders"]
    assert (listed["tickets_left"], listed["refunded_amount"]) == (2, PRICE * 9 // 10)


async def test_giver_and_receiver_read_of_each_other_what_privacy_allows(app: BookingApp) -> None:
    _, paid = await bought(app, app.neighbours.publish(), user=BUYER, seats=[1])
    ticket_id = paid["tickets"][0]["ticket_id"]
    new_id = (await give(app, BUYER, ticket_id, "friend@example.com"))["new_ticket_id"]
    old = (await app.get(f"/tickets/{ticket_id}", user=BUYER)).json
    assert (old["status"], old["void_reason"]) == ("void", "transferred")
    assert (old["given_to"], old["received_from"]) == ("a***@example.com", None)
    (new,) = (await app.get("/tickets", user=FRIEND)).json["tickets"]
    assert (new["ticket_id"], new["given_to"]) == (new_id, None)
    assert (new["received_from"], new["received_at"]) == ("a***@example.com", old["given_at"])
    assert str(BUYER) not in str(new)
    order = await order_of(app, paid["order_id"])
    assert (statuses(order), order["tickets_left"]) == (["given"], 0)

    await app.services.pool.fetchval(LET_IN, UUID(new_id))
    assert statuses(await order_of(app, paid["order_id"])) == ["given"], "when they go in is theirs"


async def test_a_ticket_that_was_given_back_is_the_buyers_again(app: BookingApp) -> None:
    _, paid = await bought(app, app.neighbours.publish(), user=BUYER, seats=[1])
    ticket_id = paid["tickets"][0]["ticket_id"]
    for user, to in ((BUYER, "friend@example.com"), (FRIEND, "buyer@example.com")):
        ticket_id = (await give(app, user, ticket_id, to))["new_ticket_id"]
    order = await order_of(app, paid["order_id"])
    (place,) = order["places"]
    assert (place["status"], place["ticket_id"]) == ("valid", ticket_id)
    assert order["tickets_left"] == 1
    assert "given_to" not in place


async def test_a_refund_that_waits_for_the_organizer_is_said_of_its_seat(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    set_policy(app, session_id, approval="organizer")
    _, paid = await bought(app, session_id, user=BUYER)
    ticket_id = paid["tickets"][0]["ticket_id"]
    await ask_back(app, BUYER, paid["order_id"], ticket_ids=[ticket_id])
    order = await order_of(app, paid["order_id"])
    assert statuses(order) == ["refund_requested", "valid"]
    assert order["places"][0]["ticket_id"] == ticket_id, "it is good until they say"
    assert (order["tickets_left"], "refunded_amount" in order) == (2, False)


async def test_a_cancelled_session_is_why_in_orders_and_tickets_paid_or_not(
    app: BookingApp,
) -> None:
    session_id = app.neighbours.publish()
    _, paid = await bought(app, session_id, user=BUYER)
    unpaid = (await app.order(FRIEND, session_id, seats=[5])).json
    assert "session_cancelled" not in await order_of(app, unpaid["order_id"], FRIEND)
    assert (await cancel_session(app, session_id)).status == 202
    await work_off(app)
    order = await order_of(app, paid["order_id"])
    assert (order["status"], order["refund_cause"]) == ("refunded", "session_cancelled")
    assert order["session_cancelled"]["reason"] == "台风"
    assert order["session_cancelled"]["cancelled_at"].endswith("Z")
    assert (order["refunded_amount"], order["tickets_left"]) == (2 * PRICE, 0)
    (listed,) = (await app.get("/orders", user=BUYER)).json["orders"]
    assert listed["session_cancelled"]["reason"] == "台风"
    ended = await order_of(app, unpaid["order_id"], FRIEND)
    assert (ended["status"], ended["cancel_reason"]) == ("cancelled", "session_cancelled")
    assert ended["session_cancelled"]["reason"] == "台风"
    for ticket in (await app.get("/tickets", user=BUYER)).json["tickets"]:
        assert (ticket["status"], ticket["session_cancelled_for"]) == ("void", "台风")
