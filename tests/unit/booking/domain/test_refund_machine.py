"""Refunds: every state with every step, and the arithmetic of fees."""

import itertools
import re
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.machine import IllegalTransition
from booking.domain.refund import GRANTED, REFUNDS, RefundState, RefundStep, fee_of, quote
from catalog.wire import RefundTerms
from contracts.catalog import RefundPolicy

BOOKING = Path("booking/migrations/0004_refunds.sql").read_text(encoding="utf-8")
CATALOG = Path("catalog/migrations/0002_refund_policies.sql").read_text(encoding="utf-8")
LEGAL = {
    ("requested", "approve"): "approved",
    ("requested", "reject"): "rejected",
    ("approved", "ask"): "processing",
    ("processing", "ask"): "processing",
    ("processing", "succeed"): "succeeded",
    ("processing", "fail"): "failed",
    ("failed", "retry"): "approved",
}
PRICES = st.lists(st.integers(0, 10**10), min_size=1, max_size=20)
FEES = st.one_of(
    st.just(("none", 0)),
    st.tuples(st.just("percent"), st.integers(0, 100)),
    st.tuples(st.just("fixed"), st.integers(0, 10**10)),
)


@pytest.mark.parametrize(("state", "step"), list(itertools.product(RefundState, RefundStep)))
def test_every_state_with_every_step_of_a_refund(state: RefundState, step: RefundStep) -> None:
    expected = LEGAL.get((state.value, step.value))
    if expected is None:
        with pytest.raises(IllegalTransition):
            REFUNDS.advance(state, step)
    else:
        assert REFUNDS.advance(state, step).to_state == expected


def words_of_check(migration: str, name: str) -> set[str]:
    found = re.search(rf"CONSTRAINT {name} CHECK\s*\(\w+ IN \(([^)]*)\)\)", migration)
    assert found, name
    return set(re.findall(r"'([a-z_]+)'", found[1]))


def test_the_databases_words_are_the_machines() -> None:
    assert words_of_check(BOOKING, "refunds_state_known") == set(RefundState)
    assert {"requested", "rejected"} == set(RefundState) - GRANTED
    for name, field in (("fee_kind", "fee_kind"), ("approval", "approval")):
        literal = set(RefundPolicy.__annotations__[field].__args__)
        assert words_of_check(CATALOG, f"shows_refund_{name}_known") == literal


def test_a_policy_is_by_default_the_same_in_the_contract_the_request_and_the_schema() -> None:
    usual, asked = RefundPolicy(), RefundTerms()
    for field in RefundPolicy.__struct_fields__:
        assert getattr(usual, field) == getattr(asked, field)
    for column, value in (
        ("refundable", "true"),
        ("refund_until_hours", str(usual.until_hours)),
        ("refund_fee_kind", f"'{usual.fee_kind}'"),
        ("refund_fee", str(usual.fee)),
        ("refund_approval", f"'{usual.approval}'"),
    ):
        assert re.search(rf"ADD COLUMN {column} .*DEFAULT {value}", CATALOG), column


def tickets_of(prices: list[int], chance: Random) -> list[tuple[int, int]]:
    """With some of each price that does not go back."""
    return [(price, chance.randint(0, price)) for price in prices]


@given(PRICES, FEES, st.randoms())
def test_fee_and_refund_make_the_price_and_neither_is_negative(
    prices: list[int], terms: tuple[str, int], chance: Random
) -> None:
    tickets = tickets_of(prices, chance)
    found = quote(tickets, *terms)
    assert found.fee + found.amount == found.price == sum(prices)
    assert sum(kept for _, kept in tickets) <= found.fee <= found.price
    assert 0 <= found.amount <= found.price


@given(PRICES, FEES, st.randoms())
def test_a_refund_in_parts_is_the_refund_of_the_whole(
    prices: list[int], terms: tuple[str, int], chance: Random
) -> None:
    left, parts = tickets_of(prices, chance), []
    whole = quote(left, *terms)
    chance.shuffle(left)
    while left:
        size = chance.randint(1, len(left))
        parts.append(quote(left[:size], *terms))
        left = left[size:]
    assert sum(part.amount for part in parts) == whole.amount
    assert sum(part.fee for part in parts) == whole.fee


def test_fees_of_one_ticket() -> None:
    assert fee_of(12_800, "none", 0) == 0
    assert fee_of(12_850, "percent", 10) == 1_285
    assert fee_of(99, "percent", 50) == 49  # the odd fen is the buyer's
    assert fee_of(12_800, "fixed", 500) == 500
    assert fee_of(300, "fixed", 500) == 300
    assert fee_of(12_850, "percent", 10, 850) == 850 + 1_200
    assert fee_of(12_850, "fixed", 500, 850) == 1_350
    assert fee_of(850, "fixed", 500, 850) == 850
