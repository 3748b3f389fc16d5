"""What the hold scripts may answer. Values, not exceptions: a refusal is the common case."""

from uuid import UUID

import msgspec


class Held(msgspec.Struct, frozen=True):
    """The seats are this order's for HOLD_INTENT_MS; ids ascend. PostgreSQL has yet to agree."""

    version: int
    seats: list[int]


class SoldOut(msgspec.Struct, frozen=True):
    """The area has fewer free seats than asked for."""


class NoAccessible(msgspec.Struct, frozen=True):
    """An accessible seat was asked for, and the area has none free. It may have others."""


class Taken(msgspec.Struct, frozen=True):
    """These of the seats asked for are not free, or are no seats at all. Nothing was held."""

    seats: list[int]


class LimitReached(msgspec.Struct, frozen=True):
    """The user has `tickets` held or bought already; so many more would pass the cap."""

    tickets: int


class Repeated(msgspec.Struct, frozen=True):
    """The same request (user and idempotency key, or order id) is under way as `order_id`."""

    order_id: UUID
