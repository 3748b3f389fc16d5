"""The stripe provider against a local API that answers in Stripe's shapes."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
import stripe as sdk

from booking.domain.problems import BadSignature, StaleTimestamp
from booking.providers import stripe
from booking.providers.metrics import timed
from booking.providers.protocol import Charge, ChargeResult, RefundResult
from booking.providers.reference_store import References
from booking.providers.stripe.reading import PaymentIntent, read_event
from chassis.context import CURRENT, RequestContext
from chassis.observability.tracer import Tracer
from chassis.postgres.pool import Pool, open_pool
from chassis.problems import Unavailable, ValidationFailed
from chassis.settings import Settings, SettingsError
from runtime.services import migrate_all
from tests.support.booking import at_once, booking_tables, running_booking
from tests.support.sandbox import new_charge
from tests.support.spans import tracing
from tests.support.stripe_api import KEY, StripeApi, stripe_api

SECRET, NEXT = "whsec_test_secret_0001", "whsec_test_secret_0002"


class Rig:
    def __init__(self, api: StripeApi, provider: Any, pool: Pool) -> None:
        self.api, self.provider, self.pool = api, provider, pool


def options(api: StripeApi) -> dict[str, str]:
    return {
        "secret_key": KEY,
        "webhook_secrets": f"{SECRET},{NEXT}",
        "api_base": api.url,
    }


class _Wiring:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings


@pytest.fixture
async def api() -> AsyncIterator[StripeApi]:
    async with stripe_api() as running:
        yield running


@pytest.fixture(scope="module")
async def pool(run_database: Callable[[str], Awaitable[str]]) -> AsyncIterator[Pool]:
    url = await run_database("stripe")
    await migrate_all(url, ("booking",))
    opened = await open_pool(url, "booking", size=4)
    yield opened
    await opened.close()


@asynccontextmanager
async def rig_of(api: StripeApi, pool: Pool, **limits: float) -> AsyncIterator[Rig]:
    settings = Settings(payment_provider="stripe", provider_options=options(api))
    wiring: Any = _Wiring(settings)
    async with stripe.open_provider(wiring, pool, **limits) as provider:
        yield Rig(api, provider, pool)


@pytest.fixture
async def rig(api: StripeApi, pool: Pool) -> AsyncIterator[Rig]:
    async with rig_of(api, pool) as made:
        yield made


def charge_with(token: str, method: str = "card", **changes: Any) -> Charge:
    return msgspec.structs.replace(new_charge(token), method=method, **changes)


TAKEN = ChargeResult(state="succeeded", amount=1_000, currency="CNY")


async def test_a_card_is_charged_once_under_our_ids(rig: Rig) -> None:
    charge = charge_with("pm_card_visa")
    assert await at_once([rig.provider.charge(charge) for _ in range(5)]) == [TAKEN] * 5
    assert await rig.provider.look_up(charge.payment_id) == TAKEN
    (intent,) = rig.api.intents.values()
    assert (intent["amount"], intent["currency"]) == (1_000, "cny")
    ours = {"payment_id": str(charge.payment_id), "order_id": str(charge.order_id)}
    assert intent["metadata"] == ours
    rig.api.forget_keys()  # a day later, when Stripe would take the key for a new one
    assert await rig.provider.charge(charge) == TAKEN
    assert rig.api.captured() == 1_000


@pytest.mark.parametrize("share", [1.0, 0.0])
async def test_a_sampled_charge_tells_stripe_its_span(rig: Rig, share: float) -> None:
    with tracing() as kept:
        tracer, context = Tracer(kept, share=share), RequestContext("pays")
        part = tracer.root(context, "booking")
        token = CURRENT.set(context)
        try:
            await timed("stripe", "charge", rig.provider.charge(charge_with("pm_card_visa")))
        finally:
            CURRENT.reset(token)
        tracer.finish(part, "POST /pay", 0.0, {})
    assert rig.api.calls, "nothing was asked"
    if share:
        span = kept.one("charge stripe")
        told = f"00-{part.trace_hex}-{span.span_id:016x}-01"
        assert rig.api.traceparents == [told] * len(rig.api.calls)
    else:
        assert set(rig.api.traceparents) == {None}


async def test_what_stripe_refuses_is_declined_with_its_word_for_it(rig: Rig) -> None:
    declined = charge_with("pm_card_visa_chargeDeclined")
    verdict = await rig.provider.charge(declined)
    assert (verdict.state, verdict.reason) == ("declined", "generic_decline")
    assert await rig.provider.look_up(declined.payment_id) == verdict
    unknown = await rig.provider.charge(charge_with("tok_nonsense"))
    assert (unknown.state, unknown.reason) == ("declined", "resource_missing")
    small = await rig.provider.charge(charge_with("pm_card_visa", amount=1))
    assert (small.state, small.reason) == ("declined", "amount_too_small")
    assert rig.api.captured() == 0


async def test_wallets_wait_for_the_buyer(rig: Rig) -> None:
    for token, method in (("pm_alipay", "alipay"), ("pm_wechat", "wechat_pay")):
        charge = charge_with(token, method)
        pending = ChargeResult(state="pending", amount=1_000, currency="CNY")
        assert await rig.provider.charge(charge) == pending
        assert await rig.provider.look_up(charge.payment_id) == pending
    kinds = [intent["payment_method_types"] for intent in rig.api.intents.values()]
    assert kinds == [["alipay"], ["wechat_pay"]]


@pytest.fixture
async def impatient(api: StripeApi, pool: Pool) -> AsyncIterator[Rig]:
    """Nobody waits ten seconds for an answer that does not come."""
    async with rig_of(api, pool, deadline_s=0.5) as made:
        yield made


async def test_money_taken_in_silence_is_found_by_asking(impatient: Rig) -> None:
    charge = charge_with("pm_card_visa")
    impatient.api.silent.add("confirm")
    with pytest.raises(Unavailable):
        await impatient.provider.charge(charge)
    impatient.api.forget_keys()
    assert await impatient.provider.look_up(charge.payment_id) == TAKEN
    assert await impatient.provider.charge(charge) == TAKEN
    assert impatient.api.captured() == 1_000


async def test_an_intent_nobody_confirmed_is_ended_by_asking(impatient: Rig) -> None:
    """A process slept between its two calls: it must find the door shut."""
    charge = charge_with("pm_card_visa")
    impatient.api.failing["confirm"] = (503, {"type": "api_error", "message": "down"})
    with pytest.raises(Unavailable):
        await impatient.provider.charge(charge)
    impatient.api.failing.clear()
    verdict = await impatient.provider.look_up(charge.payment_id)
    assert (verdict.state, verdict.reason) == ("declined", "canceled")
    late = await impatient.provider.charge(charge)
    assert late.state == "declined"
    assert impatient.api.captured() == 0


async def test_a_payment_looked_up_in_vain_can_never_be_charged(rig: Rig) -> None:
    charge = charge_with("pm_card_visa")
    assert await rig.provider.look_up(charge.payment_id) is None
    verdict = await rig.provider.charge(charge)
    assert (verdict.state, verdict.reason) == ("declined", "given_up")
    assert rig.api.captured() == 0


async def test_a_wrong_key_or_a_broken_api_says_nothing_of_the_payment(rig: Rig) -> None:
    for status, error in (
        (401, {"type": "invalid_request_error", "message": "Invalid API Key"}),
        (403, {"type": "invalid_request_error", "message": "no"}),
        (429, {"type": "invalid_request_error", "code": "rate_limit", "message": "slow down"}),
    ):
        rig.api.failing["payment_intents"] = (status, error)
        with pytest.raises(Unavailable):
            await rig.provider.charge(charge_with("pm_card_visa"))


async def test_refunds_in_parts_are_made_once_and_add_up(rig: Rig) -> None:
    charge = charge_with("pm_card_visa")
    await rig.provider.charge(charge)
    first, second, third = uuid4(), uuid4(), uuid4()

    async def refund(refund_id: UUID, amount: int) -> RefundResult:
        verdict: RefundResult = await rig.provider.refund(
            refund_id=refund_id, payment_id=charge.payment_id, amount=amount, currency="CNY"
        )
        return verdict

    back = RefundResult(state="succeeded")
    assert await rig.provider.look_up_refund(first) is None
    assert (await refund(first, 600), await refund(first, 600)) == (back, back)
    rig.api.forget_keys()
    assert await refund(first, 600) == back
    too_much = await refund(second, 401)
    assert (too_much.state, too_much.reason) == ("failed", "charge_already_refunded")
    assert await refund(third, 400) == back
    assert sum(one["amount"] for one in rig.api.refunds.values()) == 1_000
    assert await rig.provider.look_up_refund(third) == back
    rig.api.failing["refunds"] = (400, {"type": "invalid_request_error", "code": "lock_timeout"})
    with pytest.raises(Unavailable):
        await refund(uuid4(), 1)
    nobodys = await rig.provider.refund(
        refund_id=uuid4(), payment_id=uuid4(), amount=1, currency="CNY"
    )
    assert (nobodys.state, nobodys.reason) == ("failed", "no_such_charge")


def event(type_: str, object_: dict[str, Any]) -> bytes:
    """The shape of https://docs.stripe.com/api/events/object."""
    return json.dumps(
        {
            "id": "evt_1NG8Du2eZvKYlo2CUI79vXWy",
            "object": "event",
            "api_version": "2026-01-28",
            "created": 1_686_089_970,
            "data": {"object": object_},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": type_,
        }
    ).encode()


