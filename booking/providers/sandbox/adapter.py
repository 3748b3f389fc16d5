"""Booking's side of the sandbox: the Provider protocol over its HTTP routes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from booking.providers.metadata import metadata_of, order_id_of, purchase_of
from booking.providers.protocol import (
    Charge,
    ChargeResult,
    ListedCharge,
    ListedRefund,
    ProviderEvent,
    RefundResult,
)
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


class _ListedCharge(_Charge, frozen=True):
    reference: str
    method: str
    refunded: int
    created_at: datetime
    metadata: dict[str, str] | None


class _ListedRefund(_Refund, frozen=True):
    charge: UUID
    created_at: datetime


class _Charges(msgspec.Struct, frozen=True):
    charges: list[_ListedCharge]


class _Refunds(msgspec.Struct, frozen=True):
    refunds: list[_ListedRefund]


class _Event(msgspec.Struct, frozen=True):
    type: str
    data: msgspec.Raw


Page = TypeVar("Page", _Charges, _Refunds)


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
            "metadata": metadata_of(charge),
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

    async def list_charges(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[list[ListedCharge]]:
        after = ""
        while True:
            page = await self._page(f"/charges?{_span(since, until)}{after}", _Charges)
            if not page.charges:
                return
            yield [_listed_charge(one) for one in page.charges]
            after = _behind(page.charges[-1])

    async def list_refunds(
        self, since: datetime, until: datetime
    ) -> AsyncIterator[list[ListedRefund]]:
        after = ""
        while True:
            page = await self._page(f"/refunds?{_span(since, until)}{after}", _Refunds)
            if not page.refunds:
                return
            yield [_listed_refund(one) for one in page.refunds]
            after = _behind(page.refunds[-1])

    async def adopt(self, found: ListedCharge | ListedRefund) -> None:
        """The sandbox knows our ids: there is nothing to store."""

    async def _page(self, path: str, kind: type[Page]) -> Page:
        return msgspec.json.decode(await self.client.request("GET", path), type=kind)

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
        charge = decode(_Charge, bytes(event.data))
        return ProviderEvent(
            event_id=message.id,
            type=event.type,
            payment_id=charge.key,
            verdict=_verdict(charge, state),
        )


def _verdict(charge: _Charge, told: str = "") -> ChargeResult:
    """`told`: the state that an event's type names, which counts before that of the charge in it."""
    state = told or charge.state
    return ChargeResult(
        state="succeeded"
        if state == "succeeded"
        else "pending"
        if state == "pending"
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


def _span(since: datetime, until: datetime) -> str:
    return urlencode({"since": since.isoformat(), "until": until.isoformat()})


def _behind(last: _ListedCharge | _ListedRefund) -> str:
    return "&" + urlencode({"after_time": last.created_at.isoformat(), "after_key": str(last.key)})


def _listed_charge(charge: _ListedCharge) -> ListedCharge:
    metadata = charge.metadata or {"order_id": charge.reference}
    return ListedCharge(
        payment_id=charge.key,
        result=_verdict(charge),
        refunded=charge.refunded,
        method=charge.method,
        created_at=charge.created_at,
        order_id=order_id_of(metadata),
        purchase=purchase_of(metadata),
    )


def _listed_refund(refund: _ListedRefund) -> ListedRefund:
    return ListedRefund(
        refund_id=refund.key,
        payment_id=refund.charge,
        amount=refund.amount,
        currency=refund.currency,
        result=_refund_verdict(refund),
        created_at=refund.created_at,
    )
