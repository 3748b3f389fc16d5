"""What the seats in Redis are rebuilt from and checked against: PostgreSQL, behind one protocol.

booking.store implements it; nothing in booking.seats runs SQL.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Literal, Protocol
from uuid import UUID

import msgspec


class Claim(msgspec.Struct, frozen=True):
    """A seat that is taken, as PostgreSQL says. A held one ends in `expires_in_ms`, perhaps < 0."""

    seat_id: int
    state: Literal["held", "sold", "blocked"]
    order_id: UUID | None
    user_id: UUID | None
    expires_in_ms: int | None


class Snapshot(msgspec.Struct, frozen=True):
    """One session as PostgreSQL has it: what exists, what is taken, who has how many.

    layout: a byte a position from 1: `.` a seat, `:` an accessible one, `|` a row's end, `/` an aisle.
    tallies: tickets held or sold by user id.
    """

    layout: bytes
    claims: list[Claim]
    tallies: dict[UUID, int]


class OrderState(Enum):
    """What became of the order that a hold was taken for."""

    NO_SUCH_ORDER = "no_such_order"  # the process died between Redis and PostgreSQL: release
    ALIVE = "alive"  # put back at its deadline
    CANCELLED = "cancelled"  # also one just found expired and cancelled by the asking: release
    PAID = "paid"  # drop the entry, the seats are sold


class HoldState(msgspec.Struct, frozen=True):
    order: OrderState
    expires_in_ms: int = 0  # of an ALIVE order


class ClaimSource(Protocol):
    """PostgreSQL as booking.seats needs it."""

    def rebuild_lock(self, session_id: UUID) -> AbstractAsyncContextManager[bool]:
        """Holds the session's advisory lock; False when another process has it."""
        ...

    async def snapshot(self, session_id: UUID) -> Snapshot:
        """Raises NotFound when there is no such published session."""
        ...

    async def order_states(
        self, session_id: UUID, order_ids: Sequence[UUID]
    ) -> dict[UUID, HoldState]:
        """Every order asked is answered; those past their deadline are cancelled by the asking."""
        ...

    async def sessions_with_claims(self) -> list[UUID]:
        """Sessions that have holds now: what a sweeper must look at though Redis forgot them."""
        ...
