"""Results of the hold scripts. Values, not exceptions, because refusals are the common case."""

from uuid import UUID

import msgspec


class Held(msgspec.Struct, frozen=True):
    """The order holds the seats for HOLD_INTENT_MS; ids ascend. PostgreSQL must still accept them.

    is_split: the best seats for them were not together. left_alone: single free seats beside picked ones
    that were not single before.
    """

    version: int
    seats: list[int]
    is_split: bool = False
    left_alone: list[int] = []


class SoldOut(msgspec.Struct, frozen=True):
    """The areas have fewer free seats than requested."""


class NoAccessible(msgspec.Struct, frozen=True):
    """Accessible seats were requested, but the areas have fewer free. They may have ordinary ones."""


class LeftAlone(msgspec.Struct, frozen=True):
    """The requested seats would leave these single free ones, which the session does not allow. No seat
    was held."""

    seats: list[int]


class Taken(msgspec.Struct, frozen=True):
    """These requested seats are not free or do not exist. No seat was held."""

    seats: list[int]


class LimitReached(msgspec.Struct, frozen=True):
    """The user already has `tickets` (held or bought); the request would exceed the limit."""

    tickets: int


class Repeated(msgspec.Struct, frozen=True):
    """The same request (user and idempotency key, or order id) is in progress as `order_id`."""

    order_id: UUID
