"""The Provider protocol over Stripe's API.

A payment takes three steps: create an intent (no money can move yet), store its id in our database, confirm
it. So every payment that could have taken money can be looked up by its intent id. That lookup is never
stale, unlike Stripe's search, and works for more than a day, unlike its idempotency keys. Looking up an
intent that was never confirmed cancels it, so that a process that slept between two steps cannot take money
later (docs/adr/0015).
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

import aiohttp
import msgspec
import stripe

from booking.providers.metadata import metadata_of
from booking.providers.options import read_options
from booking.providers.protocol import (
    Charge,
    ChargeResult,
    ListedCharge,
    ListedRefund,
    Provider,
    ProviderEvent,
    RefundResult,
)
from booking.providers.reference_store import References
from booking.providers.stripe.reading import (
    PaymentIntent,
    Refund,
    listed_charge,
    listed_refund,
    read_event,
)
from chassis.context import current
from chassis.http.bodies import full_match
from chassis.observability import logs
from chassis.postgres.pool import Pool
from chassis.problems import Unavailable
from chassis.seam.outgoing import passing_on_the_trace
from chassis.settings import Settings
from chassis.wiring import Wiring

log = logs.get("booking")

DEADLINE_S = 10.0  # a card's bank may take seconds; the reconciler asks after 15
RETRIES_MAX = 1  # the SDK's own, with the same idempotency key
CONNECTIONS_MAX = 100
PAGE_MAX = 100  # objects in an answer that lists them; Stripe's own limit
# Our payment method → Stripe's type and options.
METHODS = {
    "card": ("card", {}),
    "alipay": ("alipay", {}),
    "wechat_pay": ("wechat_pay", {"wechat_pay": {"client": "web"}}),
}
FOR_NOW = frozenset(("balance_insufficient", "lock_timeout", "idempotency_key_in_use"))

Kind = TypeVar("Kind", PaymentIntent, Refund)
SecretKey = Annotated[str, msgspec.Meta(pattern=full_match("(sk|rk)_[A-Za-z0-9_]{8,}"))]
WebhookSecret = Annotated[str, msgspec.Meta(pattern=full_match("whsec_[!-~]{8,}"))]


class StripeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """STAMPEDE_STRIPE_…; several webhook secrets during a rotation."""

    secret_key: SecretKey
    webhook_secrets: Annotated[tuple[WebhookSecret, ...], msgspec.Meta(min_length=1)]
    api_base: Annotated[str, msgspec.Meta(pattern=full_match(r"https?://[^\s/]+"))] = (
        "https://api.stripe.com"
    )


class StripeProvider:
    name = "stripe"

    def __init__(
        self,
        client: stripe.StripeClient,
        references: References,
        *,
        webhook_secrets: Sequence[str],
        return_url: str,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._deadline_s = deadline_s
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds
        self._references = references
        self._webhook_secrets = webhook_secrets
        self._return_url = return_url

    async def charge(self, charge: Charge) -> ChargeResult:
        async with _answered(self._deadline_s):
            try:
                intent_id = await self._create(charge)
            except stripe.InvalidRequestError as refused:  # for example an unsupported currency
                return _declined(charge, _reason(refused))
            if await self._references.note(charge.payment_id, intent_id) != intent_id:
                # closed by a look-up that found nothing, or created long ago as another intent
                return await self.look_up(charge.payment_id) or _declined(charge, "given_up")
            try:
                confirmed = await self._confirm(charge, intent_id)
            except (stripe.CardError, stripe.InvalidRequestError, stripe.IdempotencyError) as no:
                intent = await self._intent(intent_id)  # its state decides, not this refusal
                if intent.was_never_confirmed():
                    return _declined(charge, _reason(no))
                return intent.verdict()
            return confirmed.verdict()

    async def look_up(self, payment_id: UUID) -> ChargeResult | None:
        intent_id = await self._references.close(payment_id)
        if intent_id is None:
            return None
        async with _answered(self._deadline_s):
            intent = await self._intent(intent_id)
            if intent.was_never_confirmed():
                with contextlib.suppress(stripe.InvalidRequestError):  # confirmed just now
                    await self._intents.cancel_async(intent_id)
                intent = await self._intent(intent_id)
            return intent.verdict()

    async def refund(
        self, *, refund_id: UUID, payment_id: UUID, amount: int, currency: str
    ) -> RefundResult:
        intent_id = await self._references.find(payment_id)
        if intent_id is None:
            return RefundResult(state="failed", reason="no_such_charge")
        known = await self.look_up_refund(refund_id)
        if known is not None:  # Stripe forgets idempotency keys after a day; we do not
            return known
        await self._references.note(refund_id, intent_id)
        async with _answered(self._deadline_s):
            try:
                made = await self._refunds.create_async(
                    params={
                        "payment_intent": intent_id,
                        "amount": amount,
                        "metadata": {"refund_id": str(refund_id), "payment_id": str(payment_id)},
                    },
                    options={"idempotency_key": f"refund-{refund_id}"},
                )
            except stripe.InvalidRequestError as refused:
                if refused.code in FOR_NOW:
                    raise
                return RefundResult(state="failed", reason=_reason(refused))
            return _as(Refund, made).verdict()

    async def look_up_refund(self, refund_id: UUID) -> RefundResult | None:
        intent_id = await self._references.find(refund_id)
        if intent_id is None:
            return None
        async with _answered(self._deadline_s):
            page = await self._refunds.list_async(
                params={"payment_intent": intent_id, "limit": 100}
            )
            async for one in page.auto_paging_iter():
                refund = _as(Refund, one)
                if (refund.metadata or {}).get("refund_id") == str(refund_id):
                    return refund.verdict()
        return None

    async def list_charges(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[list[ListedCharge]]:
        async for page in self._pages(
            self._intents.list_async, since, until, expand=["data.latest_charge"]
        ):
            found = (listed_charge(_as(PaymentIntent, one)) for one in page)
            yield [one for one in found if one is not None]

    async def list_refunds(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[list[ListedRefund]]:
        async for page in self._pages(self._refunds.list_async, since, until):
            found = (listed_refund(_as(Refund, one)) for one in page)
            yield [one for one in found if one is not None]

    async def _pages(
        self, call: Any, since: datetime, until: datetime, **more: Any
    ) -> AsyncIterator[list[stripe.StripeObject]]:
        """Newest first, as Stripe lists. Its times are whole seconds: the first one counts whole."""
        span = {"gte": int(since.timestamp()), "lt": int(until.timestamp())}
        params: dict[str, Any] = {"created": span, "limit": PAGE_MAX, **more}
        while True:
            async with _answered(self._deadline_s):
                page = await call(params=params)
            if page.data:
                yield page.data
            if not page.has_more or not page.data:
                return
            params["starting_after"] = page.data[-1].id

    async def adopt(self, found: ListedCharge | ListedRefund) -> None:
        if found.reference is None:
            return
        ours = found.payment_id if isinstance(found, ListedCharge) else found.refund_id
        await self._references.adopt(ours, found.reference)

    def read_webhook(self, headers: Mapping[str, Any], body: bytes) -> ProviderEvent:
        return read_event(headers, body, self._webhook_secrets)

    async def _create(self, charge: Charge) -> str:
        """Creates the intent only from data stored with the payment, so a retry sends the same request."""
        kind, options = METHODS[charge.method]
        params: Any = {
            "amount": charge.amount,
            "currency": charge.currency.lower(),
            "payment_method_types": [kind],
            "metadata": metadata_of(charge),
        }
        if options:
            params["payment_method_options"] = options
        created = await self._intents.create_async(
            params=params, options={"idempotency_key": f"create-{charge.payment_id}"}
        )
        return created.id

    async def _confirm(self, charge: Charge, intent_id: str) -> PaymentIntent:
        confirmed = await self._intents.confirm_async(
            intent_id,
            params={"payment_method": charge.token, "return_url": self._return_url},
            options={"idempotency_key": f"confirm-{charge.payment_id}"},
        )
        return _as(PaymentIntent, confirmed)

    async def _intent(self, intent_id: str) -> PaymentIntent:
        return _as(PaymentIntent, await self._intents.retrieve_async(intent_id))


@contextlib.asynccontextmanager
async def _answered(deadline_s: float) -> AsyncIterator[None]:
    """Turns errors that do not reveal the payment's result into Unavailable; it is looked up later."""
    began_s = time.perf_counter()
    try:
        async with asyncio.timeout(deadline_s):
            yield
    except (stripe.AuthenticationError, stripe.PermissionError) as refused:
        log.error("provider_refused_us", provider="stripe", reason=type(refused).__name__)
        raise Unavailable() from refused
    except (stripe.StripeError, TimeoutError, msgspec.ValidationError) as unknown:
        log.warning("provider_unanswered", provider="stripe", reason=type(unknown).__name__)
        raise Unavailable() from unknown
    finally:
        current().spend("provider", began_s)


