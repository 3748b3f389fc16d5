"""The life of an order.

    created ──submit──▶ pending_payment ──pay──▶ paid ──complete──▶ completed
                          │        │              └───refund──▶ refunded
                          └─cancel─┴─expire──▶ cancelled ──pay late──▶ paid

`created` lives only inside the creating statement. `pay late`: time had cancelled the order, then its
money came after all and nobody has its seats (docs/adr/0017); who cancelled himself gets his money back.
PostgreSQL persists each step as compare-and-set (`WHERE status = <from>`), so of two racing steps one
finds no row and rereads.
"""

from enum import StrEnum


class OrderStatus(StrEnum):
    CREATED = "created"
    PENDING_PAYMENT = "pending_payment"
    PAID = "paid"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class OrderStep(StrEnum):
    SUBMIT = "submit"
    PAY = "pay"
    PAY_LATE = "pay_late"  # time had cancelled it, its money came and its seats are free
    CANCEL = "cancel"  # by the buyer
    EXPIRE = "expire"  # by time
    COMPLETE = "complete"
    REFUND = "refund"


TRANSITIONS: dict[tuple[OrderStatus, OrderStep], OrderStatus] = {
    (OrderStatus.CREATED, OrderStep.SUBMIT): OrderStatus.PENDING_PAYMENT,
    (OrderStatus.PENDING_PAYMENT, OrderStep.PAY): OrderStatus.PAID,
    (OrderStatus.PENDING_PAYMENT, OrderStep.CANCEL): OrderStatus.CANCELLED,
    (OrderStatus.PENDING_PAYMENT, OrderStep.EXPIRE): OrderStatus.CANCELLED,
    (OrderStatus.CANCELLED, OrderStep.PAY_LATE): OrderStatus.PAID,
    (OrderStatus.PAID, OrderStep.COMPLETE): OrderStatus.COMPLETED,
    (OrderStatus.PAID, OrderStep.REFUND): OrderStatus.REFUNDED,
}

SEATS_PER_ORDER_MAX = 20  # API.md
COMPLETES_AFTER_DAYS = 7  # after the session has begun; API.md
CHURN_MAX = 20  # orders of one session let go of in a window: nobody hesitates so often
CHURN_WITHIN_S = 600  # that window, from the first of them on


class IllegalTransition(Exception):
    """The machine has no such step from here; use cases say what that means to the caller."""

    def __init__(self, status: StrEnum, step: StrEnum) -> None:
        super().__init__(f"{step} is no step from {status}")
        self.status, self.step = status, step


def advance(status: OrderStatus, step: OrderStep) -> OrderStatus:
    """The status after `step`. Raises IllegalTransition."""
    try:
        return TRANSITIONS[status, step]
    except KeyError:
        raise IllegalTransition(status, step) from None
