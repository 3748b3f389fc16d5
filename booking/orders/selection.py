"""The seats that an order asks for, in the form in which they are held."""

import msgspec

from booking.domain.seating import Seating
from booking.orders.wire import CreateOrder
from booking.seats.holds import Kind
from booking.seats.wire import refuse_unknown_seats
from chassis.problems import FieldError, ValidationFailed
from contracts.catalog import SessionTerms

KINDS: dict[str, Kind] = {"seated": "seats", "standing": "standing"}


class ExactSeats(msgspec.Struct, frozen=True):
    """Exactly these seats. Ascending."""

    seats: list[int]


class BestSeats(msgspec.Struct, frozen=True):
    """The best `quantity` seats of an area, which is a range of positions, both ends included."""

    area: tuple[int, int]
    quantity: int
    kind: Kind


Selection = ExactSeats | BestSeats


def selection_of(wanted: CreateOrder, terms: SessionTerms, seating: Seating) -> Selection:
    """`wanted`: of one of the two forms (wire.parse_order).

    Seats and areas that this session does not have are the caller's mistake, as is asking for an
    accessible seat where everybody stands: raises ValidationFailed.
    """
    if wanted.seats is not None:
        refuse_unknown_seats(wanted.seats, seating)
        return ExactSeats(sorted(wanted.seats))
    assert wanted.quantity is not None
    area = next((area for area in terms.areas if area.area_id == wanted.seat_area_id), None)
    if area is None:
        raise ValidationFailed(errors=[FieldError("seat_area_id", "is no area of this session")])
    if wanted.wants_accessible and area.kind == "standing":
        raise ValidationFailed(errors=[FieldError("accessible", "there are no seats in this area")])
    kind = "accessible" if wanted.wants_accessible else KINDS[area.kind]
    return BestSeats((area.first_seat_id, area.last_seat_id), wanted.quantity, kind)
