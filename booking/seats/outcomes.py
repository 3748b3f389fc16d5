"""Results of the hold scripts. Values, not exceptions, because refusals are the common case."""

from uuid import UUID

import msgspec


class Held(msgspec.Struct, frozen=True):
    """The order holds the seats for HOLD_INTENT_MS; ids ascend. PostgreSQL must still accept them."""

    version: int
    seats: list[int]


class SoldOut(msgspec.Struct, frozen=True):
    """The area has fewer free seats than requested."""


class NoAccessible(msgspec.Struct, frozen=True):
    """An accessible seat was requested, but the area has none free. It may have ordinary ones."""


class Taken(msgspec.Struct, frozen=True):
    """These requested seats are not free or do not exist. No seat was held."""

    seats: list[int]


class LimitReached(msgspec.Struct, frozen=True):
    """The user already has `tickets` (held or bought); the request would exceed the limit."""

    tickets: int


class Repeated(msgspec.Struct, frozen=True):
    """The same request (user and idempotency key, or order id) is in progress as `order_id`."""

    order_id: UUID