def intent(**changes: Any) -> dict[str, Any]:
    """https://docs.stripe.com/api/payment_intents/object, less what is null."""
    shape = {
        "id": "pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "object": "payment_intent",
        "amount": 2_000,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 2_000,
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": "pi_3MtwBwLkdIwHu7ix28a3tqPa_secret_YrKJUKribcBjcG8HVhfZluoGH",
        "currency": "usd",
        "last_payment_error": None,
        "metadata": {"payment_id": str(UUID(int=7))},
        "payment_method_types": ["card"],
        "status": "succeeded",
    }
    return shape | changes


def signed(body: bytes, *, secret: str = SECRET, age_s: int = 0) -> dict[str, str]:
    at = int(time.time()) - age_s
    header = sdk.WebhookSignature.generate_signature_header(body.decode(), secret, at)
    return {"stripe-signature": header}


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({}, "succeeded", None),
        ({"status": "processing", "amount_received": 0}, "pending", None),
        ({"status": "requires_action", "amount_received": 0}, "pending", None),
        ({"status": "requires_capture", "amount_received": 0}, "pending", None),
        (
            {
                "status": "requires_payment_method",
                "last_payment_error": {"code": "card_declined", "decline_code": "do_not_honor"},
            },
            "declined",
            "do_not_honor",
        ),
        ({"status": "canceled", "cancellation_reason": "abandoned"}, "declined", "abandoned"),
    ],
)
def test_every_status_of_an_intent_has_its_verdict(
    changes: dict[str, Any], state: str, reason: str | None
) -> None:
    verdict = msgspec.convert(intent(**changes), PaymentIntent).verdict()
    assert (verdict.state, verdict.reason) == (state, reason)
    assert (verdict.amount, verdict.currency) == (2_000, "USD")


