"""The life of a refund, and its arithmetic. No I/O.

    requested ──approve──▶ approved ──ask──▶ processing ──┬─succeed──▶ succeeded
        └─────reject──▶ rejected      ▲                   └─fail──▶ failed
                                      └───────────────retry────────────┘

`requested`: the organizer has to say. `approved`: the tickets are void and the seats are free; from
here on the money is owed. `processing`: the provider has been asked, always under one key, and is asked
again when a lease ends. `failed`: it will not do it under that key; somebody must look, and may try
again.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from booking.domain.machine import Machine, Transition


class RefundState(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REJECTED = "rejected"


class RefundStep(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    ASK = "ask"  # the provider is about to be called
    SUCCEED = "succeed"
    FAIL = "fail"
    RETRY = "retry"  # under a new key: the old one is spent


REFUNDS: Machine[RefundState, RefundStep] = Machine(
    "refunds.state",
    begins={RefundState.REQUESTED: ("insert_refund",)},
    table={
        (RefundState.REQUESTED, RefundStep.APPROVE): (RefundState.APPROVED, "approve_refund"),
        (RefundState.REQUESTED, RefundStep.REJECT): (RefundState.REJECTED, "reject_refund"),
        (RefundState.APPROVED, RefundStep.ASK): (RefundState.PROCESSING, "claim_due_refunds"),
        (RefundState.PROCESSING, RefundStep.ASK): (RefundState.PROCESSING, "claim_due_refunds"),
        (RefundState.PROCESSING, RefundStep.SUCCEED): (RefundState.SUCCEEDED, "settle_refund"),
        (RefundState.PROCESSING, RefundStep.FAIL): (RefundState.FAILED, "settle_refund"),
        (RefundState.FAILED, RefundStep.RETRY): (RefundState.APPROVED, "retry_refund"),
    },
)

RefundTransition = Transition[RefundState, RefundStep]

GRANTED = frozenset(RefundState) - {RefundState.REQUESTED, RefundState.REJECTED}


class Quote(msgspec.Struct, frozen=True):
    """What tickets cost, what is kept of that, and what goes back: price = fee + amount."""

    price: int
    fee: int
    amount: int


def fee_of(price: int, kind: str, fee: int, kept: int = 0) -> int:
    """What is kept of one ticket, in minor units.

    price: what was paid for it; kept: how much of that does not go back, whatever the terms.
    kind: `none`, `percent` (whole per cent of the rest, rounded in the buyer's favour) or `fixed`
    (never more than the rest). Each ticket has its own fee, so a refund in parts is, ticket by
    ticket, the refund of the whole: no order of the parts and no rounding can change the sum.
    """
    rest = price - kept
    match kind:
        case "none":
            return kept
        case "percent":
            return kept + rest * fee // 100
        case "fixed":
            return kept + min(fee, rest)
    raise ValueError(f"no kind of fee: {kind}")


def quote(tickets: Sequence[tuple[int, int]], kind: str, fee: int) -> Quote:
    """`tickets`: what was paid for each, and how much of that does not go back whatever the terms."""
    price = sum(paid for paid, _ in tickets)
    kept = sum(fee_of(paid, kind, fee, kept) for paid, kept in tickets)
    return Quote(price=price, fee=kept, amount=price - kept)
