"""An order on its way: what it asks for, what it costs, and what is told of it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.domain.problems import PromoCodeNotValid
from booking.domain.seating import Seating, Stretch
from booking.orders.draft import OrderDraft, as_placed, new_order
from booking.orders.records import PlacedOrder
from booking.orders.selection import BestSeats, ExactSeats, Selection, selection_of
from booking.orders.wire import HintAnswer, order_answer, parse_order
from booking.promo_codes.store import PromoCode
from booking.seats.holds import Wanted
from booking.seats.outcomes import Held
from chassis.http.idempotency import body_hash
from chassis.problems import ValidationFailed
from contracts.catalog import AreaTerms, SessionTerms

SEATED, STANDING = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
TERMS = SessionTerms(
    session_id=uuid4(),
    show_id=uuid4(),
    organizer_id=uuid4(),
    title="T",
    venue="V",
    city="C",
    starts_at=NOW + timedelta(days=9),
    time_zone="Asia/Shanghai",
    currency="CNY",
    status="published",
    sale_opens_at=NOW,
    sale_closes_at=NOW + timedelta(days=8),
    max_tickets_per_user=6,
    areas=[
        AreaTerms(SEATED, "A", "seated", 999, 1, 10, 10),
        AreaTerms(STANDING, "F", "standing", 500, 12, 16, 5),
    ],
)
SEATING = Seating(
    16,
    [Stretch(1, 10, SEATED, "A", "1", 1), Stretch(12, 5, STANDING, "F", "", 1)],
    accessible=[3],
    tables=[[8, 9, 10]],
)


def selected(terms: SessionTerms = TERMS, **body: Any) -> Selection:
    wanted = parse_order(msgspec.json.encode({"session_id": TERMS.session_id, **body}))
    return selection_of(wanted, terms, SEATING)


def draft(selection: Selection, promo: PromoCode | None = None) -> OrderDraft:
    return OrderDraft(
        order_id=uuid4(),
        user_id=uuid4(),
        key=None,
        body_hash=None,
        terms=TERMS,
        seating=SEATING,
        selection=selection,
        promo=promo,
    )


def promo_code(**changes: Any) -> PromoCode:
    columns: dict[str, Any] = dict.fromkeys(PromoCode.__struct_fields__)
    columns |= {"promo_code_id": uuid4(), "code": "EARLY", "kind": "percent", "value": 15}
    return PromoCode(**columns | changes)


def test_an_order_is_parsed_into_what_is_asked_of_redis() -> None:
    assert selected(seats=[5, 2]) == ExactSeats([2, 5])
    assert selected(seat_area_id=SEATED, quantity=2) == BestSeats(Wanted(((1, 10),), 2))
    accessible = selected(seat_area_id=SEATED, quantity=3, accessible=True)
    assert accessible == BestSeats(Wanted(((1, 10),), 3, accessible=1))
    accessible = selected(price=999, quantity=3, accessible=2)
    assert accessible == BestSeats(Wanted(((1, 10),), 3, accessible=2))
    standing = Wanted(((12, 16),), 3, "standing")
    assert selected(seat_area_id=STANDING, quantity=3) == BestSeats(standing)
    assert selected(price=500, quantity=3) == BestSeats(standing)
    assert selected(price_max=998, quantity=3) == BestSeats(standing)
    rows = selected(price_max=999, quantity=4, two_rows=True)
    assert rows == BestSeats(Wanted(((1, 10),), 4, two_rows=True))


def test_a_choice_is_strict_only_where_the_session_says_so_and_all_of_it_is_seats() -> None:
    terms = msgspec.structs.replace(TERMS, refuse_single_seats=True)
    assert selected(terms, seats=[5, 2]) == ExactSeats([2, 5], leave_none_alone=True)
    assert selected(terms, seats=[5, 12]) == ExactSeats([5, 12])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "seat_area_id"),
        ({"seat_area_id": SEATED}, "quantity"),
        ({"seats": [1], "quantity": 1}, "seats"),
        ({"seats": [1], "price": 999}, "seats"),
        ({"seats": [1], "accessible": True}, "accessible"),
        ({"seats": [1], "two_rows": True}, "two_rows"),
        ({"price": 999}, "quantity"),
        ({"price": 999, "price_max": 999, "quantity": 1}, "price_max"),
        ({"seat_area_id": SEATED, "price": 999, "quantity": 1}, "price"),
        ({"price": 998, "quantity": 1}, "price"),
        ({"price_max": 499, "quantity": 1}, "price_max"),
        ({"price_max": -1, "quantity": 1}, "price_max"),
        ({"price_max": 999, "quantity": 1, "accessible": 2}, "accessible"),
        ({"price_max": 999, "quantity": 1, "accessible": 21}, "accessible"),
        ({"price_max": 999, "quantity": 2, "accessible": 1, "two_rows": True}, "two_rows"),
        ({"seat_area_id": STANDING, "quantity": 2, "two_rows": True}, "two_rows"),
        ({"seats": [8]}, "seats.0"),
        ({"seats": [7, 8]}, "seats.1"),
        ({"seats": [1, 1]}, "seats"),
        ({"seats": [1, 11]}, "seats.1"),
        ({"seat_area_id": uuid4(), "quantity": 1}, "seat_area_id"),
        ({"seat_area_id": STANDING, "quantity": 1, "accessible": True}, "accessible"),
    ],
)
def test_what_no_order_can_ask_for_is_refused_by_its_field(body: Any, field: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        selected(**body)
    assert [error.field for error in refused.value.errors] == [field]


def test_a_promo_codes_discount_is_in_everything_that_is_told_of_the_order() -> None:
    order = new_order(draft(ExactSeats([1, 2]), promo_code()), Held(0, [2, 1]))
    answer = order_answer(as_placed(order, PlacedOrder("261128000000001", NOW, NOW)))
    assert (answer.total_amount, answer.original_amount, answer.discount) == (1_699, 1_998, 299)
    assert (answer.status, answer.promo_code) == ("pending_payment", "EARLY")
    kept = msgspec.json.decode(order.document)
    assert sum(item["price"] for item in kept) == 1_998
    assert sum(item["paid"] for item in kept) == 1_699


def test_a_promo_code_of_another_currency_is_refused() -> None:
    promo = promo_code(kind="fixed", value=100, currency="USD")
    with pytest.raises(PromoCodeNotValid):
        new_order(draft(ExactSeats([1]), promo), Held(0, [1]))


def test_a_group_that_is_not_together_is_told_so_and_so_is_who_leaves_a_single_seat() -> None:
    placed = PlacedOrder("261128000000001", NOW, NOW)
    order = new_order(draft(BestSeats(Wanted(((1, 10),), 2))), Held(0, [2, 5], is_split=True))
    assert [item.get("split") for item in msgspec.json.decode(order.document)] == [True, True]
    assert order_answer(as_placed(order, placed)).note == "split"
    # of places for standing nobody is alone
    order = new_order(draft(ExactSeats([2, 13])), Held(0, [2, 13], left_alone=[1, 12]))
    kept = [item.get("left_alone") for item in msgspec.json.decode(order.document)]
    assert kept == [[1], None]
    answer = order_answer(as_placed(order, placed))
    assert (answer.note, answer.hint) == (None, HintAnswer(code="single-seat-left", seats=[1]))


def test_a_body_keeps_its_hash_whatever_it_is_parsed_into() -> None:
    """Replays compare hashes of bodies, also of orders that an earlier version has placed."""
    body = b'{"seats":[5,2],"session_id":"00000000-0000-0000-0000-000000000007"}'
    stored = "f4df49e14692b68776d931c7385093ae1052c3661760274278feb7ae6af2e277"
    assert body_hash(parse_order(body)).hex() == stored
