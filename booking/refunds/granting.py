"""Asking for a refund and granting it, within the transaction of a caller who has locked the order.

Granting is one moment: the tickets are void, the seats are free, the tally is smaller, the money is
owed, and everybody is told. Only then is the provider asked (refund_sending.py), and however long it
takes, nobody enters with a refunded ticket and no seat stands empty for it (docs/adr/0018).
"""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec

from booking.domain.problems import RefundAlreadyDecided, RefundAlreadyRequested, RefundNotAllowed
from booking.domain.refund import quote
from booking.domain.ticket import TicketStep, VoidingStep
from booking.events.history import history_entry, seats_changed
from booking.events.store import NewHistoryEntry, record_and_publish
from booking.promo_codes.store import release_redemptions
from booking.refunds import store
from booking.refunds.store import NewRefund, OrderForRefund, Refund, TicketForRefund
from booking.seats.holds import SeatHolds
from booking.seats.returns import give_back
from chassis.clock import whole_second
from chassis.context import current
from chassis.events.envelope import PendingEvent, pending
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Connection
from chassis.problems import Problem
from contracts.booking import (
    ORDER_REFUNDED,
    REFUND_APPROVED,
    REFUND_REQUESTED,
    SEATS_RELEASED,
    OrderRefunded,
    RefundChanged,
)
from contracts.catalog import RefundPolicy

log = logs.get("booking")

Cause = Literal["buyer", "session_cancelled"]


class FreedSeats(msgspec.Struct, frozen=True):
    """Seats that a committed refund has freed; `closed` when their session is not sold any more."""

    session_id: UUID
    order_id: UUID
    user_id: UUID
    seats: list[int]
    closed: bool


async def ask(
    tx: Connection,
    order: OrderForRefund,
    tickets: Sequence[TicketForRefund],
    *,
    organizer_id: UUID,
    cause: Cause,
    reason: str,
    policy: RefundPolicy,
) -> Refund:
    """A new refund of these tickets, requested: of a cancelled session with every fee. Raises
    RefundAlreadyRequested for one in another."""
    cost = quote(
        [(one.price, 0 if cause == "session_cancelled" else one.kept) for one in tickets],
        policy.fee_kind,
        policy.fee,
    )
    if order.payment_id is None:
        raise LookupError(f"order {order.order_id} is paid without a payment")
    new = NewRefund(
        refund_id=uuid7(),
        order_id=order.order_id,
        payment_id=order.payment_id,
        user_id=order.user_id,
        session_id=order.session_id,
        organizer_id=organizer_id,
        cause=cause,
        reason=reason,
        price=cost.price,
        fee=cost.fee,
        amount=cost.amount,
        currency=order.currency,
        request_id=current().request_id,
    )
    try:
        await store.insert_refund(tx, new, tickets)
    except store.RefundedAlready:
        raise RefundAlreadyRequested() from None
    refund = await _read(tx, new.refund_id)
    automatic = policy.approval == "automatic"
    await record_and_publish(tx, *_told(REFUND_REQUESTED, refund, automatic=automatic))
    return refund


async def approve(
    tx: Connection,
    order: OrderForRefund,
    refund_id: UUID,
    *,
    decided_by: UUID | None,
    note: str | None = None,
    step: VoidingStep = TicketStep.REFUND,
) -> FreedSeats:
    """Raises RefundAlreadyDecided, and RefundNotAllowed when `step` is none for a ticket any more.

    decided_by: None when the show's terms have decided. step: CALL_OFF when the session is cancelled.
    """
    if not await store.approve_refund(tx, refund_id, decided_by=decided_by, note=note):
        raise RefundAlreadyDecided()
    refund = await _read(tx, refund_id)
    tickets = [item.ticket_id for item in refund.items]
    seats = [item.seat_id for item in refund.items]
    # Also a ticket that was passed on since.
    whose_ever = seats if step is TicketStep.CALL_OFF else []
    voided = await store.void_tickets(tx, order.order_id, tickets, seats=whose_ever, step=step)
    if voided != len(tickets):
        raise RefundNotAllowed("A ticket was used or passed on.", reason="ticket_used")
    freed = await store.free_sold_claims(
        tx, order_id=order.order_id, session_id=order.session_id, seats=seats
    )
    if freed != len(seats):
        raise LookupError(f"order {order.order_id} has {freed} of its seats {seats}")
    await store.give_tally_back(
        tx, session_id=order.session_id, user_id=order.user_id, tickets=len(seats)
    )
    await _tell_grant(tx, order, refund, automatic=decided_by is None)
    return FreedSeats(
        order.session_id, order.order_id, order.user_id, seats, order.session_cancelled
    )