def _as(kind: type[Kind], found: stripe.StripeObject) -> Kind:
    return msgspec.convert(found.to_dict(), kind)


def _reason(refused: stripe.StripeError) -> str:
    return refused.code or "refused"


def _declined(charge: Charge, reason: str) -> ChargeResult:
    return ChargeResult(
        state="declined", amount=charge.amount, currency=charge.currency, reason=reason
    )


def read_settings(settings: Settings) -> StripeOptions:
    """Raises SettingsError."""
    return read_options(StripeOptions, "stripe", settings.provider_options)


@contextlib.asynccontextmanager
async def open_provider(
    wiring: Wiring, pool: Pool, *, deadline_s: float = DEADLINE_S
) -> AsyncIterator[Provider]:
    options = read_settings(wiring.settings)
    timeout = aiohttp.ClientTimeout(total=deadline_s)
    async with aiohttp.ClientSession(
        timeout=timeout,
        connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX),
        trace_configs=[passing_on_the_trace()],
    ) as session:
        client = stripe.StripeClient(
            options.secret_key,
            base_addresses={"api": options.api_base},
            max_network_retries=RETRIES_MAX,
            http_client=stripe.AIOHTTPClient(timeout=timeout, session=session),
        )
        yield StripeProvider(
            client,
            References(pool, "stripe"),
            webhook_secrets=options.webhook_secrets,
            return_url=f"{wiring.settings.base_url}/",
            deadline_s=deadline_s,
        )
