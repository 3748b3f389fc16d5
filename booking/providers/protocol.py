"""What booking asks of a payment provider. docs/payments.md shows how one is added.

Our ids are the provider's idempotency keys: `payment_id` of a charge, `refund_id` of a refund. Amounts
are minor units (fen, cents).
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol
from uuid import UUID

import msgspec


class Charge(msgspec.Struct, frozen=True, kw_only=True):
    """Money to take: `amount` in minor units of `currency`. The token is never stored or logged."""

    payment_id: UUID
    order_id: UUID
    amount: int
    currency: str
    method: str
    token: str


class ChargeResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says of a payment. `reason`: a short word, of a declined one.

    amount, currency: what it took, compared with what we asked for. `pending`: it will say later, by
    webhook and to whoever asks.
    """

    state: Literal["succeeded", "declined", "pending"]
    amount: int
    currency: str
    reason: str | None = None


class RefundResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says of a refund. `failed`: no money moved, and with this id none will."""

    state: Literal["succeeded", "pending", "failed"]
    reason: str | None = None


class ProviderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A verified message of the provider. Both verdicts are None for what booking does not act on.

    event_id: the provider's name of this message, the same however often it is sent.
    """

    event_id: str
    type: str
    payment_id: UUID | None = None
    verdict: ChargeResult | None = None
    refund_id: UUID | None = None
    refund_verdict: RefundResult | None = None


class Provider(Protocol):
    """Every call has a deadline of its own and raises Unavailable when the answer is not known.

    One that moves no money may also have `test_tokens: Sequence[str]`, those that the storefront offers.
    """

    name: str

    async def charge(self, charge: Charge) -> ChargeResult:
        """Takes the money once, however often it is called with one payment_id."""
        ...

    async def look_up(self, payment_id: UUID) -> ChargeResult | None:
        """None: the provider never heard of it, and never will of a call older than its deadline."""
        ...

    async def refund(
        self, *, refund_id: UUID, payment_id: UUID, amount: int, currency: str
    ) -> RefundResult:
        """Gives `amount` of a payment back once, however often it is called with one refund_id.

        Refunds of a payment add up to at most what was charged; one beyond that has failed.
        """
        ...

    async def look_up_refund(self, refund_id: UUID) -> RefundResult | None:
        """None: the provider never heard of it."""
        ...

    def read_webhook(self, headers: Mapping[str, Any], body: bytes) -> ProviderEvent:
        """Who it is from is checked here: raises BadSignature, StaleTimestamp, or ValidationFailed
        for a signed body that is not of the provider's form. `headers` have lower-case names.
        """
        ...