def test_an_events_verdict_is_read_from_its_object() -> None:
    body = event("payment_intent.succeeded", intent())
    for secret in (SECRET, NEXT):
        told = read_event(signed(body, secret=secret), body, (SECRET, NEXT))
        assert (told.event_id, told.payment_id) == ("evt_1NG8Du2eZvKYlo2CUI79vXWy", UUID(int=7))
        assert told.verdict == ChargeResult(state="succeeded", amount=2_000, currency="USD")
    refund = {"id": "re_1", "object": "refund", "amount": 5, "currency": "usd"}
    refund |= {"status": "failed", "failure_reason": "lost_or_stolen_card"}
    body = event("refund.failed", refund | {"metadata": {"refund_id": str(UUID(int=8))}})
    told = read_event(signed(body), body, (SECRET,))
    assert told.refund_id == UUID(int=8)
    assert told.refund_verdict == RefundResult(state="failed", reason="lost_or_stolen_card")


def test_what_is_not_ours_or_not_of_interest_has_no_verdict() -> None:
    for type_, object_ in (
        ("payment_intent.succeeded", intent(metadata={})),
        ("customer.created", {"id": "cus_1"}),
        ("refund.updated", {"id": "re_1", "amount": 1, "currency": "usd", "metadata": None}),
    ):
        body = event(type_, object_)
        told = read_event(signed(body), body, (SECRET,))
        assert told.payment_id is told.verdict is told.refund_id is told.refund_verdict is None


