"""What a promo code takes off, and that the seats' shares of it always add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.promotion import discount_of, normalise_code
from booking.orders.pricing import paid_of


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("early-bird", "EARLY-BIRD"),
        (" Vip_2026 ", "VIP_2026"),
        (
            "\uff33\uff35\uff2d\uff2d\uff25\uff32",
            "SUMMER",
        ),  # full width, as Chinese keyboards type it
        ("ab", None),
        ("A" * 33, None),
        ("A B C", None),
        ("早鸟票", None),
        ("abc\x00", None),
        ("", None),
    ],
)
def test_a_code_has_one_form_however_it_is_typed(typed: str, code: str | None) -> None:
    assert normalise_code(typed) == code


def test_a_discount_is_never_more_than_the_order_costs() -> None:
    assert discount_of("fixed", 5_000, 3_000) == 3_000
    assert discount_of("fixed", 5_000, 128_000) == 5_000
    assert discount_of("percent", 100, 128_001) == 128_001
    assert discount_of("percent", 15, 999) == 149  # 149.85: cut to the whole minor unit


def test_shares_are_in_proportion_and_the_rest_goes_to_the_largest_remainders() -> None:
    assert paid_of([100, 100, 100], 100) == [66, 67, 67]
    assert paid_of([128_000, 68_000], 19_600) == [115_200, 61_200]
    assert paid_of([0, 0], 0) == [0, 0]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20), st.data())
def test_what_is_paid_for_the_seats_is_what_is_paid_for_the_order(
    prices: list[int], data: st.DataObject
) -> None:
    amount = sum(prices)
    discount = data.draw(st.integers(0, amount))
    paid = paid_of(prices, discount)
    assert sum(paid) == amount - discount
    assert all(0 <= each <= price for each, price in zip(paid, prices, strict=True))
