"""The seats that an order asks for, in the form in which they are held."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from booking.domain.seating import Seating
from booking.orders.wire import CreateOrder
from booking.prices.choosing import choose, is_offered
from booking.seats.holds import Wanted
from booking.seats.wire import refuse_unknown_seats
from chassis.problems import FieldError, ValidationFailed
from contracts.catalog import AreaTerms, SessionTerms
from contracts.prices import CategoryTerms


class ExactSeats(msgspec.Struct, frozen=True):
    """Exactly these seats. Ascending. leave_none_alone: not if they leave a single seat."""

    seats: list[int]
    leave_none_alone: bool = False


class BestSeats(msgspec.Struct, frozen=True):
    """The best seats of some areas."""

    wanted: Wanted


Selection = ExactSeats | BestSeats


def selection_of(order: CreateOrder, terms: SessionTerms, seating: Seating) -> Selection:
    """`order`: of one of the forms (wire.parse_order).

    Seats, areas and prices that this session does not have are the caller's mistake, as are parts of tables
    that are sold as a whole, and asking for accessible seats where everybody stands: raises ValidationFailed.
    """
    if order.seats is not None:
        refuse_unknown_seats(order.seats, seating)
        _refuse_parts(order.seats, seating)
        seats = sorted(order.seats)
        strict = terms.refuse_single_seats and len(seated(seats, terms)) == len(seats)
        return ExactSeats(seats, strict)
    assert order.quantity is not None
    areas = _areas_of(order, terms)
    # where there are seats at this price, nobody is sent to stand
    kinds = [area for area in areas if area.kind == "seated"] or areas
    if kinds[0].kind == "standing" and (order.accessible_seats or order.may_take_two_rows):
        field = "accessible" if order.accessible_seats else "two_rows"
        raise _invalid(field, "there are no seats in this area")
    return BestSeats(
        Wanted(
            tuple([(area.first_seat_id, area.last_seat_id) for area in kinds]),
            order.quantity,
            "seats" if kinds[0].kind == "seated" else "standing",
            order.accessible_seats,
            order.may_take_two_rows,
        )
    )


def in_categories(
    order: CreateOrder, terms: SessionTerms, selection: Selection
) -> tuple[Selection, Sequence[CategoryTerms]]:
    """The selection, and the category of each ticket in ascending order of seats; none where `order` names
    none. Of several areas, those where a category is not sold are left out. Raises ValidationFailed."""
    if order.categories is UNSET:
        return selection, ()
    if isinstance(selection, ExactSeats):
        seats = order.seats or []
        chosen = choose(order.categories, terms, [_area_at(terms, seat_id) for seat_id in seats])
        ascending = sorted(range(len(seats)), key=seats.__getitem__)
        return selection, [chosen[place] for place in ascending]
    wanted = selection.wanted
    areas = [
        area
        for area in wanted.areas
        if is_offered(order.categories, terms, _area_at(terms, area[0]))
    ] or list(wanted.areas)
    chosen = choose(order.categories, terms, [_area_at(terms, areas[0][0])] * wanted.quantity)
    return BestSeats(msgspec.structs.replace(wanted, areas=tuple(areas))), chosen


def _area_at(terms: SessionTerms, seat_id: int) -> AreaTerms:
    return next(area for area in terms.areas if area.first_seat_id <= seat_id <= area.last_seat_id)


def seated(seats: Sequence[int], terms: SessionTerms) -> list[int]:
    """Those of these that are in an area with seats."""
    if not seats:
        return []  # of nearly every order
    areas = [area for area in terms.areas if area.kind == "seated"]
    return [
        seat
        for seat in seats
        if any(area.first_seat_id <= seat <= area.last_seat_id for area in areas)
    ]


def _areas_of(order: CreateOrder, terms: SessionTerms) -> list[AreaTerms]:
    """Never none."""
    if order.price is not UNSET:
        field, text = "price", "is the price of no area of this session"
        found = [area for area in terms.areas if area.price == order.price]
    elif order.price_max is not UNSET:
        field, text = "price_max", "is less than any area of this session costs"
        found = [area for area in terms.areas if area.price <= order.price_max]
    else:
        field, text = "seat_area_id", "is no area of this session"
        found = [area for area in terms.areas if area.area_id == order.seat_area_id]
    if not found:
        raise _invalid(field, text)
    return found


def _refuse_parts(seats: Sequence[int], seating: Seating) -> None:
    picked = set(seats)
    errors = [
        FieldError(f"seats.{place}", "is of a table that is sold as a whole")
        for place, seat in enumerate(seats)
        if not picked.issuperset(seating.table_of(seat))
    ]
    if errors:
        raise ValidationFailed(errors=errors)


def _invalid(field: str, message: str) -> ValidationFailed:
    return ValidationFailed(errors=[FieldError(field, message)])
