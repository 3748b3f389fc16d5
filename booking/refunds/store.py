"""Refunds: what can be, is and was given back. Money in minor units, times UTC."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from booking.domain.order import OrderStatus
from booking.domain.refund import RefundState, RefundTransition
from booking.domain.ticket import TICKETS, TicketStatus, VoidingStep
from booking.refusals import refusal
from chassis.postgres.pool import Connection, load_queries
from chassis.postgres.rows import fields
from contracts.booking import RefundItem

queries = load_queries(Path(__file__).parent / "sql")


class OrderForRefund(msgspec.Struct, frozen=True, kw_only=True):
    """`payment_id`: of the payment that bought it; None before one has."""

    order_id: UUID
    order_no: str
    user_id: UUID
    session_id: UUID
    status: OrderStatus
    total_amount: int
    currency: str
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    payment_id: UUID | None
    starts_in_s: float
    session_cancelled: bool


class TicketForRefund(msgspec.Struct, frozen=True, kw_only=True):
    """`price`: what its buyer paid for it, with fees; `kept`: how much of that goes back only if the
    session is cancelled. `refund_id`: of the refund that its seat is in."""

    ticket_id: UUID
    seat_id: int
    user_id: UUID
    status: TicketStatus
    area_id: UUID
    area: str
    row: str
    number: int
    price: int
    kept: int
    refund_id: UUID | None
    refund_state: str | None


class NewRefund(msgspec.Struct, frozen=True, kw_only=True):
    refund_id: UUID
    order_id: UUID
    payment_id: UUID
    user_id: UUID
    session_id: UUID
    organizer_id: UUID
    cause: str
    reason: str
    price: int
    fee: int
    amount: int
    currency: str
    request_id: str


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund with what its order was bought for."""

    refund_id: UUID
    order_id: UUID
    order_no: str
    payment_id: UUID
    user_id: UUID
    session_id: UUID
    organizer_id: UUID
    cause: str
    reason: str
    note: str | None
    price: int
    fee: int
    amount: int
    currency: str
    state: RefundState
    failure: str | None
    attempts: int
    created_at: datetime
    decided_at: datetime | None
    settled_at: datetime | None
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    items: list[RefundItem]


class DueRefund(msgspec.Struct, frozen=True):
    """A refund that this process is to send. `attempts` counts this one."""

    refund_id: UUID
    order_id: UUID
    payment_id: UUID
    provider_key: UUID
    amount: int
    currency: str
    attempts: int
    request_id: str


class RefundedAlready(Exception):
    """One of the seats is in another refund."""


_ITEMS = msgspec.json.Decoder(list[RefundItem])


async def lock_any_order(tx: Connection, order_id: UUID) -> bool:
    """Whoever's it is: the caller has decided who may do this."""
    return await queries.lock_any_order(tx, order_id=order_id) is not None


async def get_order_for_refund(db: Connection, order_id: UUID) -> OrderForRefund | None:
    row = await queries.get_order_for_refund(db, order_id=order_id)
    if row is None:
        return None
    columns = fields(row, OrderForRefund) | {"status": OrderStatus(row["status"])}
    return OrderForRefund(**columns)


async def list_tickets(db: Connection, order_id: UUID) -> list[TicketForRefund]:
    found = queries.list_tickets_for_refund(db, order_id=order_id)
    return [
        TicketForRefund(**{**fields(row, TicketForRefund), "status": TicketStatus(row["status"])})
        async for row in found
    ]


async def insert_refund(
    tx: Connection, refund: NewRefund, tickets: Sequence[TicketForRefund]
) -> None:
    """Raises RefundedAlready."""
    try:
        await queries.insert_refund(
            tx,
            **msgspec.structs.asdict(refund),
            seats=[ticket.seat_id for ticket in tickets],
            tickets=[ticket.ticket_id for ticket in tickets],
            prices=[ticket.price for ticket in tickets],
        )
    except asyncpg.UniqueViolationError as second:
        if second.constraint_name == "refund_items_one_refund_per_seat":
            raise RefundedAlready from None
        raise refusal(second) or second from None


async def get_refund(db: Connection, refund_id: UUID) -> Refund | None:
    row = await queries.get_refund(db, refund_id=refund_id)
    return _refund(row) if row is not None else None


async def list_refunds_of_order(db: Connection, order_id: UUID) -> list[Refund]:
    return [_refund(row) async for row in queries.list_refunds_of_order(db, order_id=order_id)]


