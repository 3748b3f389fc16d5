"""Parses Stripe's objects and events. No network calls.

https://docs.stripe.com/payments/paymentintents/lifecycle, https://docs.stripe.com/webhooks
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
import stripe

from booking.domain.problems import BadSignature, StaleTimestamp
from booking.providers.metadata import order_id_of, purchase_of
from booking.providers.protocol import (
    ChargeResult,
    ListedCharge,
    ListedRefund,
    ProviderEvent,
    RefundResult,
)
from chassis.http.bodies import decode
from chassis.problems import ValidationFailed

TOLERANCE_S = 300
HEADER_MAX = 2_048
PAYMENT_EVENTS = frozenset(
    f"payment_intent.{what}" for what in ("succeeded", "payment_failed", "canceled", "processing")
)
REFUND_EVENTS = frozenset(
    ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated")
)
# The buyer, a bank or a wallet must still act.
WAITING = frozenset(("processing", "requires_action", "requires_capture"))
UNCONFIRMED = frozenset(("requires_payment_method", "requires_confirmation"))


class PaymentError(msgspec.Struct, frozen=True):
    code: str | None = None
    decline_code: str | None = None


class LatestCharge(msgspec.Struct, frozen=True):
    """`amount_refunded`: refunds on their way included."""

    amount_refunded: int = 0


class PaymentIntent(msgspec.Struct, frozen=True):
    """Amounts are in the currency's minor unit, like ours."""

    id: str
    amount: int
    currency: str
    status: str
    amount_received: int = 0
    last_payment_error: PaymentError | None = None
    cancellation_reason: str | None = None
    metadata: dict[str, str] = {}
    created: int = 0
    payment_method_types: list[str] = []
    latest_charge: LatestCharge | str | None = None  # whole only where we ask for it

    def was_never_confirmed(self) -> bool:
        return self.status in UNCONFIRMED and self.last_payment_error is None

    def verdict(self) -> ChargeResult:
        reason = None
        state: Literal["succeeded", "declined", "pending"] = "declined"
        if self.status == "succeeded":
            state = "succeeded"
        elif self.status in WAITING:
            state = "pending"
        elif self.last_payment_error is not None:
            reason = self.last_payment_error.decline_code or self.last_payment_error.code
        else:
            reason = self.cancellation_reason or self.status
        return ChargeResult(
            state=state,
            amount=self.amount_received if state == "succeeded" else self.amount,
            currency=self.currency.upper(),
            reason=reason,
        )


class Refund(msgspec.Struct, frozen=True):
    id: str
    amount: int
    currency: str
    status: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str] | None = None
    created: int = 0
    payment_intent: str | None = None

    def verdict(self) -> RefundResult:
        if self.status == "succeeded":
            return RefundResult(state="succeeded")
        if self.status in {"failed", "canceled"}:
            return RefundResult(state="failed", reason=self.failure_reason or self.status)
        return RefundResult(state="pending")


class _EventData(msgspec.Struct, frozen=True):
    object: msgspec.Raw


class _Event(msgspec.Struct, frozen=True):
    id: str
    type: str
    data: _EventData


def listed_charge(intent: PaymentIntent) -> ListedCharge | None:
    """None for another shop's."""
    payment_id = _ours_or_none(intent.metadata, "payment_id")
    if payment_id is None:
        return None
    charge = intent.latest_charge
    return ListedCharge(
        payment_id=payment_id,
        result=intent.verdict(),
        refunded=charge.amount_refunded if isinstance(charge, LatestCharge) else 0,
        method=intent.payment_method_types[0] if intent.payment_method_types else "card",
        created_at=datetime.fromtimestamp(intent.created, UTC),
        reference=intent.id,
        order_id=order_id_of(intent.metadata),
        purchase=purchase_of(intent.metadata),
    )


def listed_refund(refund: Refund) -> ListedRefund | None:
    """None for another shop's, and for one that was made on Stripe's own pages."""
    metadata = refund.metadata or {}
    refund_id = _ours_or_none(metadata, "refund_id")
    payment_id = _ours_or_none(metadata, "payment_id")
    if refund_id is None or payment_id is None:
        return None
    return ListedRefund(
        refund_id=refund_id,
        payment_id=payment_id,
        amount=refund.amount,
        currency=refund.currency.upper(),
        result=refund.verdict(),
        created_at=datetime.fromtimestamp(refund.created, UTC),
        reference=refund.payment_intent,
    )


def read_event(headers: Mapping[str, Any], body: bytes, secrets: Sequence[str]) -> ProviderEvent:
    """Verifies and parses a webhook. Raises BadSignature, StaleTimestamp, ValidationFailed."""
    _verify(str(headers.get("stripe-signature") or ""), body, secrets)
    event = decode(_Event, body)
    if event.type in PAYMENT_EVENTS:
        intent = decode(PaymentIntent, bytes(event.data.object))
        payment_id = _ours(intent.metadata, "payment_id")
        if payment_id is not None:
            verdict = intent.verdict()
            return ProviderEvent(
                event_id=event.id, type=event.type, payment_id=payment_id, verdict=verdict
            )
    elif event.type in REFUND_EVENTS:
        refund = decode(Refund, bytes(event.data.object))
        refund_id = _ours(refund.metadata or {}, "refund_id")
        if refund_id is not None:
            return ProviderEvent(
                event_id=event.id,
                type=event.type,
                refund_id=refund_id,
                refund_verdict=refund.verdict(),
            )
    return ProviderEvent(event_id=event.id, type=event.type)


def _verify(header: str, body: bytes, secrets: Sequence[str]) -> None:
    """Uses the SDK, but not its check of the time: that accepts messages from the future, and does not tell a
    stale message from a bad signature."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSignature() from None
    if not header.isascii() or len(header) > HEADER_MAX:  # the SDK does not expect these
        raise BadSignature()
    if not any(_signed(text, header, secret) for secret in secrets):
        raise BadSignature()
    sent_at = next(int(part[2:]) for part in header.split(",") if part.startswith("t="))
    if abs(time.time() - sent_at) > TOLERANCE_S:
        raise StaleTimestamp()


def _signed(text: str, header: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(text, header, secret)
    except stripe.SignatureVerificationError:
        return False
    return True


def _ours(metadata: Mapping[str, str], name: str) -> UUID | None:
    """None if we did not create the object: one Stripe account may serve several shops."""
    value = metadata.get(name)
    if value is None:
        return None
    try:
        return UUID(value)
    except ValueError:
        raise ValidationFailed(f"metadata.{name} is not one of our ids.") from None


def _ours_or_none(metadata: Mapping[str, str], name: str) -> UUID | None:
    """In a list one odd object must not hide the others."""
    try:
        return _ours(metadata, name)
    except ValidationFailed:
        return None
