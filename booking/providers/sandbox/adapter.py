"""Booking's side of the sandbox: the Provider protocol over its HTTP routes."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from booking.providers.protocol import Charge, ChargeResult, ProviderEvent, RefundResult
from booking.providers.sandbox.app import TOKENS
from booking.providers.signatures import signed_message, verify
from chassis.http.bodies import decode
from chassis.seam.client import ServiceClient, UpstreamRefused

# The sandbox answers within milliseconds, or tenths of a second under load. After the deadline the buyer gets
# "processing"; the webhook or the reconciler brings the result.
DEADLINE_S = 2.0
STATES = {
    "payment.succeeded": "succeeded",
    "payment.failed": "declined",
    "refund.succeeded": "succeeded",
    "refund.failed": "failed",
}


class _Charge(msgspec.Struct, frozen=True):
    key: UUID
    amount: int
    currency: str
    state: str
    reason: str | None


class _Refund(msgspec.Struct, frozen=True):
    key: UUID
    amount: int
    currency: str
    state: str
    reason: str | None


class _Event(msgspec.Struct, frozen=True):
    type: str
    data: msgspec.Raw


class SandboxProvider:
    """`client` calls the sandbox's app; `secrets` verify its messages."""

    name = "sandbox"
    test_tokens = TOKENS

    def __init__(self, client: ServiceClient, secrets: Sequence[str]) -> None:
        self.client = client
        self._secrets = secrets

    async def charge(self, charge: Charge) -> ChargeResult:
        body = {
            "key": charge.payment_id,
            "reference": str(charge.order_id),
            "amount": charge.amount,
            "currency": charge.currency,
            "method": charge.method,
            "token": charge.token,
        }
        try:
            return _verdict(await self.client.post("/charges", body, _Charge))
        except UpstreamRefused as refused:
            if refused.status != 400:
                raise
            return ChargeResult(  # a definite answer: no money moved
                state="declined",
                amount=charge.amount,
                currency=charge.currency,
                reason=refused.code,
            )

    async def look_up(self, payment_id: UUID) -> ChargeResult | None:
        charge = await self.client.get(f"/charges/{payment_id}", _Charge)
        return _verdict(charge) if charge is not None else None

    async def refund(
        self, *, refund_id: UUID, payment_id: UUID, amount: int, currency: str
    ) -> RefundResult:
        body = {"key": refund_id, "charge": payment_id, "amount": amount, "currency": currency}
        return _refund_verdict(await self.client.post("/refunds", body, _Refund))

    async def look_up_refund(self, refund_id: UUID) -> RefundResult | None:
        refund = await self.client.get(f"/refunds/{refund_id}", _Refund)
        return _refund_verdict(refund) if refund is not None else None

    def read_webhook(self, headers: Mapping[str, Any], body: bytes) -> ProviderEvent:
        message = signed_message(headers, body)
        verify(message, self._secrets)
        event = decode(_Event, body)
        state = STATES.get(event.type)
        if state is None:
            return ProviderEvent(event_id=message.id, type=event.type)
        if event.type.startswith("refund."):
            refund = msgspec.structs.replace(decode(_Refund, bytes(event.data)), state=state)
            return ProviderEvent(
                event_id=message.id,
                type=event.type,
                refund_id=refund.key,
                refund_verdict=_refund_verdict(refund),
            )
        charge = msgspec.structs.replace(decode(_Charge, bytes(event.data)), state=state)
        return ProviderEvent(
            event_id=message.id, type=event.type, payment_id=charge.key, verdict=_verdict(charge)
        )


def _verdict(charge: _Charge) -> ChargeResult:
    return ChargeResult(
        state="succeeded"
        if charge.state == "succeeded"
        else "pending"
        if charge.state == "pending"
        else "declined",
        amount=charge.amount,
        currency=charge.currency,
        reason=charge.reason,
    )


def _refund_verdict(refund: _Refund) -> RefundResult:
    return RefundResult(
        state="succeeded"
        if refund.state == "succeeded"
        else "pending"
        if refund.state == "pending"
        else "failed",
        reason=refund.reason,
    )
