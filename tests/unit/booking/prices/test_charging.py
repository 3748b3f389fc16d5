"""What an order costs with categories, fees, tax and a promo code: it adds up, in whole and in any part."""

from collections.abc import Sequence
from random import Random
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking.domain.refund import fee_of, quote
from booking.orders.pricing import price_of
from booking.orders.records import Price
from booking.prices.charging import TicketCharges, charge
from booking.promo_codes.store import PromoCode
from contracts.booking import OrderItem
from contracts.prices import FeeTerms, PriceTerms, TaxTerms, divide, rounded
from contracts.receipts import breakdown_of

AREA = UUID(int=1)
AMOUNT_MAX = 10**10

amounts = st.one_of(st.integers(0, 300), st.integers(0, AMOUNT_MAX))
prices = st.lists(amounts, min_size=1, max_size=20)


@st.composite
def fees(draw: st.DrawFn) -> FeeTerms:
    percent = draw(st.booleans())
    return FeeTerms(
        key=str(draw(st.integers(0, 99))),
        name="F",
        per=draw(st.sampled_from(["ticket", "order"])),
        refunded=draw(st.sampled_from(["with_ticket", "when_cancelled"])),
        amount=None if percent else draw(amounts),
        basis_points=draw(st.integers(1, 10_000)) if percent else None,
        borne_by=draw(st.sampled_from(["buyer", "buyer", "organizer"])),
    )


taxes = st.builds(
    TaxTerms,
    name=st.sampled_from("ABCDE"),
    rate=st.integers(0, 10_000),
    on=st.sampled_from(["all", "tickets", "fees"]),
)
terms = st.builds(
    PriceTerms,
    fees=st.lists(fees(), max_size=5, unique_by=lambda fee: fee.key),
    taxes=st.lists(taxes, max_size=5, unique_by=lambda tax: tax.name),
)
promos = st.one_of(
    st.none(),
    st.tuples(st.just("percent"), st.integers(0, 100)),
    st.tuples(st.just("fixed"), amounts),
)
policies = st.one_of(
    st.just(("none", 0)),
    st.tuples(st.just("percent"), st.integers(0, 100)),
    st.tuples(st.just("fixed"), amounts),
)


def promo_code(kind_value: tuple[str, int] | None) -> PromoCode | None:
    if kind_value is None:
        return None
    columns = dict.fromkeys(PromoCode.__struct_fields__)
    kind, value = kind_value
    return PromoCode(**columns | {"promo_code_id": uuid4(), "kind": kind, "value": value})  # type: ignore[arg-type]


def items_of(given_prices: Sequence[int]) -> list[OrderItem]:
    return [
        OrderItem(place, AREA, "A", "1", place, price)
        for place, price in enumerate(given_prices, start=1)
    ]


def with_charges(items: list[OrderItem], price: Price) -> list[OrderItem]:
    if price.charges is None:
        return items
    return [
        msgspec.structs.replace(item, fees=each.fees, tax=each.tax)
        for item, each in zip(items, price.charges, strict=True)
    ]


def charges_of(given_prices: Sequence[int], given_terms: PriceTerms) -> list[TicketCharges]:
    return charge(given_prices, given_terms)


@settings(max_examples=500, deadline=None)
@given(prices, terms, promos)
def test_items_and_fees_less_the_discount_are_the_total(
    given_prices: list[int], given_terms: PriceTerms, promo: tuple[str, int] | None
) -> None:
    price = price_of(items_of(given_prices), "CNY", promo_code(promo), given_terms)
    items = with_charges(items_of(given_prices), price)
    costs = breakdown_of(items, price.total_amount)
    assert costs.items + sum(fee.amount for fee in costs.fees) - costs.discount == costs.total
    assert costs.total == price.total_amount >= 0
    assert costs.discount == (price.redemption.discount if price.redemption else 0)
    assert 0 <= sum(tax.amount for tax in costs.tax) <= costs.total
    assert sum(tax.amount for item in items for tax in item.tax) == sum(
        tax.amount for tax in costs.tax
    )


@settings(max_examples=500, deadline=None)
@given(prices, terms)
def test_every_ticket_adds_up_by_itself(given_prices: list[int], given_terms: PriceTerms) -> None:
    for price, each in zip(given_prices, charges_of(given_prices, given_terms), strict=True):
        assert each.paid == price + sum(fee.amount for fee in each.fees)
        assert 0 <= sum(tax.amount for tax in each.tax) <= each.paid
        assert 0 <= each.kept <= sum(fee.amount for fee in each.fees)
        assert all(line.amount > 0 for line in (*each.fees, *each.costs, *each.tax))
        if price == 0:
            assert (each.paid, each.fees, each.costs) == (0, (), ())


@settings(deadline=None)
@given(prices, terms)
def test_a_fixed_fee_per_order_is_there_once(
    given_prices: list[int], given_terms: PriceTerms
) -> None:
    charged = charges_of(given_prices, given_terms)
    for fee in given_terms.fees:
        if fee.per == "order" and fee.amount is not None and any(given_prices):
            lines = [line for each in charged for line in (*each.fees, *each.costs)]
            assert sum(line.amount for line in lines if line.key == fee.key) == fee.amount


