"""Payment intents and what became of them."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec

from booking.domain.order import OrderStatus
from booking.domain.payment import PaymentState
from booking.store.queries import queries
from booking.store.records import LockedPayment, PreviousPayment, RefundDue, fields, items_of
from booking.store.refusals import refusal
from chassis.postgres import Connection


class NewPayment(msgspec.Struct, frozen=True, kw_only=True):
    payment_id: UUID
    order_id: UUID
    user_id: UUID
    provider: str
    method: str
    amount: int
    currency: str
    idempotency_key: str | None
    body_hash: bytes | None
    request_id: str


class NewTicket(msgspec.Struct, frozen=True):
    ticket_id: UUID
    seat_id: int
    code: str


async def payment_by_key(one: Connection, order_id: UUID, key: str) -> PreviousPayment | None:
    row = await queries.payment_by_key(one, order_id=order_id, key=key)
    if row is None:
        return None
    return PreviousPayment(**{**fields(row, PreviousPayment), "state": PaymentState(row["state"])})


async def insert_payment(one: Connection, payment: NewPayment) -> None:
    """The intent. Raises PaymentInProgress when another payment of the order is live."""
    columns = msgspec.structs.asdict(payment)
    columns["key"] = columns.pop("idempotency_key")
    try:
        await queries.insert_payment(one, **columns)
    except asyncpg.UniqueViolationError as second:
        raise refusal(second) or second from None


async def lock_payment(one: Connection, payment_id: UUID) -> LockedPayment | None:
    row = await queries.lock_payment(one, payment_id=payment_id)
    if row is None:
        return None
    columns = fields(row, LockedPayment)
    columns["state"] = PaymentState(row["state"])
    columns["status"] = OrderStatus(row["status"])
    columns["items"] = items_of(row)
    return LockedPayment(**columns)


async def move_payment(
    one: Connection,
    payment_id: UUID,
    *,
    from_state: PaymentState,
    to_state: PaymentState,
    reason: str | None,
) -> bool:
    """Compare-and-set; False when the payment was in another state."""
    moved = await queries.move_payment(
        one,
        payment_id=payment_id,
        from_state=from_state.value,
        to_state=to_state.value,
        reason=reason,
    )
    return moved is not None


async def sell_claims(one: Connection, order_id: UUID, session_id: UUID) -> int:
    """How many seats were still the order's; they are sold now."""
    return int(await queries.sell_claims(one, order_id=order_id, session_id=session_id))


async def mark_paid(one: Connection, order_id: UUID) -> bool:
    return await queries.mark_paid(one, order_id=order_id) is not None


async def insert_tickets(
    one: Connection,
    tickets: Sequence[NewTicket],
    *,
    order_id: UUID,
    session_id: UUID,
    user_id: UUID,
) -> None:
    """Raises SeatsRefused when a seat has a valid ticket already."""
    try:
        await queries.insert_tickets(
            one,
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
    one: Connection, provider: str, event_id: str, type_: str, payment_id: UUID
) -> bool:
    """False when it was taken before."""
    taken = await queries.take_provider_event(
        one, provider=provider, event_id=event_id, type=type_, payment_id=payment_id
    )
    return taken is not None


async def unanswered_payments(one: Connection, *, older_than_s: float, limit: int) -> list[UUID]:
    found = queries.unanswered_payments(
        one, older_than=timedelta(seconds=older_than_s), limit=limit
    )
    return [row["payment_id"] async for row in found]


async def touch_payment(one: Connection, payment_id: UUID) -> None:
    await queries.touch_payment(one, payment_id=payment_id)


async def refunds_due(one: Connection, *, limit: int) -> list[RefundDue]:
    found = queries.refunds_due(one, limit=limit)
    return [RefundDue(**fields(row, RefundDue)) async for row in found]
