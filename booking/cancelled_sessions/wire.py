"""Request and response bodies of cancelling a session."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from booking.cancelled_sessions.store import Progress
from booking.refunds.wire import Words
from chassis.clock import second, whole_second


class CancelSession(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`reason` is sent to everybody who has a ticket."""

    reason: Words


class CancellationProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of the refunds, in numbers of orders. Unpaid orders are `cancelled`. Of the paid ones
    `refunded` are done, `processing` are at the payment provider, `waiting` come next, and `failed` need a
    person to retry them. status: `running`, `finished`, or `finished_with_failures`.
    """

    session_id: UUID
    status: Literal["running", "finished", "finished_with_failures"]
    reason: str
    orders_total: int
    cancelled: int
    waiting: int
    processing: int
    refunded: int
    failed: int
    amount_total: int
    amount_refunded: int
    currency: str | None
    created_at: datetime
    finished_at: datetime | None


def progress_answer(progress: Progress) -> CancellationProgress:
    """Finished means that every order's refund has succeeded, not only that it was sent."""
    sold = progress.orders_waiting + progress.processing + progress.refunded + progress.failed
    under_way = progress.finished_at is None or progress.processing > 0
    over: Literal["finished", "finished_with_failures"] = (
        "finished_with_failures" if progress.failed else "finished"
    )
    return CancellationProgress(
        session_id=progress.session_id,
        status="running" if under_way else over,
        reason=progress.reason,
        orders_total=progress.orders_cancelled + sold,
        cancelled=progress.orders_cancelled,
        waiting=progress.orders_waiting,
        processing=progress.processing,
        refunded=progress.refunded,
        failed=progress.failed,
        amount_total=progress.amount_total,
        amount_refunded=progress.amount_refunded,
        currency=progress.currency,
        created_at=whole_second(progress.created_at),
        finished_at=second(progress.finished_at),
    )
