"""Refunds over real stores: asked for, decided, sent, in whole and in parts."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking import granting, refund_sending
from booking.contract import OrderRefunded, RefundChanged, SeatsChanged
from booking.providers.protocol import RefundVerdict
from booking.providers.signatures import sign
from booking.refund_sending import take_refund_verdict
from booking.requests import RefundOrder
from booking.seats.reconcile import Reconciler
from chassis.postgres import transaction
from chassis.problems import Unavailable
from tests.support.booking import BookingApp, booking_tables, running_booking
from tests.support.refunds import (
    LET_IN,
    RefundingProvider,
    ask_back,
    bought,
    is_sound,
    organizer_of,
    set_policy,
)

PRICE = 128_000
SECRET = "whsec_bmV3bmV3bmV3bmV3"


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url, webhook_secret=(SECRET,)) as running:
        yield running


class Killed(BaseException):
    """Where the process ends: nothing catches it."""


async def told_of(app: BookingApp, type_: str, kind: type[Any]) -> list[Any]:
    """What the outbox has of one type."""
    rows = await app.services.pool.fetch(
        "SELECT data FROM outbox WHERE type = $1 ORDER BY position", type_
    )
    return [msgspec.json.decode(row["data"], type=kind) for row in rows]


async def make_due(app: BookingApp) -> None:
    """Time passes: every refund on its way may be tried again."""
    await app.services.pool.execute(
        "UPDATE refunds SET next_attempt = now() WHERE next_attempt IS NOT NULL"
    )


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


async def test_a_provider_that_does_not_answer_is_asked_again_and_pays_once(
    app: BookingApp,
) -> None:
    provider = RefundingProvider(app)
    user, paid = await bought(app, app.neighbours.publish())
    provider.verdicts = [Unavailable("cut"), RefundVerdict(state="pending")]
    asked = await ask_back(app, user, paid["order_id"])
    path = f"/refunds/{asked.json['refund_id']}"
    await app.services.refund_sending.send_due()
    assert (await app.get(path, user=user)).json["status"] == "processing"
    assert await app.services.refund_sending.send_due() == 0  # not before its time
    await make_due(app)
    await app.services.refund_sending.send_due()  # the provider knows nothing: asked with its key
    await make_due(app)
    provider.known[UUID(asked.json["refund_id"])] = RefundVerdict(state="succeeded")
    await app.services.refund_sending.send_due()  # and has it now: only looked up
    assert (await app.get(path, user=user)).json["status"] == "succeeded"
    assert len(provider.calls) == 2
    assert len(provider.sent) == 1
    await is_sound(app)


STEPS = ("before Redis hears", "before the provider", "behind the provider", "before it is settled")


def kill_at(
    step: str, app: BookingApp, provider: RefundingProvider, patch: pytest.MonkeyPatch
) -> None:
    """The process ends at this step, once, and nothing after it runs."""
    really = provider.refund

    async def die(*_: Any, **__: Any) -> Any:
        patch.undo()
        raise Killed

    async def pay_and_die(**asked: Any) -> Any:
        await really(**asked)
        await die()

    match step:
        case "before Redis hears":
            patch.setattr(granting, "give_back", die)
        case "before the provider":
            patch.setattr(provider, "refund", die)
        case "behind the provider":
            patch.setattr(provider, "refund", pay_and_die)
        case "before it is settled":
            patch.setattr(refund_sending, "settle_refund", die)


@pytest.mark.parametrize("step", STEPS)
async def test_killed_at_any_step_the_money_goes_back_once_and_all_is_sound(
    app: BookingApp, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The table of docs/refunds.md."""
    provider = RefundingProvider(app)
    session_id = app.neighbours.publish()
    user, paid = await bought(app, session_id)
    order_id = UUID(paid["order_id"])
    kill_at(step, app, provider, monkeypatch)

    async def ask_and_send() -> None:
        await app.services.refunds.request(user, order_id, RefundOrder("r"), "key")
        await app.services.refund_sending.send_due()

    with pytest.raises(Killed):
        await ask_and_send()
    again = await app.services.refunds.request(user, order_id, RefundOrder("r"), "key")
    assert again.headers["Idempotency-Replayed"] == "true"
    await make_due(app)
    await app.services.refund_sending.send_due()
    (refund,) = (await app.get(f"/orders/{order_id}/refunds", user=user)).json["refunds"]
    assert refund["status"] == "succeeded"
    assert provider.sent == {UUID(refund["refund_id"]): 2 * PRICE}
    seconds = iter((0.0, 60.0))
    reconciler = Reconciler(app.services.holds, now=lambda: next(seconds))
    for _ in range(2):
        await reconciler.reconcile_once(session_id)
    _, seats = await app.services.holds.state(session_id)
    assert seats[:3] == b"..."
    await is_sound(app)


