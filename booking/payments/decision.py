"""What a provider's answer does: the one place that says it.

    answer        payment created or processing         payment failed                 any other
    pending       it is processing (from created)       nothing                        nothing
    declined      it has failed                         nothing                        nothing
    succeeded     the money buys the order, or is owed back: see below                 nothing

Transitions only go forward, so an answer that comes twice, or late, does nothing. Money buys an order that
waits for it. One that *time* had cancelled is taken up again (docs/adr/0017); whether its seats are still to
be had, the database says. Otherwise the money goes back.

Pure: the caller has the facts, and does what is decided. One that has locked both rows knows them; one that
has not presumes WAITING, and writes by a statement that does nothing where that is not so (batches.sql).
"""

import msgspec

from booking.domain.order import ORDERS, OrderStatus, OrderStep
from booking.domain.payment import PAYMENTS, PaymentState, PaymentStep
from booking.providers.protocol import ChargeResult

STEPS = {
    "succeeded": PaymentStep.SUCCEED,
    "declined": PaymentStep.FAIL,
    "pending": PaymentStep.ACCEPT,
}


class OrderFacts(msgspec.Struct, frozen=True):
    """What of an order decides. `another_live`: another payment of it counts already."""

    status: OrderStatus
    cancel_reason: str | None = None
    another_live: bool = False


WAITING = OrderFacts(OrderStatus.PENDING_PAYMENT)


class Nothing(msgspec.Struct, frozen=True):
    """The answer changes nothing, now or later."""


class Wait(msgspec.Struct, frozen=True):
    """The provider answers later."""


class Fail(msgspec.Struct, frozen=True):
    """No money moved; the order can be paid another way."""

    reason: str | None


class Sell(msgspec.Struct, frozen=True):
    """The money buys the order's seats, while nobody else has one. `late`: time had cancelled it."""

    late: bool


class Owe(msgspec.Struct, frozen=True):
    """The money buys nothing and goes back."""

    reason: str


Decision = Nothing | Wait | Fail | Sell | Owe


def decide(state: PaymentState, result: ChargeResult, order: OrderFacts) -> Decision:
    """state: of the payment that the result is of."""
    step = STEPS[result.state]
    if not PAYMENTS.allows(state, step):
        return Nothing()
    if step is PaymentStep.ACCEPT:
        return Wait()
    if step is PaymentStep.FAIL:
        return Fail(result.reason)
    return _money_came(order)


def _money_came(order: OrderFacts) -> Sell | Owe:
    cancelled = order.status is OrderStatus.CANCELLED
    if order.another_live or (cancelled and order.cancel_reason != "unpaid"):
        return _owed(order)
    if not ORDERS.allows(order.status, OrderStep.PAY_LATE if cancelled else OrderStep.PAY):
        return _owed(order)
    return Sell(late=cancelled)


def _owed(order: OrderFacts) -> Owe:
    return Owe("order_cancelled" if order.status is OrderStatus.CANCELLED else "paid_already")
