"""Orders that their buyer or the end of the hold cancels: the seats are free, everybody is told."""

import asyncio
from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from booking.domain.machine import IllegalTransition
from booking.domain.order import ORDERS, OrderStatus, OrderStep
from booking.domain.problems import OrderNotCancellable, PaymentInProgress
from booking.events.history import history_entry, seats_changed
from booking.events.store import NewHistoryEntry, record_and_publish
from booking.orders import store
from booking.orders.records import CancelledOrder
from booking.orders.wire import OrderAnswer, order_answer
from booking.promo_codes.store import release_redemptions
from booking.seats.holds import SeatHolds
from chassis.events.envelope import PendingEvent, pending
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection, transaction
from chassis.problems import NotFound, Problem
from contracts.booking import (
    ORDER_CANCELLED,
    SEATS_RELEASED,
    OrderCancelled,
)

log = logs.get("booking")


async def cancel_order(pool: Pool, holds: SeatHolds, user_id: UUID, order_id: UUID) -> OrderAnswer:
    """Cancels the buyer's unpaid order. One that is cancelled already is answered as it is.

    Raises NotFound, PaymentInProgress, OrderNotCancellable (it was paid).
    """
    async with transaction(pool) as tx:
        order = await store.lock_order(tx, order_id, user_id)
        if order is None:
            raise NotFound()
        cancelled: list[CancelledOrder] = []
        if order.status is not OrderStatus.CANCELLED:
            try:
                ORDERS.advance(order.status, OrderStep.CANCEL)
            except IllegalTransition:
                raise OrderNotCancellable() from None
            if order.payment_under_way:
                raise PaymentInProgress()
            cancelled = await cancel_and_tell(tx, [order_id], "unpaid" if order.late else "user")
    await release_holds(holds, cancelled)
    for one_order in cancelled:
        log.info("order_cancelled", user=user_id, order=order_id, seats=len(one_order.seats))
    async with connection(pool) as db:
        read = await store.get_order(db, order_id, user_id)
    if read is None:
        raise NotFound()
    return order_answer(read)


async def cancel_and_tell(
    tx: Connection, orders: Sequence[UUID], reason: str, note: str | None = None
) -> list[CancelledOrder]:
    """Within the caller's transaction. `reason`: `user`, `unpaid` or `session_cancelled`; `note`: why the
    session is."""
    cancelled = await store.cancel_orders(tx, orders, reason)
    await release_redemptions(tx, [order.order_id for order in cancelled])
    told = [cancellation_told(order, reason, note) for order in cancelled]
    if told:
        events = [event for _, some in told for event in some]
        await record_and_publish(tx, [entry for entry, _ in told], events)
    return cancelled


async def release_holds(holds: SeatHolds, cancelled: Sequence[CancelledOrder]) -> None:
    """After the commit. Redis being away is no reason to fail: the sweeper catches up."""
    await asyncio.gather(*(_release_hold(holds, order) for order in cancelled))


async def _release_hold(holds: SeatHolds, order: CancelledOrder) -> None:
    try:
        await holds.release(order.session_id, order.order_id)
    except Problem as away:
        log.warning("release_postponed", order=order.order_id, reason=away.code)


def cancellation_told(
    order: CancelledOrder, reason: str, note: str | None = None
) -> tuple[NewHistoryEntry, list[PendingEvent]]:
    """What is told of an order that was cancelled, for a `reason` and with a `note` of OrderCancelled."""
    cancelled = OrderCancelled(
        order_id=order.order_id,
        order_no=order.order_no,
        user_id=order.user_id,
        session_id=order.session_id,
        title=order.title,
        reason=_reason(reason),
        note=note,
    )
    released = seats_changed(order.session_id, order.seats, order.areas, order.order_id)
    subject = str(order.order_id)
    entry = history_entry(order.order_id, ORDER_CANCELLED, {"reason": reason})
    return entry, [
        pending(ORDER_CANCELLED, subject, cancelled),
        pending(SEATS_RELEASED, subject, released),
    ]


def _reason(word: str) -> Literal["user", "unpaid", "session_cancelled"]:
    match word:
        case "user" | "unpaid" | "session_cancelled":
            return word
    raise ValueError(f"no reason to cancel an order: {word}")
