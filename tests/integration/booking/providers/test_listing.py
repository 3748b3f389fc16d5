"""What was charged and refunded since a time, page by page, with what each charge paid for."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.providers import stripe
from booking.providers.protocol import Charge, Purchase
from booking.providers.sandbox.adapter import SandboxProvider
from booking.providers.sandbox.app import SandboxApp
from booking.providers.sandbox.controls import Controls, Steering
from chassis.ids import uuid7
from chassis.postgres.pool import Pool, open_pool
from chassis.seam.client import ServiceClient, UpstreamRefused
from chassis.settings import Settings
from tests.support.sandbox import Sandbox, new_charge, running_sandbox
from tests.support.stripe_api import KEY, StripeApi, stripe_api

BOUGHT = Purchase(order_no="260815000042", user_id=uuid4(), session_id=uuid4(), seats=[3, 4])
SINCE = datetime.now(UTC) - timedelta(minutes=1)
UNTIL = SINCE + timedelta(days=1)


class Wiring:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings


@pytest.fixture
async def api() -> AsyncIterator[StripeApi]:
    async with stripe_api() as running:
        yield running


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_url, "booking", size=4)
    yield opened
    opened.terminate()


@pytest.fixture
async def stripe_provider(api: StripeApi, pool: Pool) -> AsyncIterator[Any]:
    options = {"secret_key": KEY, "webhook_secrets": "whsec_0123456789", "api_base": api.url}
    wiring: Any = Wiring(Settings(payment_provider="stripe", provider_options=options))
    async with stripe.open_provider(wiring, pool) as provider:
        yield provider


@pytest.fixture
async def sandbox(database_url: str) -> AsyncIterator[Sandbox]:
    async with running_sandbox(database_url) as running:
        yield running


def a_charge(token: str, amount: int = 1_000) -> Charge:
    return msgspec.structs.replace(new_charge(token, amount=amount), method="card", purchase=BOUGHT)


async def charges(provider: Any, since: datetime = SINCE, until: datetime = UNTIL) -> list[Any]:
    return [one async for page in provider.list_charges(since, until) for one in page]


async def refunds(provider: Any, since: datetime = SINCE, until: datetime = UNTIL) -> list[Any]:
    return [one async for page in provider.list_refunds(since, until) for one in page]


async def lists_all(provider: Any, ok: str, declined: str, made: Callable[[], int]) -> None:
    """Whatever the provider: five charges, more than a page, one of them declined, one refunded in part."""
    wanted = [a_charge(declined if n == 2 else ok) for n in range(5)]
    for charge in wanted:
        await provider.charge(charge)
    await provider.refund(
        refund_id=UUID(int=9), payment_id=wanted[0].payment_id, amount=300, currency="CNY"
    )
    found = {one.payment_id: one for one in await charges(provider)}
    assert found.keys() == {charge.payment_id for charge in wanted}
    states = [found[charge.payment_id].result.state for charge in wanted]
    assert states == ["succeeded", "succeeded", "declined", "succeeded", "succeeded"]
    first = found[wanted[0].payment_id]
    assert (first.result.amount, first.result.currency, first.refunded) == (1_000, "CNY", 300)
    assert (first.order_id, first.purchase) == (wanted[0].order_id, BOUGHT)
    assert first.method == "card"
    assert SINCE < first.created_at < UNTIL
    (refund,) = await refunds(provider)
    assert (refund.refund_id, refund.payment_id) == (UUID(int=9), wanted[0].payment_id)
    assert (refund.amount, refund.currency, refund.result.state) == (300, "CNY", "succeeded")
    late = UNTIL + timedelta(days=1)
    assert await charges(provider, UNTIL, late) == await refunds(provider, UNTIL, late) == []
    assert made() > 2  # several pages


async def test_stripe_lists_what_is_ours_page_by_page(stripe_provider: Any, api: StripeApi) -> None:
    await lists_all(
        stripe_provider,
        "pm_card_visa",
        "pm_card_visa_chargeDeclined",
        lambda: api.calls.count("GET payment_intents"),
    )
    for intent in api.intents.values():
        intent["metadata"] = {"payment_id": "another shop's"}
    assert await charges(stripe_provider) == []


async def test_the_sandbox_lists_page_by_page(sandbox: Sandbox) -> None:
    app = SandboxApp(sandbox.pool, Steering(sandbox.pool, Controls()), page_max=2)
    asked: list[tuple[str, str]] = []

    async def counted(scope: Any, receive: Any, send: Any) -> None:
        asked.append((scope["method"], scope["path"]))
        await app(scope, receive, send)

    await lists_all(
        SandboxProvider(ServiceClient(counted), ()),
        "tok_ok",
        "tok_declined",
        lambda: asked.count(("GET", "/charges")),
    )


@pytest.mark.parametrize("query", ["", "?since=x&until=y", "?since=2026-08-15T11:30:00&until=now"])
async def test_the_sandbox_refuses_a_span_that_is_none(sandbox: Sandbox, query: str) -> None:
    with pytest.raises(UpstreamRefused, match="400 validation-failed"):
        await sandbox.client.request("GET", f"/charges{query}")


async def test_metadata_that_is_not_ours_is_no_purchase(sandbox: Sandbox) -> None:
    await sandbox.provider.charge(a_charge("tok_ok"))
    for seats, user in (("3,x", str(uuid4())), ("3", "nobody")):
        await sandbox.execute(
            "UPDATE charges SET metadata = metadata || jsonb_build_object('seats', $1::text,"
            " 'user_id', $2::text)",
            seats,
            user,
        )
        (found,) = await charges(sandbox.provider)
        assert found.purchase is None
        assert found.order_id is not None


async def test_a_charge_whose_reference_was_lost_can_be_looked_up_and_refunded_again(
    stripe_provider: Any, pool: Pool
) -> None:
    """Looked for in vain it was closed; what Stripe lists is stronger. A noted id stays."""
    charge = a_charge("pm_card_visa")
    taken = await stripe_provider.charge(charge)
    refund = {"payment_id": charge.payment_id, "amount": 300, "currency": "CNY"}
    assert (await stripe_provider.refund(refund_id=UUID(int=9), **refund)).state == "succeeded"
    await pool.execute("DELETE FROM provider_references")
    assert await stripe_provider.look_up(charge.payment_id) is None
    (listed,), (refunded,) = await charges(stripe_provider), await refunds(stripe_provider)
    for found in (listed, refunded):
        await stripe_provider.adopt(found)
        await stripe_provider.adopt(msgspec.structs.replace(found, reference="pi_another"))
    assert await stripe_provider.look_up(charge.payment_id) == taken
    again = await stripe_provider.refund(refund_id=UUID(int=9), **refund)
    assert again.state == "succeeded"
    assert len(await refunds(stripe_provider)) == 1  # found by its key, not sent again
    rest = refund | {"amount": 700}
    assert (await stripe_provider.refund(refund_id=uuid7(), **rest)).state == "succeeded"
