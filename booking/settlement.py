"""What a provider's verdict does, in one transaction. The answer to our call, a webhook and the
reconciler all come through here; whichever is first wins and the others change nothing.

Money buys the seats when every claim of the order is still its own (the order id is the fence; that
its time is over does not matter as long as nobody took them). Otherwise it is owed back.
"""

from typing import Literal
from uuid import UUID

import msgspec

from booking.cancellation import cancel_and_tell, release_holds
from booking.contract import (
    ORDER_PAID,
    PAYMENT_FAILED,
    PAYMENT_REFUND_DUE,
    SEATS_SOLD,
    TICKETS_ISSUED,
    IssuedTicket,
    OrderPaid,
    PaymentFailed,
    TicketsIssued,
)
from booking.domain import payment as payments
from booking.domain.order import IllegalTransition, OrderStatus
from booking.domain.payment import PaymentState, PaymentStep
from booking.domain.problems import PaymentMismatch
from booking.providers.protocol import Verdict
from booking.seats.holds import SeatHolds
from booking.store import payments as stored
from booking.store.ending import tell
from booking.store.records import CancelledOrder, LockedPayment, whole_second
from booking.store.refusals import SeatsRefused
from booking.telling import remembered, seats_changed
from booking.tickets import Tickets
from chassis import logs
from chassis.events import pending
from chassis.postgres import Connection
from chassis.problems import NotFound, Problem

log = logs.get("booking")


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """How the payment stands now. `news`: whether it was this verdict that made it so."""

    payment_id: UUID
    order_id: UUID
    user_id: UUID
    session_id: UUID
    state: PaymentState
    reason: str | None
    news: bool
    cancelled: list[CancelledOrder] = []


async def settle(one: Connection, tickets: Tickets, payment_id: UUID, verdict: Verdict) -> Settled:
    """Within the caller's transaction; call `after_settling` once that has committed.

    Raises NotFound, or PaymentMismatch when the provider speaks of another amount or currency.
    """
    payment = await stored.lock_payment(one, payment_id)
    if payment is None:
        raise NotFound()
    if (verdict.amount, verdict.currency) != (payment.amount, payment.currency):
        log.error("payment_mismatched", payment=payment_id, order=payment.order_id)
        raise PaymentMismatch()
    step = {
        "succeeded": PaymentStep.SUCCEED,
        "declined": PaymentStep.FAIL,
        "pending": PaymentStep.ACCEPT,
    }[verdict.state]
    try:
        to_state = payments.advance(payment.state, step)
    except IllegalTransition:  # said before, in this order or another
        return _settled(payment, payment.state, news=False)
    if step is PaymentStep.SUCCEED:
        return await _take_money(one, tickets, payment)
    reason = verdict.reason if step is PaymentStep.FAIL else None
    await _move(one, payment, to_state, reason)
    if step is PaymentStep.FAIL:
        await _tell_failure(one, payment, reason or "declined")
    return _settled(payment, to_state, news=True, reason=reason)


async def after_settling(holds: SeatHolds, settled: Settled) -> None:
    """Tells Redis, after the commit. It being away is no reason to fail: the sweeper catches up."""
    if not settled.news:
        return
    await release_holds(holds, settled.cancelled)
    if settled.state is PaymentState.SUCCEEDED:
        log.info("order_paid", order=settled.order_id, user=settled.user_id)
        try:
            await holds.sell(settled.session_id, settled.order_id)
        except Problem as away:
            log.warning("sale_postponed", order=settled.order_id, reason=away.code)
    elif settled.state is PaymentState.FAILED:
        log.info("payment_failed", order=settled.order_id, payment=settled.payment_id)
    elif settled.state is PaymentState.REFUND_DUE:
        log.warning("refund_due", order=settled.order_id, payment=settled.payment_id)


async def _take_money(one: Connection, tickets: Tickets, payment: LockedPayment) -> Settled:
    if payment.status is OrderStatus.PENDING_PAYMENT and not payment.another_live:
        try:
            async with one.transaction():  # a savepoint: seats that are gone undo only this
                await _sell(one, tickets, payment)
        except SeatsRefused:
            pass
        else:
            return _settled(payment, PaymentState.SUCCEEDED, news=True)
    return await _owe_back(one, payment)