@settings(max_examples=500, deadline=None)
@given(prices, terms)
def test_an_order_never_costs_more_than_the_prices_shown_first(
    given_prices: list[int], given_terms: PriceTerms
) -> None:
    total = sum(each.paid for each in charges_of(given_prices, given_terms))
    shown = sum(given_terms.whole_price(price) for price in given_prices)
    assert total <= shown
    if len(given_prices) == 1:
        assert total == shown


@settings(deadline=None)
@given(prices, terms, promos)
def test_a_promo_code_never_makes_an_order_dearer(
    given_prices: list[int], given_terms: PriceTerms, promo: tuple[str, int] | None
) -> None:
    items = items_of(given_prices)
    without = price_of(items, "CNY", None, given_terms).total_amount
    assert price_of(items, "CNY", promo_code(promo), given_terms).total_amount <= without


@settings(max_examples=500, deadline=None)
@given(prices, terms, policies, st.randoms())
def test_refunds_in_any_order_are_at_most_what_was_paid(
    given_prices: list[int], given_terms: PriceTerms, policy: tuple[str, int], chance: Random
) -> None:
    """Whichever of them the buyer returns, and whatever is left when the session is cancelled."""
    charged = charges_of(given_prices, given_terms)
    total = sum(each.paid for each in charged)
    chance.shuffle(charged)
    returned = chance.randint(0, len(charged))
    back = kept = 0
    left = charged[:returned]
    while left:
        size = chance.randint(1, len(left))
        part = quote([(each.paid, each.kept) for each in left[:size]], *policy)
        back, kept, left = back + part.amount, kept + part.fee, left[size:]
    rest = quote([(each.paid, 0) for each in charged[returned:]], "none", 0)
    assert rest.fee == 0
    assert back + kept + rest.amount == total
    assert 0 <= back + rest.amount <= total
    if returned == 0:
        assert rest.amount == total  # a cancelled session keeps nothing


@settings(deadline=None)
@given(prices, terms)
def test_what_is_refunded_free_of_charge_is_all_but_the_fees_that_stay(
    given_prices: list[int], given_terms: PriceTerms
) -> None:
    charged = charges_of(given_prices, given_terms)
    back = sum(quote([(each.paid, each.kept)], "none", 0).amount for each in charged)
    stays = {fee.key for fee in given_terms.fees if fee.refunded == "when_cancelled"}
    lines = [line for each in charged for line in each.fees]
    assert back == sum(given_prices) + sum(line.amount for line in lines if line.key not in stays)


@given(amounts, amounts, policies)
def test_the_policy_s_fee_is_of_what_would_go_back_otherwise(
    rest: int, kept: int, policy: tuple[str, int]
) -> None:
    assert fee_of(rest + kept, *policy, kept) == kept + fee_of(rest, *policy)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 10**12), st.lists(amounts, min_size=1, max_size=20))
def test_parts_add_up_and_none_is_a_unit_off(amount: int, weights: list[int]) -> None:
    parts, whole = divide(amount, weights), sum(weights)
    assert sum(parts) == (amount if whole else 0)
    if whole:
        for part, weight in zip(parts, weights, strict=True):
            assert amount * weight // whole <= part <= -(-amount * weight // whole)


@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_rounding_is_half_up(numerator: int, denominator: int) -> None:
    over = rounded(numerator, denominator) * denominator - numerator
    assert -denominator < 2 * over <= denominator


@pytest.mark.parametrize(
    ("exact", "whole"), [((5, 10), 1), ((4, 10), 0), ((15, 10), 2), ((0, 7), 0)]
)
def test_halves_go_up(exact: tuple[int, int], whole: int) -> None:
    assert rounded(*exact) == whole


def test_equal_remainders_go_to_the_earlier() -> None:
    assert divide(2, [5, 5, 5]) == [1, 1, 0]
    assert divide(2, [1, 4, 1, 4]) == [0, 1, 0, 1]


def test_taxes_of_one_amount_are_rounded_together() -> None:
    """Three times 0.5, each rounded up, would be more tax than the ticket costs."""
    thrice = PriceTerms(taxes=[TaxTerms(name, 10_000) for name in "ABC"])
    (ticket,) = charge([2], thrice)
    assert [(line.name, line.amount) for line in ticket.tax] == [("A", 1), ("B", 1)]


def test_the_worked_example_of_the_page() -> None:
    """docs/prices.md."""
    page = PriceTerms(
        fees=[
            FeeTerms("service", "Service", "ticket", "with_ticket", basis_points=250),
            FeeTerms("order", "Order fee", "order", "when_cancelled", amount=200),
        ],
        taxes=[TaxTerms("VAT", 700)],
    )
    adult, child = charge([9_995, 4_998], page)
    assert [fee.amount for fee in adult.fees] == [250, 133]
    assert [fee.amount for fee in child.fees] == [125, 67]
    assert (adult.paid, child.paid) == (10_378, 5_190)
    assert [tax.amount for tax in (*adult.tax, *child.tax)] == [679, 340]
    assert (adult.kept, child.kept) == (133, 67)
    assert quote([(child.paid, child.kept)], "none", 0).amount == 5_123
