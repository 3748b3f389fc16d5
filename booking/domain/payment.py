"""The life of a payment: an intent first, then what the provider says of it, in whatever order.

    created ──accept──▶ processing
       └─────────┬──────────┘
                 ├──succeed──▶ succeeded
                 ├──owe──▶ refund_due ──refund──▶ refunded
                 └──fail──▶ failed ──succeed, owe──▶ …

`created`: committed, the provider perhaps not asked yet. `processing`: the provider will answer
later, or did not answer in time. `refund_due`: the money was taken and cannot buy the seats any more.
A failed payment may still turn out to have been taken: the provider's word, however late, counts.
`succeeded` stays: what an approved refund gives back stands in `refunds` (docs/adr/0046).
"""

from enum import StrEnum

from booking.domain.machine import Machine, Transition


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
    OWE = "owe"  # it was taken, and the seats are gone
    REFUND = "refund"  # the provider gave it back


# The reason of a payment that failed because its provider never heard of it. Nobody declined anything.
NEVER_REACHED = "never_reached_provider"

UNSETTLED = frozenset({PaymentState.CREATED, PaymentState.PROCESSING})

PAYMENTS: Machine[PaymentState, PaymentStep] = Machine(
    "payments.state",
    begins={PaymentState.CREATED: ("begin_payments", "insert_payment")},
    table={
        (PaymentState.CREATED, PaymentStep.ACCEPT): (PaymentState.PROCESSING, "move_payment"),
        (PaymentState.CREATED, PaymentStep.SUCCEED): (
            PaymentState.SUCCEEDED, "sell_orders", "move_payment"),
        (PaymentState.CREATED, PaymentStep.FAIL): (PaymentState.FAILED, "move_payment"),
        (PaymentState.CREATED, PaymentStep.OWE): (PaymentState.REFUND_DUE, "move_payment"),
        (PaymentState.PROCESSING, PaymentStep.SUCCEED): (
            PaymentState.SUCCEEDED, "sell_orders", "move_payment"),
        (PaymentState.PROCESSING, PaymentStep.FAIL): (PaymentState.FAILED, "move_payment"),
        (PaymentState.PROCESSING, PaymentStep.OWE): (PaymentState.REFUND_DUE, "move_payment"),
        (PaymentState.FAILED, PaymentStep.SUCCEED): (PaymentState.SUCCEEDED, "move_payment"),
        (PaymentState.FAILED, PaymentStep.OWE): (PaymentState.REFUND_DUE, "move_payment"),
        (PaymentState.REFUND_DUE, PaymentStep.REFUND): (PaymentState.REFUNDED, "move_payment"),
    },
)  # fmt: skip

PaymentTransition = Transition[PaymentState, PaymentStep]
