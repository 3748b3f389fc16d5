"""Booking's side of the sandbox: the Provider protocol over its HTTP routes."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from booking.providers.protocol import Charge, Provider, ProviderEvent, RefundVerdict, Verdict
from booking.providers.sandbox.app import SandboxApp
from booking.providers.sandbox.store import open_books
from booking.providers.signatures import signed_message, verify
from chassis.body import decode
from chassis.client import ServiceClient, UpstreamRefused
from chassis.wiring import Wiring

DEADLINE_S = 5.0
STATES = {"payment.succeeded": "succeeded", "payment.failed": "declined"}


class _Charge(msgspec.Struct, frozen=True):
    key: UUID
    amount: int
    currency: str
    state: str
    reason: str | None


class _Event(msgspec.Struct, frozen=True):
    type: str
    data: msgspec.Raw


class SandboxProvider:
    name = "sandbox"

    def __init__(self, client: ServiceClient, secrets: Sequence[str]) -> None:
        self._client = client
        self._secrets = secrets

    async def charge(self, charge: Charge) -> Verdict:
        body = {
            "key": charge.payment_id,
            "reference": str(charge.order_id),
            "amount": charge.amount,
            "currency": charge.currency,
            "method": charge.method,
            "token": charge.token,
        }
        try:
            return _verdict(await self._client.post("/charges", body, _Charge))
        except UpstreamRefused as refused:  # an answer, and no money moved
            return Verdict(
                state="declined",
                amount=charge.amount,
                currency=charge.currency,
                reason=refused.code,
            )

    async def look_up(self, payment_id: UUID) -> Verdict | None:
        charge = await self._client.get(f"/charges/{payment_id}", _Charge)
        return _verdict(charge) if charge is not None else None

    async def refund(
        self, *, refund_id: UUID, payment_id: UUID, amount: int, currency: str
    ) -> RefundVerdict:
        await self._client.post("/refunds", {"key": payment_id}, _Charge)
        return RefundVerdict(state="succeeded")

    async def look_up_refund(self, refund_id: UUID) -> RefundVerdict | None:
        return None

    def read_webhook(self, headers: Mapping[str, Any], body: bytes) -> ProviderEvent:
        message = signed_message(headers, body)
        verify(message, self._secrets)
        event = decode(_Event, body)
        state = STATES.get(event.type)
        if state is None:
            return ProviderEvent(event_id=message.id, type=event.type)
        charge = decode(_Charge, bytes(event.data))
        told = _Charge(charge.key, charge.amount, charge.currency, state, charge.reason)
        return ProviderEvent(
            event_id=message.id, type=event.type, payment_id=charge.key, verdict=_verdict(told)
        )


def _verdict(charge: _Charge) -> Verdict:
    return Verdict(
        state="succeeded" if charge.state == "succeeded" else "declined",
        amount=charge.amount,
        currency=charge.currency,
        reason=charge.reason,
    )


@contextlib.asynccontextmanager
async def open_provider(wiring: Wiring) -> AsyncIterator[Provider]:
    pool = await open_books(wiring.database_url)
    try:
        yield SandboxProvider(
            ServiceClient(SandboxApp(pool), deadline_s=DEADLINE_S), wiring.settings.webhook_secret
        )
    finally:
        await pool.close()
