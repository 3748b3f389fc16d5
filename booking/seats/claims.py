"""The protocol for PostgreSQL's claims. Redis is rebuilt from them and compared with them.

booking.seats.store implements it and is the only module of this package that runs SQL.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Literal, Protocol
from uuid import UUID

import msgspec

from booking.domain.scoring import scores_of_rows


class Claim(msgspec.Struct, frozen=True):
    """A taken seat in PostgreSQL. A held one expires in `expires_in_ms`, which may be negative."""

    seat_id: int
    state: Literal["held", "sold", "blocked"]
    order_id: UUID | None
    user_id: UUID | None
    expires_in_ms: int | None


class Snapshot(msgspec.Struct, frozen=True):
    """One session in PostgreSQL: its layout, the taken seats, and the tickets of each user.

    layout: one byte a position from 1 (bytes.py).
    tallies: held and sold tickets, by user id.
    scores: makes the `scores` of the layout (keys.py); of 200,000 seats in a second, so in a thread.
    """

    layout: bytes
    claims: list[Claim]
    tallies: dict[UUID, int]
    scores: Callable[[bytes], bytes] = scores_of_rows


class OrderState(Enum):
    """The state of a hold's order."""

    NO_SUCH_ORDER = "no_such_order"  # the process died between the two stores: release
    ALIVE = "alive"  # not paid yet: keep until its deadline
    CANCELLED = "cancelled"  # perhaps just now, because it had expired: release
    PAID = "paid"  # sell


class HoldState(msgspec.Struct, frozen=True):
    order: OrderState
    expires_in_ms: int = 0  # of an ALIVE order


class ClaimSource(Protocol):
    """PostgreSQL, as booking.seats uses it."""

    def rebuild_lock(self, session_id: UUID) -> AbstractAsyncContextManager[bool]:
        """Takes the session's advisory lock; False if another process has it."""
        ...

    async def snapshot(self, session_id: UUID) -> Snapshot:
        """Raises NotFound if there is no such published session."""
        ...

    async def order_states(
        self, session_id: UUID, order_ids: Sequence[UUID]
    ) -> dict[UUID, HoldState]:
        """The state of every given order. Cancels those that are past their deadline."""
        ...

    async def sessions_with_claims(self) -> list[UUID]:
        """Sessions with holds, for the sweeper to visit even if Redis lost them."""
        ...

    async def buyers(self, session_id: UUID, limit: int) -> set[UUID]:
        """Everybody who has ever had an order in the session, cancelled ones too; at most so many."""
        ...
