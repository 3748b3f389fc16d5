"""Refunds over real stores: asked for and decided, in whole and in parts."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.booking import OrderRefunded, RefundChanged, SeatsChanged
from tests.support.booking import BookingApp, booking_tables, is_sound, running_booking
from tests.support.refunds import (
    LET_IN,
    PRICE,
    RefundingProvider,
    ask_back,
    bought,
    organizer_of,
    set_policy,
    told_of,
)


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


async def test_a_whole_order_is_refunded_its_tickets_void_and_its_seats_on_sale(
    app: BookingApp,
) -> None:
    provider = RefundingProvider(app)
    session_id = app.neighbours.publish(max_tickets_per_user=2)
    user, paid = await bought(app, session_id)
    order_id, ticket_id = paid["order_id"], paid["tickets"][0]["ticket_id"]
    asked = await ask_back(app, user, order_id)
    assert (asked.status, asked.json["status"]) == (202, "approved")
    assert (asked.json["price"], asked.json["fee"], asked.json["amount"]) == (
        2 * PRICE, 0, 2 * PRICE,
    )  # fmt: skip
    assert (await app.get(f"/orders/{order_id}", user=user)).json["status"] == "refunded"
    assert (await app.get(f"/tickets/{ticket_id}", user=user)).json["status"] == "void"
    _, seats = await app.services.holds.state(session_id)
    assert seats[:3] == b"..."
    assert provider.calls == []  # nobody waits for the provider
    await is_sound(app)
    await app.services.refund_sending.send_due()
    refund = (await app.get(f"/refunds/{asked.json['refund_id']}", user=user)).json
    assert refund["status"] == "succeeded"
    assert provider.sent == {UUID(asked.json["refund_id"]): 2 * PRICE}
    history = (await app.get(f"/orders/{order_id}/events", user=user)).json["events"]
    assert [event["type"].split(".", 1)[1] for event in history[-4:]] == [
        "refund.requested.v1", "refund.approved.v1", "order.refunded.v1", "refund.succeeded.v1",
    ]  # fmt: skip
    (whole,) = await told_of(app, "stampede.order.refunded.v1", OrderRefunded)
    assert (whole.amount, str(whole.order_id)) == (2 * PRICE, order_id)
    (released,) = await told_of(app, "stampede.seats.released.v1", SeatsChanged)
    assert released.seats == [1, 2]
    # the buyer's tally and the seats are free again, in both stores
    again = await app.order(user, session_id, seats=[1, 2])
    assert again.status == 201, again
    await is_sound(app)


async def test_single_tickets_go_back_one_by_one_and_the_order_with_the_last(
    app: BookingApp,
) -> None:
    provider = RefundingProvider(app)
    session_id = app.neighbours.publish()
    set_policy(app, session_id, fee_kind="percent", fee=15)
    user, paid = await bought(app, session_id, seats=(1, 2, 3))
    order_id, tickets = paid["order_id"], [one["ticket_id"] for one in paid["tickets"]]
    offer = (await app.get(f"/orders/{order_id}/refunds", user=user)).json["offer"]
    assert (offer["allowed"], offer["amount"], len(offer["tickets"])) == (True, 326_400, 3)
    first = await ask_back(app, user, order_id, ticket_ids=tickets[1:2])
    assert (first.json["fee"], first.json["amount"]) == (19_200, 108_800)
    read = (await app.get(f"/orders/{order_id}", user=user)).json
    assert (read["status"], [one["seat_id"] for one in read["tickets"]]) == ("paid", [1, 3])
    await is_sound(app)
    # the freed seat is another's to buy while the rest of the order lives
    other, _ = await bought(app, session_id, seats=(2,))
    assert other != user
    again = await ask_back(app, user, order_id, ticket_ids=tickets[1:2])
    assert (again.status, again.code) == (409, "refund-already-requested")
    assert again.json["refund_id"] == first.json["refund_id"]
    rest = await ask_back(app, user, order_id)
    assert [one["seat_id"] for one in rest.json["tickets"]] == [1, 3]
    assert (await app.get(f"/orders/{order_id}", user=user)).json["status"] == "refunded"
    await app.services.refund_sending.send_all_due()
    assert sum(provider.sent.values()) == offer["amount"]
    listed = (await app.get(f"/orders/{order_id}/refunds", user=user)).json
    assert [one["status"] for one in listed["refunds"]] == ["succeeded", "succeeded"]
    assert (listed["offer"]["allowed"], listed["offer"]["code"]) == (
        False, "refund-already-requested",
    )  # fmt: skip
    await is_sound(app)


async def test_the_same_key_asks_once(app: BookingApp) -> None:
    session_id = app.neighbours.publish()
    user, paid = await bought(app, session_id)
    first = await ask_back(app, user, paid["order_id"], key="k1")
    second = await ask_back(app, user, paid["order_id"], key="k1")
    assert (second.status, second.json) == (202, first.json)
    assert second.headers["Idempotency-Replayed"] == "true"
    other = await ask_back(app, user, paid["order_id"], key="k1", reason="another")
    assert (other.status, other.code) == (422, "idempotency-key-reused")


async def test_who_may_not_is_told_why(app: BookingApp, database_url: str) -> None:
    session_id = app.neighbours.publish(rows=3)
    user = uuid4()
    pending = (await app.order(user, session_id, seats=[1])).json["order_id"]
    unpaid = await ask_back(app, user, pending)
    assert (unpaid.status, unpaid.code) == (409, "order-not-refundable")
    _, paid = await bought(app, session_id, user=user, seats=(2, 3))
    order_id = paid["order_id"]
    stranger = await ask_back(app, uuid4(), order_id)
    assert (stranger.status, stranger.code) == (404, "not-found")
    foreign = await ask_back(app, user, order_id, ticket_ids=[str(uuid4())])
    assert (foreign.status, foreign.json["errors"][0]["field"]) == (400, "ticket_ids.0")
    twice = [paid["tickets"][0]["ticket_id"]] * 2
    assert (await ask_back(app, user, order_id, ticket_ids=twice)).status == 400
    async with booking_tables(database_url) as tables:
        await tables.execute(
            LET_IN,
            paid["tickets"][0]["ticket_id"],
        )
    inside = await ask_back(app, user, order_id)
    assert (inside.status, inside.code, inside.json["reason"]) == (
        409, "refund-not-allowed", "checked_in",
    )  # fmt: skip
    assert inside.json["tickets"] == [paid["tickets"][0]["ticket_id"]]
    outside = await ask_back(app, user, order_id, ticket_ids=[paid["tickets"][1]["ticket_id"]])
    assert outside.status == 202
    await is_sound(app)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [({"refundable": False}, "not_refundable"), ({"until_hours": 48}, "too_late")],
)
async def test_the_terms_of_the_show_are_kept(
    app: BookingApp, policy: dict[str, Any], reason: str
) -> None:
    starts_at = datetime.now(UTC) + timedelta(hours=47)
    session_id = app.neighbours.publish(starts_at=starts_at)
    set_policy(app, session_id, **policy)
    user, paid = await bought(app, session_id)
    refused = await ask_back(app, user, paid["order_id"])
    assert (refused.status, refused.code) == (409, "refund-not-allowed")
    assert refused.json["reason"] == reason
    offer = (await app.get(f"/orders/{paid['order_id']}/refunds", user=user)).json["offer"]
    assert (offer["allowed"], offer["code"], offer["reason"], offer["amount"]) == (
        False, "refund-not-allowed", reason, 0,
    )  # fmt: skip


async def test_an_organizer_decides_where_the_show_says_so(app: BookingApp) -> None:
    provider = RefundingProvider(app)
    session_id = app.neighbours.publish()
    set_policy(app, session_id, approval="organizer", fee_kind="fixed", fee=1_000)
    organizer = organizer_of(app, session_id)
    user, paid = await bought(app, session_id)
    order_id, tickets = paid["order_id"], [one["ticket_id"] for one in paid["tickets"]]
    one = await ask_back(app, user, order_id, ticket_ids=tickets[:1])
    two = await ask_back(app, user, order_id, ticket_ids=tickets[1:])
    assert {one.json["status"], two.json["status"]} == {"requested"}
    assert (await app.get(f"/orders/{order_id}", user=user)).json["status"] == "paid"
    listed = await app.get("/refunds?status=requested", user=organizer)
    assert [r["refund_id"] for r in listed.json["refunds"]] == [
        one.json["refund_id"], two.json["refund_id"],
    ]  # fmt: skip
    assert (await app.get("/refunds", user=user)).status == 403
    elsewhere = organizer_of(app, app.neighbours.publish())
    path = f"/refunds/{one.json['refund_id']}"
    assert (await app.get(path, user=elsewhere)).status == 404
    assert (await app.post(f"{path}/approve", user=elsewhere)).status == 404
    assert (await app.post(f"{path}/approve", user=user)).status == 403
    assert (await app.get("/refunds", user=elsewhere)).json["total"] == 0
    granted = await app.post(f"{path}/approve", {"note": "好的"}, user=organizer)
    assert (granted.status, granted.json["status"], granted.json["note"]) == (
        200, "approved", "好的",
    )  # fmt: skip
    assert (await app.post(f"{path}/approve", user=organizer)).status == 200
    refused = await app.post(f"{path}/reject", user=organizer)
    assert (refused.status, refused.code) == (409, "refund-already-decided")
    other = f"/refunds/{two.json['refund_id']}"
    rejected = await app.post(f"{other}/reject", {"note": "不行"}, user=organizer)
    assert rejected.json["status"] == "rejected"
    assert (await app.post(f"{other}/approve", user=organizer)).code == "refund-already-decided"
    await app.services.refund_sending.send_due()
    assert list(provider.sent.values()) == [PRICE - 1_000]
    read = (await app.get(f"/orders/{order_id}", user=user)).json
    assert (read["status"], len(read["tickets"])) == ("paid", 1)
    types = {"approved": granted, "rejected": rejected}
    for word, answer in types.items():
        (event,) = await told_of(app, f"stampede.refund.{word}.v1", RefundChanged)
        assert (str(event.refund_id), event.automatic) == (answer.json["refund_id"], False)
    # what was rejected can be asked for anew
    assert (await ask_back(app, user, order_id)).status == 202
    await is_sound(app)