async def sync_redis_after_refund(holds: SeatHolds, freed: Sequence[FreedSeats]) -> None:
    """Tells Redis, after the commit. It being away is no reason to fail: the reconciler catches up."""
    for one in freed:
        log.info("refund_approved", order=one.order_id, seats=len(one.seats), user=one.user_id)
        try:
            await give_back(holds, one.session_id, one.user_id, one.seats, closed=one.closed)
        except Problem as away:
            log.warning("return_postponed", order=one.order_id, reason=away.code)


def refund_told(
    type_: str, refund: Refund, *, automatic: bool = False, **more: Any
) -> tuple[NewHistoryEntry, PendingEvent]:
    """A step of a refund: an entry in its order's history, an event."""
    changed = RefundChanged(
        refund_id=refund.refund_id,
        order_id=refund.order_id,
        order_no=refund.order_no,
        user_id=refund.user_id,
        session_id=refund.session_id,
        organizer_id=refund.organizer_id,
        title=refund.title,
        venue=refund.venue,
        starts_at=whole_second(refund.starts_at),
        time_zone=refund.time_zone,
        cause="session_cancelled" if refund.cause == "session_cancelled" else "buyer",
        reason=refund.reason,
        note=refund.note,
        automatic=automatic,
        items=refund.items,
        price=refund.price,
        fee=refund.fee,
        amount=refund.amount,
        currency=refund.currency,
    )
    data = {
        "refund_id": refund.refund_id,
        "seats": [item.seat_id for item in refund.items],
        "fee": refund.fee,
        "amount": refund.amount,
        "currency": refund.currency,
        **more,
    }
    entry = history_entry(refund.order_id, type_, data)
    return entry, pending(type_, str(refund.order_id), changed)


def _told(
    type_: str, refund: Refund, *, automatic: bool
) -> tuple[list[NewHistoryEntry], list[PendingEvent]]:
    entry, event = refund_told(type_, refund, automatic=automatic)
    return [entry], [event]


async def _tell_grant(
    tx: Connection, order: OrderForRefund, refund: Refund, *, automatic: bool
) -> None:
    history, events = _told(REFUND_APPROVED, refund, automatic=automatic)
    subject = str(order.order_id)
    if not order.session_cancelled:
        seats = [item.seat_id for item in refund.items]
        areas = [item.area_id for item in refund.items]
        released = seats_changed(order.session_id, seats, areas, order.order_id)
        events.append(pending(SEATS_RELEASED, subject, released))
    if await store.mark_refunded(tx, order.order_id):
        await release_redemptions(tx, [order.order_id])
        amount = await store.refunded_amount(tx, order.order_id)
        whole = OrderRefunded(
            order_id=order.order_id,
            order_no=order.order_no,
            user_id=order.user_id,
            session_id=order.session_id,
            title=order.title,
            amount=amount,
            currency=order.currency,
        )
        data = {"amount": amount, "currency": order.currency}
        history.append(history_entry(order.order_id, ORDER_REFUNDED, data))
        events.append(pending(ORDER_REFUNDED, subject, whole))
    await record_and_publish(tx, history, events)


async def _read(tx: Connection, refund_id: UUID) -> Refund:
    refund = await store.get_refund(tx, refund_id)
    if refund is None:
        raise LookupError(f"refund {refund_id} is not there")
    return refund
