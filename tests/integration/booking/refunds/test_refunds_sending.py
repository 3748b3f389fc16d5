"""Refunds on their way: sent to the provider once, whatever it says and wherever the process dies."""

import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.providers.protocol import RefundResult
from booking.providers.signatures import sign
from booking.refunds import granting
from booking.refunds import sending as refund_sending
from booking.refunds.sending import take_refund_verdict
from booking.refunds.wire import RefundOrder
from booking.seats.reconciler import Reconciler
from chassis.postgres.pool import transaction
from chassis.problems import Unavailable
from contracts.booking import RefundChanged
from tests.support.booking import BookingApp, is_sound, running_booking
from tests.support.refunds import (
    PRICE,
    RefundingProvider,
    ask_back,
    bought,
    make_due,
    organizer_of,
    set_policy,
    told_of,
)

SECRET = "whsec_bmV3bmV3bmV3bmV3"


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url, webhook_secret=(SECRET,)) as running:
        yield running


class Killed(BaseException):
    """Where the process ends: nothing catches it."""


async def test_a_provider_that_does_not_answer_is_asked_again_and_pays_once(
    app: BookingApp,
) -> None:
    provider = RefundingProvider(app)
    user, paid = await bought(app, app.neighbours.publish())
    provider.verdicts = [Unavailable("cut"), RefundResult(state="pending")]
    asked = await ask_back(app, user, paid["order_id"])
    path = f"/refunds/{asked.json['refund_id']}"
    await app.services.refund_sending.send_due()
    assert (await app.get(path, user=user)).json["status"] == "processing"
    assert await app.services.refund_sending.send_due() == 0  # not before its time
    await make_due(app)
    await app.services.refund_sending.send_due()  # the provider knows nothing: asked with its key
    await make_due(app)
    provider.known[UUID(asked.json["refund_id"])] = RefundResult(state="succeeded")
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
    provider.verdicts = [RefundResult(state="failed", reason="card_closed")]
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
    provider.verdicts = [RefundResult(state="pending")]
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
    late = RefundResult(state="failed")
    async with transaction(app.services.pool) as tx:
        assert not await take_refund_verdict(tx, UUID(key), late)
        assert not await take_refund_verdict(tx, uuid4(), late)  # nobody's
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
    provider = app.provider
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