async def test_a_refund_that_fails_is_seen_and_can_be_sent_under_a_new_key(
    app: BookingApp,
) -> None:
    provider = RefundingProvider(app)
    session_id = app.neighbours.publish()
    user, paid = await bought(app, session_id)
    provider.verdicts = [RefundVerdict(state="failed", reason="card_closed")]
    asked = await ask_back(app, user, paid["order_id"])
    path = f"/refunds/{asked.json['refund_id']}"
    await app.services.refund_sending.send_due()
    assert (await app.get(path, user=user)).json["status"] == "failed"
    with pytest.raises(AssertionError, match="card_closed"):
        await is_sound(app)
    organizer = organizer_of(app, session_id)
    retried = await app.post(f"{path}/retry", user=organizer)
    assert (retried.status, retried.json["status"]) == (200, "approved")
    await app.services.refund_sending.send_due()
    assert (await app.get(path, user=user)).json["status"] == "succeeded"
    assert len(set(provider.calls)) == 2
    again = await app.post(f"{path}/retry", user=organizer)
    assert (again.status, again.code) == (409, "refund-not-failed")
    await is_sound(app)


async def test_a_webhook_may_bring_the_last_word(app: BookingApp) -> None:
    provider = RefundingProvider(app)
    user, paid = await bought(app, app.neighbours.publish())
    provider.verdicts = [RefundVerdict(state="pending")]
    asked = await ask_back(app, user, paid["order_id"])
    await app.services.refund_sending.send_due()
    key = asked.json["refund_id"]
    told = {"key": key, "amount": 2 * PRICE, "currency": "CNY", "state": "succeeded"}
    body = msgspec.json.encode({"type": "refund.succeeded", "data": told | {"reason": None}})
    at = int(time.time())
    for n in range(3):  # said again and again, once under another id
        sent = {"webhook-id": f"msg_{n // 2}", "webhook-timestamp": str(at)}
        sent["webhook-signature"] = sign(SECRET, f"msg_{n // 2}", at, body)
        taken = await app.call("POST", "/payments/webhooks/sandbox", raw=body, headers=sent)
        assert taken.status == 200, taken
    assert (await app.get(f"/refunds/{key}", user=user)).json["status"] == "succeeded"
    late = RefundVerdict(state="failed")
    async with transaction(app.services.pool) as one:
        assert not await take_refund_verdict(one, UUID(key), late)
        assert not await take_refund_verdict(one, uuid4(), late)  # nobody's
    succeeded = await told_of(app, "stampede.refund.succeeded.v1", RefundChanged)
    assert [str(one.refund_id) for one in succeeded] == [key]
    await is_sound(app)


async def test_what_the_fee_takes_whole_needs_no_provider(app: BookingApp) -> None:
    provider = RefundingProvider(app)
    session_id = app.neighbours.publish()
    set_policy(app, session_id, fee_kind="percent", fee=100)
    user, paid = await bought(app, session_id)
    asked = await ask_back(app, user, paid["order_id"])
    assert asked.json["amount"] == 0
    await app.services.refund_sending.send_due()
    refund = (await app.get(f"/refunds/{asked.json['refund_id']}", user=user)).json
    assert (refund["status"], provider.calls) == ("succeeded", [])
    await is_sound(app)


async def test_the_sandbox_pays_back_in_parts_and_knows_each(app: BookingApp) -> None:
    user, paid = await bought(app, app.neighbours.publish())
    provider = app.services.refund_sending._provider
    for ticket in paid["tickets"]:
        tickets = [ticket["ticket_id"]]
        asked = await ask_back(app, user, paid["order_id"], ticket_ids=tickets)
        await app.services.refund_sending.send_due()
        refund_id = UUID(asked.json["refund_id"])
        read = (await app.get(f"/refunds/{refund_id}", user=user)).json
        assert read["status"] == "succeeded"
        known = await provider.look_up_refund(refund_id)
        assert known is not None
        assert known.state == "succeeded"
    beyond = await provider.refund(
        refund_id=uuid4(), payment_id=await payment_of(app, paid), amount=1, currency="CNY"
    )
    assert beyond.state == "failed"  # both parts together are all there was
    await is_sound(app)


async def payment_of(app: BookingApp, paid: Any) -> UUID:
    found: UUID = await app.services.pool.fetchval(
        "SELECT payment_id FROM payments WHERE order_id = $1", UUID(paid["order_id"])
    )
    return found
