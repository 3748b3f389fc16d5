"""What booking asks of a payment provider. `payment_id` is the provider's idempotency key."""

from typing import Literal, Protocol
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


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider says of a payment. `reason`: a short word, of a declined one.

    amount, currency: what it took, compared with what we asked for.
    """

    state: Literal["succeeded", "declined", "pending"]
    amount: int
    currency: str
    reason: str | None = None


class ProviderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook's message. `verdict` is None for what booking does not act on."""

    type: str
    payment_id: UUID | None
    verdict: Verdict | None


class Provider(Protocol):
    """Every call has a deadline of its own and raises Unavailable when the answer is not known."""

    name: str

    async def charge(self, charge: Charge) -> Verdict:
        """Takes the money once, however often it is called with one payment_id."""
        ...

    async def look_up(self, payment_id: UUID) -> Verdict | None:
        """None: the provider never heard of it, and never will of a call older than its deadline."""
        ...

    async def refund(self, payment_id: UUID, amount: int, currency: str) -> None:
        """Gives the money back once, however often it is called with one payment_id."""
        ...

    def read_event(self, body: bytes) -> ProviderEvent:
        """A verified webhook's body. Raises ValidationFailed when it is not the provider's form."""
        ...
