"""The seats that an order asks for, in the form in which they are held."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from booking.domain.seating import Seating
from booking.orders.wire import CreateOrder
from booking.prices.choosing import choose
from booking.seats.holds import Kind
from booking.seats.wire import refuse_unknown_seats
from chassis.problems import FieldError, ValidationFailed
from contracts.catalog import AreaTerms, SessionTerms
from contracts.prices import CategoryTerms

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


def categories_of(
    wanted: CreateOrder, terms: SessionTerms, selection: Selection
) -> Sequence[CategoryTerms]:
    """One a ticket, in ascending order of seats; none where `wanted` names none. Raises ValidationFailed."""
    if wanted.categories is UNSET:
        return ()
    if isinstance(selection, BestSeats):
        area = _area_at(terms, selection.area[0])
        return choose(wanted.categories, terms, [area] * selection.quantity)
    seats = wanted.seats or []
    chosen = choose(wanted.categories, terms, [_area_at(terms, seat_id) for seat_id in seats])
    return [chosen[place] for place in sorted(range(len(seats)), key=seats.__getitem__)]


def _area_at(terms: SessionTerms, seat_id: int) -> AreaTerms:
    return next(area for area in terms.areas if area.first_seat_id <= seat_id <= area.last_seat_id)
