"""The life of a payment: an intent first, then what the provider says of it, in whatever order.

    created ──accept──▶ processing ──┬─succeed──▶ succeeded ──owe──▶ refund_due ──refund──▶ refunded
       └──────succeed, fail, owe─────┴─fail──▶ failed ──succeed, owe──▶ …

`created`: committed, the provider perhaps not asked yet. `processing`: the provider will answer
later, or did not answer in time. `refund_due`: the money was taken and cannot buy the seats any more.
A failed payment may still turn out to have been taken: the provider's word, however late, counts.
"""

from enum import StrEnum

from booking.domain.order import IllegalTransition


class PaymentState(StrEnum):
    CREATED = "created"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUND_DUE = "refund_due"
    REFUNDED = "refunded"


class PaymentStep(StrEnum):
    ACCEPT = "accept"  # the provider answers later
    SUCCEED = "succeed"
    FAIL = "fail"
    OWE = "owe"  # money for seats that are gone, or an approved refund
    REFUND = "refund"  # the provider gave it back


UNSETTLED = frozenset({PaymentState.CREATED, PaymentState.PROCESSING})
LIVE = UNSETTLED | {PaymentState.SUCCEEDED}  # an order has one such payment at most

TRANSITIONS: dict[tuple[PaymentState, PaymentStep], PaymentState] = {
    (PaymentState.CREATED, PaymentStep.ACCEPT): PaymentState.PROCESSING,
    (PaymentState.CREATED, PaymentStep.SUCCEED): PaymentState.SUCCEEDED,
    (PaymentState.CREATED, PaymentStep.FAIL): PaymentState.FAILED,
    (PaymentState.CREATED, PaymentStep.OWE): PaymentState.REFUND_DUE,
    (PaymentState.PROCESSING, PaymentStep.SUCCEED): PaymentState.SUCCEEDED,
    (PaymentState.PROCESSING, PaymentStep.FAIL): PaymentState.FAILED,
    (PaymentState.PROCESSING, PaymentStep.OWE): PaymentState.REFUND_DUE,
    (PaymentState.FAILED, PaymentStep.SUCCEED): PaymentState.SUCCEEDED,
    (PaymentState.FAILED, PaymentStep.OWE): PaymentState.REFUND_DUE,
    (PaymentState.SUCCEEDED, PaymentStep.OWE): PaymentState.REFUND_DUE,
    (PaymentState.REFUND_DUE, PaymentStep.REFUND): PaymentState.REFUNDED,
}


def advance(state: PaymentState, step: PaymentStep) -> PaymentState:
    """The state after `step`. Raises IllegalTransition."""
    try:
        return TRANSITIONS[state, step]
    except KeyError:
        raise IllegalTransition(state, step) from None
