"""A provider's result takes effect, in one transaction: decision.py says what it does, and this does it.

The answer to our call, a callback and the reconciler all come through here; whichever is first wins and the
others change nothing. Sales of many orders at once are written by one statement (batched_outcomes.py).
"""

from uuid import UUID

import msgspec

from booking.domain.order import ORDERS, OrderStatus, OrderStep
from booking.domain.payment import PAYMENTS, PaymentState, PaymentStep
from booking.domain.problems import PaymentMismatch, TicketLimitReached
from booking.events.history import history_entry, seats_changed
from booking.events.store import record_and_publish
from booking.orders.cancelling import cancel_and_tell, release_holds
from booking.orders.records import CancelledOrder
from booking.payments import store
from booking.payments.decision import Fail, Nothing, OrderFacts, Owe, Sell, Wait, decide
from booking.payments.records import KnownPayment, LockedPayment, PayableOrder
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


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a payment after a result. `is_new`: whether it was this result that made it so.
    `issued`: the tickets when it did. `seats_to_sync`: seats that were taken again, which Redis does not
    know of yet."""

    order: PayableOrder
    state: PaymentState
    is_new: bool
    issued: list[IssuedTicket] | None = None
    seats_to_sync: list[int] = []
    cancelled: list[CancelledOrder] = []


async def apply_outcome(
    tx: Connection, tickets: TicketIssuing, payment_id: UUID, result: ChargeResult
) -> Outcome:
    """Within the caller's transaction; call `sync_redis_after_payment` once that has committed.

    Raises NotFound, or PaymentMismatch when the provider speaks of another amount or currency.
    """
    payment = await store.lock_payment(tx, payment_id)
    if payment is None:
        raise NotFound()
    refuse_mismatch(payment, result)
    order = OrderFacts(payment.status, payment.cancel_reason, payment.another_live)
    match decide(payment.state, result, order):
        case Nothing():
            return Outcome(order=payment, state=payment.state, is_new=False)
        case Wait():
            return await _move(tx, payment, PaymentStep.ACCEPT)
        case Fail(reason=reason):
            return await _fail(tx, payment, reason)
        case Sell(late=late):
            return await _sell_or_owe(tx, tickets, payment, late=late)
        case Owe(reason=reason):
            return await _owe_back(tx, payment, reason)


async def owe_back(tx: Connection, payment_id: UUID, reason: str) -> Outcome | None:
    """The provider has sent the money back already, and we have lost why: nothing is sold for it. None for a
    payment that has another end by now."""
    payment = await store.lock_payment(tx, payment_id)
    if payment is None or not PAYMENTS.allows(payment.state, PaymentStep.OWE):
        return None
    waits = payment.status is OrderStatus.PENDING_PAYMENT and not payment.another_live
    return await _owe_back(tx, payment, reason, ends_order=waits)


def refuse_mismatch(payment: KnownPayment, result: ChargeResult) -> None:
    """Raises PaymentMismatch unless the provider took what was asked for."""
    if (result.amount, result.currency) != (payment.amount, payment.currency):
        log.error("payment_mismatched", payment=payment.payment_id)
        raise PaymentMismatch()


async def sync_redis_after_payment(holds: SeatHolds, outcome: Outcome) -> None:
    """Tells Redis, after the commit. It being away is no reason to fail: the sweeper catches up."""
    if not outcome.is_new:
        return
    await release_holds(holds, outcome.cancelled)
    order = outcome.order
    if outcome.state is PaymentState.SUCCEEDED:
        log.info("order_paid", order=order.order_id, user=order.user_id, payment=order.payment_id)
        try:
            await holds.sell(order.session_id, order.order_id)
            if outcome.seats_to_sync:
                sold = [
                    Claim(seat, "sold", order.order_id, order.user_id, None)
                    for seat in outcome.seats_to_sync
                ]
                await holds.correct(order.session_id, sold)
        except Problem as away:
            log.warning("sale_postponed", order=order.order_id, reason=away.code)
    elif outcome.state is PaymentState.FAILED:
        log.info("payment_failed", order=order.order_id, payment=order.payment_id)
    elif outcome.state is PaymentState.REFUND_DUE:
        log.warning("refund_due", order=order.order_id, payment=order.payment_id)
    elif outcome.state is PaymentState.PROCESSING:
        log.info("payment_processing", order=order.order_id, payment=order.payment_id)


async def _fail(tx: Connection, payment: LockedPayment, reason: str | None) -> Outcome:
    outcome = await _move(tx, payment, PaymentStep.FAIL, reason)
    told = reason or "declined"
    failed = PaymentFailed(payment.order_id, payment.user_id, payment.payment_id, told)
    data = {"payment_id": payment.payment_id, "reason": told}
    await record_and_publish(
        tx,
        [history_entry(payment.order_id, PAYMENT_FAILED, data)],
        [pending(PAYMENT_FAILED, str(payment.order_id), failed)],
    )
    return outcome


async def _sell_or_owe(
    tx: Connection, tickets: TicketIssuing, payment: LockedPayment, *, late: bool
) -> Outcome:
    try:
        async with tx.transaction():  # a savepoint: seats that are gone undo only this
            return await _sell(tx, tickets, payment, late=late)
    except SeatsRefused:
        reason = "seats_gone"
    except TicketLimitReached:
        reason = "limit_reached"
    # One that time had cancelled has ended already; one that waited for its money ends now.
    return await _owe_back(tx, payment, reason, ends_order=not late)


async def _sell(
    tx: Connection, tickets: TicketIssuing, payment: LockedPayment, *, late: bool
) -> Outcome:
    """Raises SeatsRefused or TicketLimitReached, with what it has done so far to be undone."""
    seats = [item.seat_id for item in payment.items]
    paid = ORDERS.advance(payment.status, OrderStep.PAY_LATE if late else OrderStep.PAY)
    sold = await store.take_seats(tx, payment.order_id, payment.session_id)
    if sold != len(seats) or not await store.mark_paid(tx, payment.order_id, paid):
        raise SeatsRefused()
    if late:
        await store.count_tickets_again(tx, payment.order_id)
        await retake_redemption(tx, payment.order_id)
    outcome = await _move(tx, payment, PaymentStep.SUCCEED)
    sale = build_sale(tickets, payment)
    await store.insert_tickets(
        tx,
        sale.tickets,
        order_id=payment.order_id,
        session_id=payment.session_id,
        user_id=payment.user_id,
    )
    events = [sale.sold]
    if late:  # cancelling has told everybody that they are free
        areas = [item.area_id for item in payment.items]
        held = seats_changed(payment.session_id, seats, areas, payment.order_id)
        events.insert(0, pending(SEATS_HELD, str(payment.order_id), held))
    await record_and_publish(tx, [sale.history], events)
    return msgspec.structs.replace(outcome, issued=sale.issued, seats_to_sync=seats if late else [])


async def _owe_back(
    tx: Connection, payment: LockedPayment, reason: str, *, ends_order: bool = False
) -> Outcome:
    """The money goes back: the reconciler sends it."""
    outcome = await _move(tx, payment, PaymentStep.OWE, reason)
    cancelled = await cancel_and_tell(tx, [payment.order_id], "unpaid") if ends_order else []
    data = {"payment_id": payment.payment_id, "amount": payment.amount, "reason": reason}
    await record_and_publish(tx, [history_entry(payment.order_id, PAYMENT_REFUND_DUE, data)], [])
    return msgspec.structs.replace(outcome, cancelled=cancelled)


async def _move(
    tx: Connection, payment: LockedPayment, step: PaymentStep, reason: str | None = None
) -> Outcome:
    transition = PAYMENTS.advance(payment.state, step)
    moved = await store.move_payment(tx, payment.payment_id, transition, reason=reason)
    assert moved, "the row is locked"
    return Outcome(order=payment, state=transition.to_state, is_new=True)
