"""What booking's routes of refunds and cancelled sessions answer with. Amounts in minor units."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from booking.store.cancelled_sessions import Progress
from booking.store.records import second, whole_second
from booking.store.refunds import Refund
from contracts.booking import RefundItem


class RefundAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`price` is what its tickets cost, `fee` what is kept of that, `amount` what goes back.

    status: `requested` (the organizer has to say), `approved` and `processing` (on its way),
    `succeeded`, `failed` (somebody is looking at it), `rejected`. note: of who decided.
    """

    refund_id: UUID
    order_id: UUID
    order_no: str
    session_id: UUID
    status: str
    cause: str
    reason: str
    note: str | None
    tickets: list[RefundItem]
    price: int
    fee: int
    amount: int
    currency: str
    created_at: datetime
    decided_at: datetime | None
    settled_at: datetime | None


class RefundPage(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first: who waits longest stands in front."""

    refunds: list[RefundAnswer]
    page: int
    page_size: int
    total: int


class OfferedTicket(msgspec.Struct, frozen=True, kw_only=True):
    ticket_id: UUID
    seat_id: int
    price: int
    fee: int


class RefundOffer(msgspec.Struct, frozen=True, kw_only=True):
    """What one would get back now, for all that is left: of `tickets`, each with its own fee.

    When not `allowed`, `code` is the problem that a request would meet, and `reason` its reason.
    """

    allowed: bool
    code: str | None
    reason: str | None
    until: datetime
    approval: Literal["automatic", "organizer"]
    tickets: list[OfferedTicket]
    price: int
    fee: int
    amount: int
    currency: str


class OrderRefunds(msgspec.Struct, frozen=True, kw_only=True):
    """Oldest first, and what could be asked for now."""

    refunds: list[RefundAnswer]
    offer: RefundOffer


class CancellationProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the giving back is. Orders: those that were unpaid are `cancelled`; of the others
    `refunded` have their money, `processing` are at the provider, `waiting` come next, `failed` need
    somebody. status: `running`, `finished`, or `finished_with_failures`.
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


def refund_answer(refund: Refund) -> RefundAnswer:
    return RefundAnswer(
        refund_id=refund.refund_id,
        order_id=refund.order_id,
        order_no=refund.order_no,
        session_id=refund.session_id,
        status=refund.state.value,
        cause=refund.cause,
        reason=refund.reason,
        note=refund.note,
        tickets=refund.items,
        price=refund.price,
        fee=refund.fee,
        amount=refund.amount,
        currency=refund.currency,
        created_at=whole_second(refund.created_at),
        decided_at=second(refund.decided_at),
        settled_at=second(refund.settled_at),
    )


def progress_answer(progress: Progress) -> CancellationProgress:
    """Finished is when every order's money has gone back, not when it was sent off."""
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
