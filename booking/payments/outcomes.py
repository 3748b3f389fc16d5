"""What a provider's verdict does, in one transaction. The answer to our call, a webhook and the
reconciler all come through here; whichever is first wins and the others change nothing. The plain case
of many orders at once is in booking/payments/batched_outcomes.py.

Money buys the seats when nobody else has one of them: that the order's time is over does not matter, and
one that time has cancelled is taken up again (docs/adr/0017). Otherwise the money is owed back.
"""

from typing import Literal
from uuid import UUID

import msgspec

from booking.domain.order import ORDERS, OrderStatus, OrderStep
from booking.domain.payment import PAYMENTS, PaymentState, PaymentStep
from booking.domain.problems import PaymentMismatch, TicketLimitReached
from booking.events.history import history_entry, seats_changed
from booking.events.store import tell
from booking.orders.cancelling import cancel_and_tell, release_holds
from booking.orders.records import CancelledOrder
from booking.payments import store
from booking.payments.records import LockedPayment
from booking.payments.sale import build_sale
from booking.promo_codes.store import retake_redemption
from booking.providers.protocol import ChargeResult
from booking.refusals import SeatsRefused
from booking.seats.claims import Claim
from booking.seats.holds import SeatHolds
from booking.tickets.issuing import TicketIssuing
from chassis.events.envelope import pending
from chassis.observability import logs
from chassis.postgres.pool import Connection
from chassis.problems import NotFound, Problem
from contracts.booking import (
    PAYMENT_FAILED,
    PAYMENT_REFUND_DUE,
    SEATS_HELD,
    IssuedTicket,
    PaymentFailed,
)

log = logs.get("booking")

STEPS = {
    "succeeded": PaymentStep.SUCCEED,
    "declined": PaymentStep.FAIL,
    "pending": PaymentStep.ACCEPT,
}


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """How the payment stands now. `news`: whether it was this verdict that made it so. `issued`: the
    tickets when it did. `seats_to_sync`: seats that were taken again, which Redis does not know of yet."""

    payment_id: UUID
    order_id: UUID
    user_id: UUID
    session_id: UUID
    state: PaymentState
    reason: str | None
    news: bool
    issued: list[IssuedTicket] | None = None
    seats_to_sync: list[int] = []
    cancelled: list[CancelledOrder] = []


async def apply_outcome(
    tx: Connection, tickets: TicketIssuing, payment_id: UUID, verdict: ChargeResult
) -> Settled:
    """Within the caller's transaction; call `sync_redis_after_payment` once that has committed.

    Raises NotFound, or PaymentMismatch when the provider speaks of another amount or currency.
    """
    payment = await store.lock_payment(tx, payment_id)
    if payment is None:
        raise NotFound()
    refuse_mismatch(payment_id, verdict, payment.amount, payment.currency)
    if changes_nothing(payment.state, verdict):  # said before, in this order or another
        return _settled(payment, payment.state, news=False)
    step = STEPS[verdict.state]
    if step is PaymentStep.SUCCEED:
        return await _take_money(tx, tickets, payment)
    reason = verdict.reason if step is PaymentStep.FAIL else None
    to_state = await _move(tx, payment, step, reason)
    if step is PaymentStep.FAIL:
        await _tell_failure(tx, payment, reason or "declined")
    return _settled(payment, to_state, news=True, reason=reason)


def refuse_mismatch(payment_id: UUID, verdict: ChargeResult, amount: int, currency: str) -> None:
    """Raises PaymentMismatch unless the provider took what was asked for."""
    if (verdict.amount, verdict.currency) != (amount, currency):
        log.error("payment_mismatched", payment=payment_id)
        raise PaymentMismatch()


def changes_nothing(state: PaymentState, verdict: ChargeResult) -> bool:
    """True if this result can never change a payment in `state`. Transitions only go forward."""
    return not PAYMENTS.allows(state, STEPS[verdict.state])


async def sync_redis_after_payment(holds: SeatHolds, settled: Settled) -> None:
    """Tells Redis, after the commit. It being away is no reason to fail: the sweeper catches up."""
    if not settled.news:
        return
    await release_holds(holds, settled.cancelled)
    if settled.state is PaymentState.SUCCEEDED:
        log.info("order_paid", order=settled.order_id, user=settled.user_id)
        try:
            await holds.sell(settled.session_id, settled.order_id)
            if settled.seats_to_sync:
                sold = [
                    Claim(seat, "sold", settled.order_id, settled.user_id, None)
                    for seat in settled.seats_to_sync
                ]
                await holds.correct(settled.session_id, sold)
        except Problem as away:
            log.warning("sale_postponed", order=settled.order_id, reason=away.code)
    elif settled.state is PaymentState.FAILED:
        log.info("payment_failed", order=settled.order_id, payment=settled.payment_id)
    elif settled.state is PaymentState.REFUND_DUE:
        log.warning("refund_due", order=settled.order_id, payment=settled.payment_id)


