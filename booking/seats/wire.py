"""Request and response bodies of blocking, and checks of seat ids."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec

from booking.domain.seating import Seating
from chassis.problems import FieldError, ValidationFailed

SEAT_ID_MAX = 2**31 - 1


SeatId = Annotated[int, msgspec.Meta(ge=1, le=SEAT_ID_MAX)]


SEATS_PER_BLOCK_MAX = 2_000  # a call; a big block is several calls


class SeatList(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The seats to block or to unblock."""

    seats: Annotated[list[SeatId], msgspec.Meta(min_length=1, max_length=SEATS_PER_BLOCK_MAX)]


def refuse_repeated(seats: Sequence[int]) -> None:
    if len(set(seats)) < len(seats):
        raise ValidationFailed(errors=[FieldError("seats", "contains a seat twice")])


def refuse_unknown_seats(seats: Sequence[int], seating: Seating) -> None:
    unknown = set(seating.unknown(seats))
    errors = [
        FieldError(f"seats.{place}", "is not a seat of this session")
        for place, seat_id in enumerate(seats)
        if seat_id in unknown
    ]
    if errors:
        raise ValidationFailed(errors=errors)


def refuse_kept_seats(seats: Sequence[int], seating: Seating) -> None:
    """Seats that the plan keeps from sale cannot be blocked or put on sale here."""
    errors = [
        FieldError(f"seats.{place}", "is kept from sale by the seat plan")
        for place, seat_id in enumerate(seats)
        if seating.is_kept(seat_id)
    ]
    if errors:
        raise ValidationFailed(errors=errors)


class SeatsBlocked(msgspec.Struct, frozen=True, kw_only=True):
    """`seats` are the requested ones; `changed` is how many of them changed their state."""

    session_id: UUID
    seats: list[int]
    changed: int
