"""Which areas an order for the best seats may have, where they do not sell the same categories."""

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.domain.seating import Seating, Stretch
from booking.orders.selection import BestSeats, ExactSeats, in_categories, selection_of
from booking.orders.wire import parse_order
from booking.seats.holds import Wanted
from chassis.problems import ValidationFailed
from contracts.catalog import AreaTerms, SessionTerms
from contracts.prices import CategoryTerms, PriceTerms
from tests.unit.booking.orders.test_drafts import TERMS

STALLS, CIRCLE, BOXES, FLOOR = (UUID(int=n) for n in range(1, 5))
ADULT, CHILD = (
    CategoryTerms("adult", "Adult", [900, 900, 1_200, 500]),
    CategoryTerms("child", "Child", [None, 300, None, 100], max_per_order=2),
)
SESSION: SessionTerms = msgspec.structs.replace(
    TERMS,
    areas=[
        AreaTerms(STALLS, "Stalls", "seated", 900, 1, 10, 10),
        AreaTerms(CIRCLE, "Circle", "seated", 900, 12, 21, 10),
        AreaTerms(BOXES, "Boxes", "seated", 1_200, 23, 26, 4),
        AreaTerms(FLOOR, "Floor", "standing", 500, 28, 32, 5),
    ],
    prices=PriceTerms(categories=[ADULT, CHILD]),
)
SEATING = Seating(
    32,
    [
        Stretch(1, 10, STALLS, "Stalls", "1", 1),
        Stretch(12, 10, CIRCLE, "Circle", "1", 1),
        Stretch(23, 4, BOXES, "Boxes", "1", 1),
        Stretch(28, 5, FLOOR, "Floor", "", 1),
    ],
)
FAMILY = {"adult": 1, "child": 1}


def chosen(*, categories: dict[str, int], **body: Any) -> tuple[ExactSeats | BestSeats, list[str]]:
    choices = [{"category": key, "quantity": count} for key, count in categories.items()]
    wanted = {"session_id": uuid4(), "categories": choices, **body}
    order = parse_order(msgspec.json.encode(wanted))
    selection, found = in_categories(order, SESSION, selection_of(order, SESSION, SEATING))
    return selection, [category.key for category in found]


@pytest.mark.parametrize("body", [{"price": 900}, {"price_max": 900}, {"price_max": 1_200}])
def test_seats_are_looked_for_where_every_category_is_sold(body: dict[str, int]) -> None:
    family = chosen(categories=FAMILY, quantity=2, **body)
    assert family == (BestSeats(Wanted(((12, 21),), 2)), ["adult", "child"])


def test_what_is_sold_everywhere_leaves_no_area_out() -> None:
    areas = ((1, 10), (12, 21), (23, 26))
    grown_up = chosen(categories={"adult": 2}, quantity=2, price_max=1_200)
    assert grown_up == (BestSeats(Wanted(areas, 2)), ["adult", "adult"])


@pytest.mark.parametrize("body", [{"price": 1_200}, {"seat_area_id": BOXES}])
def test_a_category_that_none_of_the_areas_sells_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationFailed) as refused:
        chosen(categories=FAMILY, quantity=2, **body)
    assert [(one.field, one.message) for one in refused.value.errors] == [
        ("categories.1.category", "is not sold in the area Boxes")
    ]


@pytest.mark.parametrize(
    ("categories", "field"),
    [
        ({"adult": 1, "pensioner": 1}, "categories.1.category"),
        ({"adult": 1}, "categories"),
        ({"child": 3}, "categories.0.quantity"),
    ],
)
def test_areas_left_out_change_no_refusal(categories: dict[str, int], field: str) -> None:
    quantity = max(2, sum(categories.values()))
    with pytest.raises(ValidationFailed) as refused:
        chosen(categories=categories, quantity=quantity, price=900)
    assert [one.field for one in refused.value.errors] == [field]


def test_picked_seats_have_their_categories_in_ascending_order() -> None:
    family = chosen(categories={"child": 1, "adult": 2}, seats=[14, 3, 25])
    assert family == (ExactSeats([3, 14, 25]), ["adult", "child", "adult"])