async def _take_money(tx: Connection, tickets: TicketIssuing, payment: LockedPayment) -> Settled:
    if _may_buy(payment):
        try:
            async with tx.transaction():  # a savepoint: seats that are gone undo only this
                return await _sell(tx, tickets, payment)
        except (SeatsRefused, TicketLimitReached) as gone:
            reason = "limit_reached" if isinstance(gone, TicketLimitReached) else "seats_gone"
            return await _owe_back(tx, payment, reason)
    cancelled = payment.status is OrderStatus.CANCELLED
    return await _owe_back(tx, payment, "order_cancelled" if cancelled else "paid_already")


def _may_buy(payment: LockedPayment) -> bool:
    """Waiting for its money, or cancelled by time and not by its buyer; paid for once at most."""
    if payment.another_live:
        return False
    if payment.status is OrderStatus.CANCELLED:
        return payment.cancel_reason == "unpaid"
    return payment.status is OrderStatus.PENDING_PAYMENT


async def _sell(tx: Connection, tickets: TicketIssuing, payment: LockedPayment) -> Settled:
    """Raises SeatsRefused or TicketLimitReached, with what it has done so far to be undone."""
    seats = [item.seat_id for item in payment.items]
    late = payment.status is OrderStatus.CANCELLED
    paid = ORDERS.advance(payment.status, OrderStep.PAY_LATE if late else OrderStep.PAY)
    sold = await store.take_seats(tx, payment.order_id, payment.session_id)
    if sold != len(seats) or not await store.mark_paid(tx, payment.order_id, paid):
        raise SeatsRefused()
    if late:
        await store.count_tickets_again(tx, payment.order_id)
        await retake_redemption(tx, payment.order_id)
    await _move(tx, payment, PaymentStep.SUCCEED, None)
    sale = build_sale(tickets, payment)
    await store.insert_tickets(
        tx,
        sale.tickets,
        order_id=payment.order_id,
        session_id=payment.session_id,
        user_id=payment.user_id,
    )
    events = [sale.paid, sale.sold, sale.tickets_issued]
    if late:  # cancelling has told everybody that they are free
        areas = [item.area_id for item in payment.items]
        held = seats_changed(payment.session_id, seats, areas, payment.order_id)
        events.insert(0, pending(SEATS_HELD, str(payment.order_id), held))
    await tell(tx, [sale.history], events)
    settled = _settled(payment, PaymentState.SUCCEEDED, news=True)
    return msgspec.structs.replace(settled, issued=sale.issued, seats_to_sync=seats if late else [])


async def _owe_back(tx: Connection, payment: LockedPayment, reason: str) -> Settled:
    """The money cannot buy the seats: it goes back, and an order that waited for it has ended."""
    await _move(tx, payment, PaymentStep.OWE, reason)
    cancelled: list[CancelledOrder] = []
    if payment.status is OrderStatus.PENDING_PAYMENT and not payment.another_live:
        cancelled = await cancel_and_tell(tx, [payment.order_id], "unpaid")
    data = {"payment_id": payment.payment_id, "amount": payment.amount, "reason": reason}
    await tell(tx, [history_entry(payment.order_id, PAYMENT_REFUND_DUE, data)], [])
    return _settled(payment, PaymentState.REFUND_DUE, news=True, cancelled=cancelled)


async def _move(
    tx: Connection, payment: LockedPayment, step: PaymentStep, reason: str | None
) -> PaymentState:
    transition = PAYMENTS.advance(payment.state, step)
    moved = await store.move_payment(tx, payment.payment_id, transition, reason=reason)
    assert moved, "the row is locked"
    return transition.to_state


async def _tell_failure(tx: Connection, payment: LockedPayment, reason: str) -> None:
    failed = PaymentFailed(payment.order_id, payment.user_id, payment.payment_id, reason)
    data = {"payment_id": payment.payment_id, "reason": reason}
    await tell(
        tx,
        [history_entry(payment.order_id, PAYMENT_FAILED, data)],
        [pending(PAYMENT_FAILED, str(payment.order_id), failed)],
    )


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
