"""The life of an order.

    ──place──▶ pending_payment ──pay──▶ paid ──complete──▶ completed
                      │                 ▲  └────refund───▶ refunded
                   cancel            pay late
                      └───▶ cancelled ──┘

`cancel`: by its buyer, by time, or with its session. `pay late`: time had cancelled the order, then its
money came after all and nobody has its seats (docs/adr/0017); who cancelled themselves gets their money
back. `created` is the API's word for an order that is being placed: no row ever has it.
"""

from enum import StrEnum

from booking.domain.machine import Machine, Transition


class OrderStatus(StrEnum):
    CREATED = "created"
    PENDING_PAYMENT = "pending_payment"
    PAID = "paid"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class OrderStep(StrEnum):
    PAY = "pay"
    PAY_LATE = "pay_late"  # time had cancelled it, its money came and its seats are free
    CANCEL = "cancel"
    COMPLETE = "complete"  # by time, after its session
    REFUND = "refund"  # when nothing of it is left


ORDERS: Machine[OrderStatus, OrderStep] = Machine(
    "orders.status",
    begins={OrderStatus.PENDING_PAYMENT: ("place_orders",)},
    table={
        (OrderStatus.PENDING_PAYMENT, OrderStep.PAY): (
            OrderStatus.PAID, "sell_orders", "mark_paid"),
        (OrderStatus.PENDING_PAYMENT, OrderStep.CANCEL): (OrderStatus.CANCELLED, "cancel_orders"),
        (OrderStatus.CANCELLED, OrderStep.PAY_LATE): (OrderStatus.PAID, "mark_paid"),
        (OrderStatus.PAID, OrderStep.COMPLETE): (OrderStatus.COMPLETED, "complete_orders"),
        (OrderStatus.PAID, OrderStep.REFUND): (OrderStatus.REFUNDED, "mark_refunded"),
    },
)  # fmt: skip

OrderTransition = Transition[OrderStatus, OrderStep]

SEATS_PER_ORDER_MAX = 20  # API.md
COMPLETES_AFTER_DAYS = 7  # after the session has begun; API.md
CHURN_MAX = 20  # orders of one session let go of in a window: nobody hesitates so often
CHURN_WITHIN_S = 600  # that window, from the first of them on