async def _sell(one: Connection, tickets: Tickets, payment: LockedPayment) -> None:
    seats = [item.seat_id for item in payment.items]
    sold = await stored.sell_claims(one, payment.order_id, payment.session_id)
    if sold != len(seats) or not await stored.mark_paid(one, payment.order_id):
        raise SeatsRefused()
    await _move(one, payment, PaymentState.SUCCEEDED, None)
    await stored.insert_tickets(
        one,
        tickets.draw_up(payment.session_id, seats),
        order_id=payment.order_id,
        session_id=payment.session_id,
        user_id=payment.user_id,
    )
    await _tell_sale(one, payment, await tickets.of_order(one, payment.order_id))


async def _owe_back(one: Connection, payment: LockedPayment) -> Settled:
    """The money cannot buy the seats: it goes back, and an order that waited for it has ended."""
    await _move(one, payment, PaymentState.REFUND_DUE, "seats_gone")
    cancelled: list[CancelledOrder] = []
    if payment.status is OrderStatus.PENDING_PAYMENT and not payment.another_live:
        cancelled = await cancel_and_tell(one, [payment.order_id], "unpaid")
    data = {"payment_id": payment.payment_id, "amount": payment.amount}
    await tell(one, [remembered(payment.order_id, PAYMENT_REFUND_DUE, data)], [])
    return _settled(payment, PaymentState.REFUND_DUE, news=True, cancelled=cancelled)


async def _move(
    one: Connection, payment: LockedPayment, to_state: PaymentState, reason: str | None
) -> None:
    moved = await stored.move_payment(
        one, payment.payment_id, from_state=payment.state, to_state=to_state, reason=reason
    )
    assert moved, "the row is locked"


async def _tell_failure(one: Connection, payment: LockedPayment, reason: str) -> None:
    failed = PaymentFailed(payment.order_id, payment.user_id, payment.payment_id, reason)
    data = {"payment_id": payment.payment_id, "reason": reason}
    await tell(
        one,
        [remembered(payment.order_id, PAYMENT_FAILED, data)],
        [pending(PAYMENT_FAILED, str(payment.order_id), failed)],
    )


async def _tell_sale(one: Connection, payment: LockedPayment, issued: list[IssuedTicket]) -> None:
    paid = OrderPaid(
        order_id=payment.order_id,
        order_no=payment.order_no,
        user_id=payment.user_id,
        session_id=payment.session_id,
        title=payment.title,
        venue=payment.venue,
        starts_at=whole_second(payment.starts_at),
        time_zone=payment.time_zone,
        items=payment.items,
        total_amount=payment.total_amount,
        currency=payment.currency,
        payment_id=payment.payment_id,
        tickets=issued,
    )
    sold = seats_changed(
        payment.session_id,
        [item.seat_id for item in payment.items],
        [item.area_id for item in payment.items],
        payment.order_id,
    )
    whole = TicketsIssued(payment.order_id, payment.user_id, payment.session_id, issued)
    subject = str(payment.order_id)
    data = {
        "payment_id": payment.payment_id,
        "amount": payment.amount,
        "currency": payment.currency,
        "tickets": [ticket.ticket_id for ticket in issued],
    }
    events = [
        pending(ORDER_PAID, subject, paid),
        pending(SEATS_SOLD, subject, sold),
        pending(TICKETS_ISSUED, subject, whole),
    ]
    await tell(one, [remembered(payment.order_id, ORDER_PAID, data)], events)


def _settled(
    payment: LockedPayment,
    state: PaymentState,
    *,
    news: bool,
    reason: Literal[None] | str = None,
    cancelled: list[CancelledOrder] | None = None,
) -> Settled:
    return Settled(
        payment_id=payment.payment_id,
        order_id=payment.order_id,
        user_id=payment.user_id,
        session_id=payment.session_id,
        state=state,
        reason=reason if news else payment.reason,
        news=news,
        cancelled=cancelled or [],
    )
