"""What a provider's result does to a payment and its order: every state with every result."""

import itertools
import re
from pathlib import Path
from typing import Literal, get_args

import pytest

from booking.domain.order import OrderStatus
from booking.domain.payment import UNSETTLED, PaymentState
from booking.payments.decision import (
    WAITING,
    Decision,
    Fail,
    Nothing,
    OrderFacts,
    Owe,
    Sell,
    Wait,
    decide,
)
from booking.providers.protocol import ChargeResult

ResultState = Literal["succeeded", "declined", "pending"]
ORDERS = [
    OrderFacts(status, reason, another_live)
    for status, another_live in itertools.product(OrderStatus, (False, True))
    for reason in (("user", "unpaid", "session_cancelled") if status == "cancelled" else (None,))
]


def result(state: ResultState) -> ChargeResult:
    reason = "card_declined" if state == "declined" else None
    return ChargeResult(state=state, amount=1, currency="CNY", reason=reason)


@pytest.mark.parametrize("state", PaymentState)
@pytest.mark.parametrize("order", ORDERS)
def test_money_sells_what_waits_for_it_and_is_owed_back_otherwise(
    state: PaymentState, order: OrderFacts
) -> None:
    expected: Decision
    if state not in {"created", "processing", "failed"}:
        expected = Nothing()
    elif order == OrderFacts(OrderStatus.PENDING_PAYMENT):
        expected = Sell(late=False)
    elif order == OrderFacts(OrderStatus.CANCELLED, "unpaid"):
        expected = Sell(late=True)
    elif order.status == "cancelled":
        expected = Owe("order_cancelled")
    else:
        expected = Owe("paid_already")
    assert decide(state, result("succeeded"), order) == expected


@pytest.mark.parametrize("state", PaymentState)
@pytest.mark.parametrize("order", ORDERS)
def test_a_refusal_and_a_promise_move_only_what_has_no_answer_yet(
    state: PaymentState, order: OrderFacts
) -> None:
    """Whatever has become of the order."""
    unanswered = state in {"created", "processing"}
    declined = decide(state, result("declined"), order)
    assert declined == (Fail("card_declined") if unanswered else Nothing())
    pending = decide(state, result("pending"), order)
    assert pending == (Wait() if state == "created" else Nothing())


@pytest.mark.parametrize("first", get_args(ResultState))
@pytest.mark.parametrize("state", PaymentState)
def test_a_result_that_comes_twice_does_nothing_the_second_time(
    state: PaymentState, first: ResultState
) -> None:
    becomes = {
        Wait: PaymentState.PROCESSING,
        Fail: PaymentState.FAILED,
        Sell: PaymentState.SUCCEEDED,
        Owe: PaymentState.REFUND_DUE,
    }
    for order in ORDERS:
        decision = decide(state, result(first), order)
        if not isinstance(decision, Nothing):
            assert decide(becomes[type(decision)], result(first), order) == Nothing()


def test_the_statement_that_sells_many_takes_what_is_decided_to_be_sold() -> None:
    """It repeats in SQL what batched_outcomes.py presumes: the order waits, the payment is unsettled."""
    sql = Path("booking/payments/sql/batches.sql").read_text(encoding="utf-8")
    presumed = re.search(r"o\.status = '(\w+)' AND p\.state IN \(([^)]*)\)", sql)
    assert presumed
    assert OrderFacts(OrderStatus(presumed[1])) == WAITING
    states = {PaymentState(word) for word in re.findall(r"'(\w+)'", presumed[2])}
    assert states == UNSETTLED
    for state in states:
        assert decide(state, result("succeeded"), WAITING) == Sell(late=False)