def test_a_forged_stale_or_broken_event_is_refused() -> None:
    body = event("payment_intent.succeeded", intent())
    good = signed(body)
    for headers, sent in (
        ({}, body),
        (signed(body, secret="whsec_somebody_elses"), body),
        (good, body[:-1]),
        (good, body.replace(b"2000", b"2001")),
        (good, b"\xff" + body),
        ({"stripe-signature": "t=ÿ,v1=ÿ"}, body),
        ({"stripe-signature": "nonsense"}, body),
        ({"stripe-signature": good["stripe-signature"] + ",v1=" + "0" * 4_000}, body),
    ):
        with pytest.raises(BadSignature):
            read_event(headers, sent, (SECRET, NEXT))
    for age_s in (302, -305):
        with pytest.raises(StaleTimestamp):
            read_event(signed(body, age_s=age_s), body, (SECRET,))
    for wrong in (b"{}", b"[1]", event("refund.updated", {}), event("payment_intent.canceled", {})):
        with pytest.raises(ValidationFailed):
            read_event(signed(wrong), wrong, (SECRET,))


async def test_an_order_is_paid_and_told_of_through_stripe(
    api: StripeApi, database_url: str, redis_url: str
) -> None:
    user = uuid4()
    async with running_booking(
        database_url, redis_url, payment_provider="stripe", provider_options=options(api)
    ) as app:
        order_id = (await app.order(user, app.neighbours.publish())).json["order_id"]
        waiting = await app.pay(user, order_id, "pm_alipay")
        assert waiting.status == 202
        (held,) = api.intents.values()
        held |= {"status": "succeeded", "amount_received": held["amount"]}
        body = event("payment_intent.succeeded", held)
        for _ in range(2):
            told = await app.post("/payments/webhooks/stripe", raw=body, headers=signed(body))
            assert told.status == 200
        assert (await app.get(f"/orders/{order_id}", user=user)).json["status"] == "paid"
        assert (await app.post("/payments/webhooks/sandbox", {})).status == 404
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM provider_events") == 1


async def test_the_first_word_about_a_reference_stands(rig: Rig) -> None:
    references, ours = References(rig.pool, "stripe"), uuid4()
    said = await at_once([references.note(ours, f"pi_{n}") for n in range(5)])
    assert len(set(said)) == 1
    assert await references.close(ours) == said[0]


def test_wrong_settings_are_named_all_at_once() -> None:
    given = {"secret_key": "pk_live_public", "webhook_secret": "whsec_x", "api_base": "stripe.com"}
    with pytest.raises(SettingsError) as caught:
        stripe.read_settings(Settings(payment_provider="stripe", provider_options=given))
    for name in ("SECRET_KEY", "WEBHOOK_SECRET ", "API_BASE", "WEBHOOK_SECRETS is required"):
        assert f"STAMPEDE_STRIPE_{name}" in str(caught.value)
    assert "pk_live" not in str(caught.value)
