"""Orders that end by time: unpaid ones expire, paid ones complete after the show."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from booking.domain.order import (
    COMPLETES_AFTER_DAYS,
)
from booking.events.history import history_entry
from booking.events.store import record_and_publish
from booking.orders import store
from booking.orders.cancelling import cancel_and_tell, log, release_holds
from booking.orders.records import CancelledOrder
from booking.seats.holds import SeatHolds
from chassis.events.envelope import pending
from chassis.postgres.pool import Pool, transaction
from contracts.booking import (
    ORDER_COMPLETED,
)

EXPIRE_BATCH_MAX = 200  # orders a transaction of the sweeper


PAYMENT_GRACE_S = 3.0  # how long past its end an order waits for a payment at the provider


COMPLETE_BATCH_MAX = 200


async def expire_orders(
    pool: Pool,
    *,
    only: Sequence[UUID] | None = None,
    payment_grace_s: float = PAYMENT_GRACE_S,
) -> list[CancelledOrder]:
    """Cancels a batch of orders past their end, in PostgreSQL. The caller releases their holds."""
    async with transaction(pool) as tx:
        due = await store.lock_due_orders(
            tx, only=only, payment_grace_s=payment_grace_s, limit=EXPIRE_BATCH_MAX
        )
        cancelled = await cancel_and_tell(tx, due, "unpaid") if due else []
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


async def complete_due_orders(pool: Pool, *, batch_max: int = COMPLETE_BATCH_MAX) -> int:
    """Completes all that are due, batch by batch; how many they were."""
    total = 0
    while completed := await complete_orders(pool, batch_max=batch_max):
        total += completed
        if completed < batch_max:
            break
    if total:
        log.info("orders_completed", orders=total)
    return total


async def complete_orders(
    pool: Pool,
    *,
    after: timedelta = timedelta(days=COMPLETES_AFTER_DAYS),
    batch_max: int = COMPLETE_BATCH_MAX,
) -> int:
    """Completes a batch of paid orders whose session began `after` ago; how many they were."""
    async with transaction(pool) as tx:
        completed = await store.complete_orders(tx, after=after, limit=batch_max)
        if completed:
            history = [history_entry(order.order_id, ORDER_COMPLETED, {}) for order in completed]
            events = [pending(ORDER_COMPLETED, str(order.order_id), order) for order in completed]
            await record_and_publish(tx, history, events)
    return len(completed)
