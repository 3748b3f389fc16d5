"""What is the matter with a charge or a refund: every state of either side."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec
import pytest

from booking.domain.payment import PaymentState
from booking.domain.refund import RefundState
from booking.payments.reconciliation import SEATS_GONE
from booking.providers.protocol import ChargeResult, ListedCharge, ListedRefund, RefundResult
from booking.recovery.findings import Kind, KnownCharge, kind_of
from booking.recovery.refunds import kind_of as kind_of_refund
from booking.recovery.store import KnownRefund

NOW = datetime(2026, 8, 15, 11, 30, tzinfo=UTC)
PAYMENT, ORDER, KEY = UUID(int=1), UUID(int=2), UUID(int=3)
UNKNOWN = KnownCharge(
    payment_id=PAYMENT, state=None, paid_amount=None, paid_currency=None, order_id=None,
    order_no=None, user_id=None, session_id=None, title=None, starts_at=None, decided=False,
    refund_key=None, refunded_at=None,
)  # fmt: skip


def charge(state: Any = "succeeded", refunded: int = 0) -> ListedCharge:
    result = ChargeResult(state=state, amount=1_000, currency="CNY")
    return ListedCharge(
        payment_id=PAYMENT, result=result, refunded=refunded, method="card", created_at=NOW
    )


def known(state: str | None = None, **more: Any) -> KnownCharge:
    paid = {"paid_amount": 1_000, "paid_currency": "CNY", "order_id": ORDER} if state else {}
    return msgspec.structs.replace(UNKNOWN, state=state, **paid | more)


BEHIND = {PaymentState.CREATED, PaymentState.PROCESSING, PaymentState.FAILED}


@pytest.mark.parametrize("state", PaymentState)
def test_a_charge_whose_payment_is_there_is_behind_or_nothing(state: PaymentState) -> None:
    expected = Kind.PAYMENT_BEHIND if state in BEHIND else None
    assert kind_of(charge(), known(state)) is expected
    for other in ("declined", "pending"):
        assert kind_of(charge(other), known(state)) is None
    assert kind_of(charge(refunded=1_000), known(state)) is None  # its refund's matter
    if expected is None:
        other_amount = known(state, paid_amount=999)
        assert kind_of(charge(), other_amount) is Kind.CHARGE_MISMATCH
        assert kind_of(charge(), known(state, paid_currency="EUR")) is Kind.CHARGE_MISMATCH


def test_a_charge_that_is_not_known_has_lost_its_payment_or_its_order() -> None:
    assert kind_of(charge(), UNKNOWN) is Kind.CHARGE_WITHOUT_ORDER
    assert kind_of(charge(refunded=1), UNKNOWN) is Kind.CHARGE_WITHOUT_ORDER
    assert kind_of(charge(), known(order_id=ORDER)) is Kind.CHARGE_WITHOUT_PAYMENT
    assert kind_of(charge("pending"), UNKNOWN) is Kind.CHARGE_PENDING
    assert kind_of(charge("declined"), UNKNOWN) is None
    assert kind_of(charge(refunded=1_000), UNKNOWN) is None


def test_a_charge_that_was_decided_is_a_finding_until_its_money_is_back() -> None:
    owed = known(decided=True, refund_key=KEY)
    assert kind_of(charge(), owed) is Kind.REFUND_UNSENT
    assert kind_of(charge(refunded=1_000), owed) is Kind.REFUND_UNSENT  # sent, and not marked
    back = msgspec.structs.replace(owed, refunded_at=NOW)
    assert kind_of(charge(refunded=1_000), back) is None
    assert kind_of(charge(), known(PaymentState.SUCCEEDED, decided=True)) is None  # restored


def refund(key: UUID = KEY, state: Any = "succeeded") -> ListedRefund:
    return ListedRefund(
        refund_id=key, payment_id=PAYMENT, amount=1_000, currency="CNY",
        result=RefundResult(state=state), created_at=NOW,
    )  # fmt: skip


def known_refund(
    state: str | None = None, payment: str | None = None, *, recovered: bool = False
) -> KnownRefund:
    return KnownRefund(
        refund_id=None, state=state, payment_state=payment, order_id=None, order_no=None,
        user_id=None, session_id=None, title=None, starts_at=None, recovered=recovered,
    )  # fmt: skip


@pytest.mark.parametrize("state", RefundState)
def test_a_refund_that_is_there_is_behind_if_it_was_not_approved(state: RefundState) -> None:
    behind = {RefundState.REQUESTED, RefundState.REJECTED, RefundState.FAILED}
    expected = Kind.REFUND_BEHIND if state in behind else None
    assert kind_of_refund(refund(), known_refund(state, "succeeded")) is expected


@pytest.mark.parametrize("state", PaymentState)
def test_a_refund_that_is_not_known_is_one_of_its_payment(state: PaymentState) -> None:
    assert kind_of_refund(refund(), known_refund(None, state)) is Kind.REFUND_UNKNOWN
    automatic = refund(uuid5(PAYMENT, SEATS_GONE))
    over = state in {PaymentState.REFUND_DUE, PaymentState.REFUNDED}
    expected = None if over else Kind.REFUND_BEHIND
    assert kind_of_refund(automatic, known_refund(None, state)) is expected


def test_a_refund_of_an_unknown_payment_is_a_finding_unless_a_run_has_sent_it() -> None:
    assert kind_of_refund(refund(), known_refund()) is Kind.REFUND_WITHOUT_ORDER
    assert kind_of_refund(refund(), known_refund(recovered=True)) is None