async def list_refunds(
    db: Connection,
    *,
    organizer_id: UUID | None,
    state: RefundState | None,
    limit: int,
    offset: int,
) -> tuple[list[Refund], int]:
    """A page, oldest first, and how many there are. Without an organizer everybody's."""
    which = {"organizer_id": organizer_id, "state": state.value if state else None}
    rows = queries.list_refunds(db, **which, limit=limit, offset=offset)
    found = [_refund(row) async for row in rows]
    return found, int(await queries.count_refunds(db, **which))


async def find_refund_by_key(tx: Connection, provider_key: UUID) -> UUID | None:
    found: UUID | None = await queries.find_refund_by_key(tx, provider_key=provider_key)
    return found


async def waive_fee(tx: Connection, refund_id: UUID, reason: str) -> None:
    """Of a requested refund whose session is cancelled, for `reason`."""
    await queries.waive_fee(tx, refund_id=refund_id, reason=reason)


async def approve_refund(
    tx: Connection, refund_id: UUID, *, decided_by: UUID | None, note: str | None
) -> bool:
    """Compare-and-set from requested; False when it was decided before."""
    moved = await queries.approve_refund(tx, refund_id=refund_id, decided_by=decided_by, note=note)
    return moved is not None


async def reject_refund(
    tx: Connection, refund_id: UUID, *, decided_by: UUID, note: str | None
) -> bool:
    """Compare-and-set from requested; False when it was decided before."""
    moved = await queries.reject_refund(tx, refund_id=refund_id, decided_by=decided_by, note=note)
    return moved is not None


async def void_tickets(
    tx: Connection,
    order_id: UUID,
    tickets: Sequence[UUID],
    *,
    seats: Sequence[int] = (),
    step: VoidingStep,
) -> int:
    """These, and whichever are for `seats` now; how many it was a step for until now."""
    voided = await queries.void_tickets(
        tx,
        order_id=order_id,
        tickets=list(tickets),
        seats=list(seats),
        from_states=[transition.from_state.value for transition in TICKETS.every(step)],
    )
    return int(voided)


async def free_sold_claims(
    tx: Connection, *, order_id: UUID, session_id: UUID, seats: Sequence[int]
) -> int:
    freed = await queries.free_sold_claims(
        tx, order_id=order_id, session_id=session_id, seats=sorted(seats)
    )
    return int(freed)


async def give_tally_back(tx: Connection, *, session_id: UUID, user_id: UUID, tickets: int) -> None:
    await queries.give_tally_back(tx, session_id=session_id, user_id=user_id, tickets=tickets)


async def mark_refunded(tx: Connection, order_id: UUID) -> bool:
    """True when nothing was left of the order, and it is refunded now."""
    return await queries.mark_refunded(tx, order_id=order_id) is not None


async def refunded_amount(tx: Connection, order_id: UUID) -> int:
    return int(await queries.refunded_amount(tx, order_id=order_id))


async def claim_due_refunds(tx: Connection, *, lease_s: float, limit: int) -> list[DueRefund]:
    found = queries.claim_due_refunds(tx, lease=timedelta(seconds=lease_s), limit=limit)
    return [DueRefund(**fields(row, DueRefund)) async for row in found]


async def postpone_refund(
    db: Connection, refund_id: UUID, *, delay_s: float, failure: str | None
) -> None:
    await queries.postpone_refund(
        db, refund_id=refund_id, delay=timedelta(seconds=delay_s), failure=failure
    )


async def settle_refund(
    tx: Connection, refund_id: UUID, transition: RefundTransition, *, failure: str | None
) -> bool:
    """Compare-and-set; False when it was settled before."""
    moved = await queries.settle_refund(
        tx,
        refund_id=refund_id,
        from_state=transition.from_state.value,
        to_state=transition.to_state.value,
        failure=failure,
    )
    return moved is not None


async def retry_refund(tx: Connection, refund_id: UUID, provider_key: UUID) -> bool:
    """Compare-and-set from failed."""
    moved = await queries.retry_refund(tx, refund_id=refund_id, provider_key=provider_key)
    return moved is not None


def _refund(row: "asyncpg.Record") -> Refund:
    columns: dict[str, Any] = fields(row, Refund)
    columns["state"] = RefundState(row["state"])
    columns["items"] = _ITEMS.decode(row["items"])
    return Refund(**columns)
