"""The protocol of a payment provider. docs/payments.md shows how to add one.

Our ids are the idempotency keys at the provider: `payment_id` for a charge, `refund_id` for a refund.
Amounts are in minor units (fen, cents).
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

import msgspec


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """What a charge pays for. The provider keeps it as metadata (metadata.py), so that an order which a
    failover has lost can be restored. No personal data: ids and seats. `categories`: of each seat, if the
    session has any."""

    order_no: str
    user_id: UUID
    session_id: UUID
    seats: list[int]
    categories: tuple[str, ...] = ()


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge: `amount` in minor units of `currency`. The token is never stored or logged."""

    payment_id: UUID
    order_id: UUID
    amount: int
    currency: str
    method: str
    token: str
    purchase: Purchase | None = None


class ChargeResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a charge. `reason`: a short code, if declined.

    amount, currency: the charged amount, which we compare with the requested one. `pending`: the provider
    decides later; it sends a webhook and answers `look_up`.
    """

    state: Literal["succeeded", "declined", "pending"]
    amount: int
    currency: str
    reason: str | None = None


class RefundResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a refund. `failed`: no money was sent, and none will be under this id."""

    state: Literal["succeeded", "pending", "failed"]
    reason: str | None = None


class ListedCharge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge of ours in the provider's list. `refunded`: how much of it has gone back, or is about to.

    reference: the provider's own id, if it needs one (`adopt`). order_id, purchase: of the charge's
    metadata; None for a charge without.
    """

    payment_id: UUID
    result: ChargeResult
    refunded: int
    method: str
    created_at: datetime
    reference: str | None = None
    order_id: UUID | None = None
    purchase: Purchase | None = None


class ListedRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of ours in the provider's list. `payment_id`: of the charge that it is a part of."""

    refund_id: UUID
    payment_id: UUID
    amount: int
    currency: str
    result: RefundResult
    created_at: datetime
    reference: str | None = None


class ProviderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A verified message of the provider. Both results are None if booking ignores this type.

    event_id: the provider's id of the message; a repeated message has the same id.
    """

    event_id: str
    type: str
    payment_id: UUID | None = None
    verdict: ChargeResult | None = None
    refund_id: UUID | None = None
    refund_verdict: RefundResult | None = None


class Provider(Protocol):
    """Every call has its own deadline, and raises Unavailable if the result is unknown.

    A test provider may also have `test_tokens: Sequence[str]`; the storefront offers them.
    """

    name: str

    async def charge(self, charge: Charge) -> ChargeResult:
        """Takes the money. Idempotent by payment_id."""
        ...

    async def look_up(self, payment_id: UUID) -> ChargeResult | None:
        """None: the provider does not know the payment, and cannot receive it any more after the deadline
        of `charge`."""
        ...

    async def refund(
        self, *, refund_id: UUID, payment_id: UUID, amount: int, currency: str
    ) -> RefundResult:
        """Refunds `amount` of a payment. Idempotent by refund_id.

        The refunds of a payment may not exceed the charged amount; a refund that would has failed.
        """
        ...

    async def look_up_refund(self, refund_id: UUID) -> RefundResult | None:
        """None: the provider does not know the refund."""
        ...

    def list_charges(self, since: datetime, until: datetime) -> AsyncIterator[list[ListedCharge]]:
        """Our charges that were made from `since` until before `until`, in any order, a page at a time.

        Charges of other shops of the account are left out.
        """
        ...

    def list_refunds(self, since: datetime, until: datetime) -> AsyncIterator[list[ListedRefund]]:
        """Our refunds of that time, likewise."""
        ...

    async def adopt(self, found: ListedCharge | ListedRefund) -> None:
        """Our database has lost what it knew of this charge or refund: stores again whatever this provider
        needs to look it up or to refund it. Idempotent."""
        ...

    def read_webhook(self, headers: Mapping[str, Any], body: bytes) -> ProviderEvent:
        """Verifies and parses a webhook. Raises BadSignature, StaleTimestamp, or ValidationFailed if a signed
        body has the wrong form. `headers` have lower-case names.
        """
        ...
