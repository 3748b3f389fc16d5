"""Orders that end without money: cancelled by their buyer, or by time. And those that complete."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from booking.answers import OrderAnswer, order_answer
from booking.domain.order import (
    COMPLETES_AFTER_DAYS,
    IllegalTransition,
    OrderStatus,
    OrderStep,
    advance,
)
from booking.domain.problems import OrderNotCancellable, PaymentInProgress
from booking.seats.holds import SeatHolds
from booking.store import ending
from booking.store import orders as stored
from booking.store.promotions import release_redemptions
from booking.store.records import CancelledOrder
from booking.telling import cancellation_told, remembered
from chassis.events.envelope import pending
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection, transaction
from chassis.problems import NotFound, Problem
from contracts.booking import ORDER_COMPLETED

log = logs.get("booking")

EXPIRE_BATCH_MAX = 200  # orders a transaction of the sweeper
PAYMENT_GRACE_S = 3.0  # how long past its end an order waits for a payment at the provider
COMPLETE_BATCH_MAX = 200


async def cancel_order(pool: Pool, holds: SeatHolds, user_id: UUID, order_id: UUID) -> OrderAnswer:
    """Cancels the buyer's unpaid order. One that is cancelled already is answered as it is.

    Raises NotFound, PaymentInProgress, OrderNotCancellable (it was paid).
    """
    async with transaction(pool) as one:
        order = await stored.lock_order(one, order_id, user_id)
        if order is None:
            raise NotFound()
        cancelled: list[CancelledOrder] = []
        if order.status is not OrderStatus.CANCELLED:
            try:
                advance(order.status, OrderStep.CANCEL)
            except IllegalTransition:
                raise OrderNotCancellable() from None
            if order.payment_under_way:
                raise PaymentInProgress()
            cancelled = await cancel_and_tell(one, [order_id], "unpaid" if order.late else "user")
    await release_holds(holds, cancelled)
    for one_order in cancelled:
        log.info("order_cancelled", user=user_id, order=order_id, seats=len(one_order.seats))
    async with connection(pool) as one:
        read = await stored.get_order(one, order_id, user_id)
    if read is None:
        raise NotFound()
    return order_answer(read)


async def expire_orders(
    pool: Pool,
    *,
    only: Sequence[UUID] | None = None,
    payment_grace_s: float = PAYMENT_GRACE_S,
) -> list[CancelledOrder]:
    """Cancels a batch of orders past their end, in PostgreSQL. The caller releases their holds."""
    async with transaction(pool) as one:
        due = await ending.lock_due_orders(
            one, only=only, payment_grace_s=payment_grace_s, limit=EXPIRE_BATCH_MAX
        )
        cancelled = await cancel_and_tell(one, due, "unpaid") if due else []
    for order in cancelled:
        log.info(
            "order_expired", user=order.user_id, session=order.session_id,
            seats=len(order.seats), order=order.order_id,
        )  # fmt: skip
    return cancelled


async def sweep_orders(pool: Pool, holds: SeatHolds) -> int:
    """Expires everything that is due and puts the seats back on sale; how many orders it was."""
    total = 0
    while True:
        cancelled = await expire_orders(pool)
        await release_holds(holds, cancelled)
        total += len(cancelled)
        if len(cancelled) < EXPIRE_BATCH_MAX:
            return total


async def cancel_and_tell(
    one: Connection, orders: Sequence[UUID], reason: str, note: str | None = None
) -> list[CancelledOrder]:
    """Within the caller's transaction. `reason`: `user`, `unpaid` or `session_cancelled`; `note`: why the
    session is."""
    cancelled = await ending.cancel_orders(one, orders, reason)
    await release_redemptions(one, [order.order_id for order in cancelled])
    told = [cancellation_told(order, reason, note) for order in cancelled]
    if told:
        events = [event for _, some in told for event in some]
        await ending.tell(one, [entry for entry, _ in told], events)
    return cancelled


async def release_holds(holds: SeatHolds, cancelled: Sequence[CancelledOrder]) -> None:
    """After the commit. Redis being away is no reason to fail: the sweeper catches up."""
    for order in cancelled:
        try:
            await holds.release(order.session_id, order.order_id)
        except Problem as away:
            log.warning("release_postponed", order=order.order_id, reason=away.code)


async def complete_due_orders(pool: Pool) -> int:
    """Completes all that are due, batch by batch; how many they were."""
    total = 0
    while completed := await complete_orders(pool):
        total += completed
        if completed < COMPLETE_BATCH_MAX:
            break
    if total:
        log.info("orders_completed", orders=total)
    return total


async def complete_orders(
    pool: Pool, *, after: timedelta = timedelta(days=COMPLETES_AFTER_DAYS)
) -> int:
    """Completes a batch of paid orders whose session began `after` ago; how many they were."""
    async with transaction(pool) as one:
        completed = await ending.complete_orders(one, after=after, limit=COMPLETE_BATCH_MAX)
        if completed:
            history = [remembered(order.order_id, ORDER_COMPLETED, {}) for order in completed]
            events = [pending(ORDER_COMPLETED, str(order.order_id), order) for order in completed]
            await ending.tell(one, history, events)
    return len(completed)
