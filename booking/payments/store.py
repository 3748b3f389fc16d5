"""Payment intents and what became of them."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec

from booking.domain.order import OrderStatus, OrderTransition
from booking.domain.payment import PaymentState, PaymentTransition
from booking.orders.records import LockedOrder, items_of
from booking.payments.records import (
    KnownPayment,
    LockedPayment,
    NewPayment,
    PayableOrder,
    PendingPayment,
    PreviousPayment,
    RefundDue,
)
from booking.refusals import refusal
from booking.tickets.records import NewTicket
from chassis.postgres.pool import Connection, load_queries
from chassis.postgres.rows import fields

queries = load_queries(Path(__file__).parent / "sql" / "payments.sql")


async def payment_by_key(tx: Connection, order_id: UUID, key: str) -> PreviousPayment | None:
    row = await queries.payment_by_key(tx, order_id=order_id, key=key)
    if row is None:
        return None
    return PreviousPayment(**{**fields(row, PreviousPayment), "state": PaymentState(row["state"])})


async def give_up_key(tx: Connection, payment_id: UUID) -> None:
    """Another payment of the order, which the caller has locked, may be made with its idempotency key."""
    await queries.give_up_key(tx, payment_id=payment_id)


async def insert_payment(tx: Connection, payment: NewPayment, order: LockedOrder) -> None:
    """The intent to pay the order's whole amount. Raises PaymentInProgress when another payment of it
    is live."""
    columns = msgspec.structs.asdict(payment)
    columns["key"] = columns.pop("idempotency_key")
    columns |= {"amount": order.total_amount, "currency": order.currency}
    try:
        await queries.insert_payment(tx, **columns)
    except asyncpg.UniqueViolationError as second:
        raise refusal(second) or second from None


async def lock_payment(tx: Connection, payment_id: UUID) -> LockedPayment | None:
    """With its order, locked until the transaction ends."""
    if await queries.lock_payment(tx, payment_id=payment_id) is None:
        return None
    row = await queries.get_locked_payment(tx, payment_id=payment_id)
    columns = fields(row, LockedPayment)
    columns["state"] = PaymentState(row["state"])
    columns["status"] = OrderStatus(row["status"])
    columns["items"] = items_of(row)
    return LockedPayment(**columns)


async def move_payment(
    tx: Connection,
    payment_id: UUID,
    transition: PaymentTransition,
    *,
    reason: str | None,
) -> bool:
    """Compare-and-set; False when the payment was in another state."""
    moved = await queries.move_payment(
        tx,
        payment_id=payment_id,
        from_state=transition.from_state.value,
        to_state=transition.to_state.value,
        reason=reason,
    )
    return moved is not None


async def get_payable_order(tx: Connection, payment_id: UUID) -> KnownPayment:
    """What a payment that was begun in this transaction pays for."""
    return begun_payment(await queries.get_payable_order(tx, payment_id=payment_id))


def begun_payment(row: "asyncpg.Record") -> KnownPayment:
    """A payment that was just begun, for the order's whole amount."""
    columns = fields(row, PayableOrder)
    columns["items"] = items_of(row)
    return KnownPayment(**columns, state=PaymentState.CREATED, amount=columns["total_amount"])


async def take_seats(tx: Connection, order_id: UUID, session_id: UUID) -> int:
    """How many of the order's seats are sold to it now: those that nobody else has."""
    return int(await queries.take_seats(tx, order_id=order_id, session_id=session_id))


async def mark_paid(tx: Connection, order_id: UUID, transition: OrderTransition) -> bool:
    """Compare-and-set; also of an order that time had cancelled, for money that came late."""
    paid = await queries.mark_paid(tx, order_id=order_id, from_state=transition.from_state.value)
    return paid is not None


async def count_tickets_again(tx: Connection, order_id: UUID) -> None:
    """The tickets of an order that had ended are its buyer's again. Raises TicketLimitReached."""
    try:
        await queries.count_tickets_again(tx, order_id=order_id)
    except asyncpg.CheckViolationError as over:
        raise refusal(over) or over from None


async def insert_tickets(
    tx: Connection,
    tickets: Sequence[NewTicket],
    *,
    order_id: UUID,
    session_id: UUID,
    user_id: UUID,
) -> None:
    """Raises SeatsRefused when a seat has a valid ticket already."""
    try:
        await queries.insert_tickets(
            tx,
            tickets=[ticket.ticket_id for ticket in tickets],
            seats=[ticket.seat_id for ticket in tickets],
            codes=[ticket.code for ticket in tickets],
            order_id=order_id,
            session_id=session_id,
            user_id=user_id,
        )
    except asyncpg.UniqueViolationError as second:
        raise refusal(second) or second from None


async def take_provider_event(
    tx: Connection, provider: str, event_id: str, type_: str, payment_id: UUID
) -> bool:
    """False when it was taken before."""
    taken = await queries.take_provider_event(
        tx, provider=provider, event_id=event_id, type=type_, payment_id=payment_id
    )
    return taken is not None


async def lease_pending_payments(
    db: Connection, *, older_than_s: float | None, limit: int
) -> list[PendingPayment]:
    """Payments whose provider is to be asked now, put off at once until the time after: whoever dies
    while asking has them asked again. None: those that are due; else all unanswered for so long."""
    found = queries.lease_pending_payments(db, older_than=_interval(older_than_s), limit=limit)
    return [PendingPayment(**fields(row, PendingPayment)) async for row in found]


async def take_refunds_due(db: Connection, *, limit: int) -> list[RefundDue]:
    """Refunds to be tried now, put off likewise."""
    found = queries.take_refunds_due(db, limit=limit)
    return [RefundDue(**fields(row, RefundDue)) async for row in found]


def _interval(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
