"""The machines of orders, payments and tickets: every state with every step."""

import itertools
import re
from pathlib import Path
from uuid import uuid4

import pytest

from booking.domain.machine import IllegalTransition
from booking.domain.order import ORDERS, OrderStatus, OrderStep
from booking.domain.payment import PAYMENTS, UNSETTLED, PaymentState, PaymentStep
from booking.domain.seating import Seating, Stretch
from booking.domain.ticket import TICKETS, TicketStatus, TicketStep
from booking.refusals import RULES

MIGRATION = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted(Path("booking/migrations").glob("*.sql"))
)
LEGAL_ORDER_STEPS = {
    ("pending_payment", "pay"): "paid",
    ("pending_payment", "cancel"): "cancelled",
    ("cancelled", "pay_late"): "paid",
    ("paid", "complete"): "completed",
    ("paid", "refund"): "refunded",
}
LEGAL_TICKET_STEPS = {
    ("valid", "check_in"): "checked_in",
    ("checked_in", "correct"): "checked_in",
    ("valid", "transfer"): "void",
    ("valid", "refund"): "void",
    ("valid", "call_off"): "void",
    ("checked_in", "call_off"): "void",
}


@pytest.mark.parametrize(("status", "step"), list(itertools.product(OrderStatus, OrderStep)))
def test_every_status_with_every_step_of_an_order(status: OrderStatus, step: OrderStep) -> None:
    expected = LEGAL_ORDER_STEPS.get((status.value, step.value))
    if expected is None:
        with pytest.raises(IllegalTransition):
            ORDERS.advance(status, step)
    else:
        assert ORDERS.advance(status, step).to_state == expected
    assert ORDERS.allows(status, step) is (expected is not None)


@pytest.mark.parametrize(("state", "step"), list(itertools.product(PaymentState, PaymentStep)))
def test_every_state_with_every_step_of_a_payment(state: PaymentState, step: PaymentStep) -> None:
    words = {"succeed": "succeeded", "fail": "failed", "owe": "refund_due"}
    expected = None
    if state in {"created", "processing"}:
        expected = words.get(step.value)
    if (state, step) == ("created", "accept"):
        expected = "processing"
    if state == "failed" and step in {"succeed", "owe"}:
        expected = words[step.value]
    if (state, step) == ("refund_due", "refund"):
        expected = "refunded"
    if expected is None:
        with pytest.raises(IllegalTransition):
            PAYMENTS.advance(state, step)
    else:
        assert PAYMENTS.advance(state, step).to_state == expected


@pytest.mark.parametrize(("status", "step"), list(itertools.product(TicketStatus, TicketStep)))
def test_every_status_with_every_step_of_a_ticket(status: TicketStatus, step: TicketStep) -> None:
    expected = LEGAL_TICKET_STEPS.get((status.value, step.value))
    if expected is None:
        with pytest.raises(IllegalTransition):
            TICKETS.advance(status, step)
    else:
        assert TICKETS.advance(status, step).to_state == expected


def test_a_ticket_that_let_somebody_in_is_void_only_with_its_session() -> None:
    def voided_from(step: TicketStep) -> set[str]:
        return {row.from_state.value for row in TICKETS.every(step)}

    assert voided_from(TicketStep.REFUND) == voided_from(TicketStep.TRANSFER) == {"valid"}
    assert voided_from(TicketStep.CALL_OFF) == {"valid", "checked_in"}


def words_of_check(name: str) -> set[str]:
    found = re.search(rf"CONSTRAINT {name} CHECK\s*\(\w+ IN \(([^)]*)\)\)", MIGRATION)
    assert found, name
    return set(re.findall(r"'([a-z_]+)'", found[1]))


def test_the_databases_words_are_the_machines() -> None:
    assert words_of_check("orders_status_known") == set(OrderStatus)
    assert words_of_check("payments_state_known") == set(PaymentState)
    assert words_of_check("tickets_status_known") == set(TicketStatus)
    live = re.search(
        r"payments_one_live_per_order ON payments \(order_id\)\s+WHERE state IN \(([^)]*)\)",
        MIGRATION,
    )
    assert live
    assert set(re.findall(r"'([a-z_]+)'", live[1])) == UNSETTLED | {PaymentState.SUCCEEDED}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_that_means_something_is_in_the_schema_or_its_statement(rule: str) -> None:
    statement = Path("booking/orders/sql/placing.sql").read_text(encoding="utf-8")
    named = rf"(CONSTRAINT|UNIQUE INDEX) {rule}\b"
    assert re.search(named, MIGRATION) or f"refuse('{rule}')" in statement + MIGRATION


def test_a_seat_is_found_by_its_position_and_gaps_are_none() -> None:
    area = uuid4()
    seating = Seating(12, [Stretch(8, 3, area, "B", "2", 1), Stretch(2, 4, area, "A", "1", 11)])
    assert seating.layout == b"|....||...||"
    found = seating.seat(5)
    assert found is not None
    assert (found.area, found.row, found.number) == ("A", "1", 14)
    assert seating.unknown([0, 1, 2, 5, 6, 7, 8, 10, 11, 99]) == [0, 1, 6, 7, 11, 99]
