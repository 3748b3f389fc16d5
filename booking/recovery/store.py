"""Rows of the recovery: what PostgreSQL knows, and what was decided."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from booking.providers.protocol import ListedCharge, ListedRefund
from booking.recovery.findings import KnownCharge
from chassis.postgres.pool import Connection, Pool, connection, load_queries, own_session
from chassis.postgres.rows import fields
from chassis.problems import Problem

queries = load_queries(Path(__file__).parent / "sql")


class AnotherReconcile(Problem):
    """Another `stampede reconcile --apply` is running."""

    code, status = "reconcile-running", 409


class NewDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a charge without an order. `refund_key`: None if the order is restored."""

    payment_id: UUID
    order_id: UUID | None
    order_no: str | None
    user_id: UUID | None
    session_id: UUID | None
    title: str | None
    provider: str
    amount: int
    currency: str
    reason: str
    refund_key: UUID | None


class Return(msgspec.Struct, frozen=True, kw_only=True):
    """A charge whose money goes back under `refund_key`. `failure`: the provider's last refusal."""

    payment_id: UUID
    order_id: UUID | None
    order_no: str | None
    user_id: UUID | None
    session_id: UUID | None
    title: str | None
    amount: int
    currency: str
    reason: str
    refund_key: UUID
    attempts: int
    failure: str | None


class KnownRefund(msgspec.Struct, frozen=True, kw_only=True):
    """What PostgreSQL knows of a refund, by the key that the provider knows it by."""

    refund_id: UUID | None
    state: str | None
    payment_state: str | None
    order_id: UUID | None
    order_no: str | None
    user_id: UUID | None
    session_id: UUID | None
    title: str | None
    starts_at: datetime | None
    recovered: bool


@contextlib.asynccontextmanager
async def alone(pool: Pool) -> AsyncIterator[None]:
    """One at a time, by an advisory lock that ends with its connection. Raises AnotherReconcile.

    It only spares work: what two do at once is decided by each one's transactions.
    """
    async with own_session(pool) as db:
        if not await queries.try_reconcile_lock(db):
            raise AnotherReconcile("Another `stampede reconcile --apply` is running.")
        yield


async def known_charges(pool: Pool, charges: Sequence[ListedCharge]) -> dict[UUID, KnownCharge]:
    async with connection(pool) as db:
        rows = queries.known_charges(
            db,
            payments=[charge.payment_id for charge in charges],
            orders=[charge.order_id for charge in charges],
        )
        return {row["payment_id"]: KnownCharge(**fields(row, KnownCharge)) async for row in rows}


async def seats_in_the_way(pool: Pool, session_id: UUID, seats: Sequence[int]) -> int:
    async with connection(pool) as db:
        return int(await queries.seats_in_the_way(db, session_id=session_id, seats=list(seats)))


async def decide_charge(tx: Connection, decision: NewDecision) -> bool:
    """False if it was decided before, or is not lost."""
    decided = await queries.decide_charge(tx, **msgspec.structs.asdict(decision))
    return decided is not None


async def get_return(db: Connection, payment_id: UUID) -> Return | None:
    row = await queries.get_return(db, payment_id=payment_id)
    return Return(**fields(row, Return)) if row is not None else None


async def renew_refund_key(db: Connection, owed: Return, new_key: UUID) -> bool:
    renewed = await queries.renew_refund_key(
        db, payment_id=owed.payment_id, old_key=owed.refund_key, new_key=new_key
    )
    return renewed is not None


async def mark_returned(tx: Connection, owed: Return) -> bool:
    """False when it was marked before."""
    marked = await queries.mark_returned(tx, payment_id=owed.payment_id, refund_key=owed.refund_key)
    return marked is not None


async def mark_refused(db: Connection, owed: Return, failure: str) -> None:
    await queries.mark_refused(
        db, payment_id=owed.payment_id, refund_key=owed.refund_key, failure=failure
    )


async def known_refunds(pool: Pool, refunds: Sequence[ListedRefund]) -> dict[UUID, KnownRefund]:
    async with connection(pool) as db:
        rows = queries.known_refunds(
            db,
            keys=[refund.refund_id for refund in refunds],
            payments=[refund.payment_id for refund in refunds],
        )
        return {row["provider_key"]: KnownRefund(**fields(row, KnownRefund)) async for row in rows}


async def lost_orders(pool: Pool, ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Those of these orders that are not there; True if their money has gone back."""
    async with connection(pool) as db:
        rows = queries.lost_orders(db, ids=list(ids))
        return {row["order_id"]: row["returned"] async for row in rows}


async def noted(pool: Pool, subjects: Sequence[UUID]) -> set[UUID]:
    async with connection(pool) as db:
        return {row["subject"] async for row in queries.noted(db, subjects=list(subjects))}


async def note(pool: Pool, notes: Sequence[tuple[str, UUID]]) -> None:
    """Kind and subject of findings that have been listed."""
    async with connection(pool) as db:
        await queries.note(
            db, kinds=[kind for kind, _ in notes], subjects=[subject for _, subject in notes]
        )
