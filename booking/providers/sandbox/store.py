"""The sandbox's rows: charges, refunds and messages, shared by every process of an installation."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from chassis.postgres.pool import Connection, Pool, connection, load_queries, open_pool, transaction

SCHEMA = "sandbox"
HERE = Path(__file__).parent
CONNECTIONS_MAX = 3  # two batches of charges, and one for the rest

queries = load_queries(HERE / "sql")


class NewCharge(msgspec.Struct, frozen=True, kw_only=True):
    """A charge to record. Times are in seconds from now; `tell_after_s` None: no webhook."""

    key: UUID
    reference: str
    amount: int
    currency: str
    method: str
    state: str
    reason: str | None
    settle_after_s: float
    tell_after_s: float | None
    metadata: dict[str, str] | None = None


class ChargeRecord(msgspec.Struct, frozen=True):
    """`state`: succeeded, declined, or pending; a pending charge has no reason yet."""

    key: UUID
    amount: int
    currency: str
    state: str
    reason: str | None


class RefundRecord(msgspec.Struct, frozen=True):
    key: UUID
    charge: UUID
    amount: int
    currency: str
    state: str
    reason: str | None


class ListedCharge(ChargeRecord, frozen=True):
    """A charge in the list of a span of time. `refunded`: how much of it has gone back."""

    reference: str
    method: str
    refunded: int
    created_at: datetime
    metadata: dict[str, str] | None


class ListedRefund(RefundRecord, frozen=True):
    created_at: datetime


class Span(msgspec.Struct, frozen=True):
    """What is listed: from `since` until before `until`, behind the place `after` (time, key)."""

    since: datetime
    until: datetime
    after: tuple[datetime, UUID] | None = None


class DueMessage(msgspec.Struct, frozen=True):
    """A webhook to send about a charge or refund. `attempts` includes this one."""

    subject: UUID
    kind: str
    attempts: int
    charge: UUID | None
    amount: int
    currency: str
    state: str
    reason: str | None


async def open_books(database_url: str, direct_url: str | None = None) -> Pool:
    """A pool on the sandbox's schema, which `stampede migrate` makes."""
    return await open_pool(database_url, SCHEMA, size=CONNECTIONS_MAX, direct_url=direct_url)


async def take_charges(pool: Pool, wanted: Sequence[NewCharge]) -> list[ChargeRecord]:
    """The charge of each key, created unless it exists; in the order of `wanted`."""
    ordered = sorted(wanted, key=lambda charge: charge.key)
    async with connection(pool) as db:
        rows = queries.take_charges(
            db,
            keys=[charge.key for charge in ordered],
            orders=[charge.reference for charge in ordered],
            amounts=[charge.amount for charge in ordered],
            currencies=[charge.currency for charge in ordered],
            methods=[charge.method for charge in ordered],
            states=[charge.state for charge in ordered],
            reasons=[charge.reason for charge in ordered],
            settle_after=[charge.settle_after_s for charge in ordered],
            tell_after=[charge.tell_after_s for charge in ordered],
            metadata=[
                msgspec.json.encode(charge.metadata).decode() if charge.metadata else None
                for charge in ordered
            ],
        )
        found = {row["key"]: _charge(row) async for row in rows}
        missing = [charge.key for charge in ordered if charge.key not in found]
        if missing:  # created concurrently by others
            late = queries.get_charges(db, keys=missing)
            found |= {row["key"]: _charge(row) async for row in late}
    return [found[charge.key] for charge in wanted]


async def get_charge(pool: Pool, key: UUID) -> ChargeRecord | None:
    async with connection(pool) as db:
        found = [_charge(row) async for row in queries.get_charges(db, keys=[key])]
    return found[0] if found else None


async def list_charges(pool: Pool, span: Span, *, limit: int) -> list[ListedCharge]:
    """A page, oldest first."""
    async with connection(pool) as db:
        rows = queries.list_charges(db, **_columns(span), limit=limit)
        return [
            ListedCharge(
                **msgspec.structs.asdict(_charge(row)),
                reference=row["reference"],
                method=row["method"],
                refunded=row["refunded"],
                created_at=row["created_at"],
                metadata=msgspec.json.decode(row["metadata"]) if row["metadata"] else None,
            )
            async for row in rows
        ]


async def list_refunds(pool: Pool, span: Span, *, limit: int) -> list[ListedRefund]:
    """A page, oldest first."""
    async with connection(pool) as db:
        rows = queries.list_refunds(db, **_columns(span), limit=limit)
        return [
            ListedRefund(**msgspec.structs.asdict(_refund(row)), created_at=row["created_at"])
            async for row in rows
        ]


async def make_refund(
    pool: Pool,
    key: UUID,
    charge: UUID,
    *,
    amount: int,
    currency: str,
    refused_for: str | None,
    settle_after_s: float,
    tell_after_s: float | None,
) -> RefundRecord:
    """The refund of this key, created unless it exists."""
    async with transaction(pool) as tx:
        await queries.lock_charge(tx, key=charge)
        await queries.make_refund(
            tx,
            key=key,
            charge=charge,
            amount=amount,
            currency=currency,
            refused_for=refused_for,
            settle_after=settle_after_s,
        )
        refund = _refund(await queries.get_refund(tx, key=key))
        if refund.state == "failed":
            return refund
        await queries.mark_refunded(tx, key=charge)
        if tell_after_s is not None:
            await queries.tell(tx, subject=key, kind="refund", tell_after=tell_after_s)
    return refund


async def get_refund(pool: Pool, key: UUID) -> RefundRecord | None:
    async with connection(pool) as db:
        row = await queries.get_refund(db, key=key)
    return _refund(row) if row is not None else None


async def claim_webhooks(
    pool: Pool, *, limit: int, lease_s: float, attempts_max: int
) -> list[DueMessage]:
    async with connection(pool) as db:
        rows = queries.claim_webhooks(db, limit=limit, lease_s=lease_s, attempts_max=attempts_max)
        return [DueMessage(*row) async for row in rows]


async def mark_webhooks(pool: Pool, outcomes: Sequence[tuple[UUID, str | None, float]]) -> None:
    """`outcomes`: subject, reason of the failure or None, seconds until the retry."""
    async with connection(pool) as db:
        await queries.mark_webhooks(
            db,
            subjects=[subject for subject, _, _ in outcomes],
            reasons=[reason for _, reason, _ in outcomes],
            retry_after=[retry_after_s for _, _, retry_after_s in outcomes],
        )


async def prune_webhooks(pool: Pool, *, older_than_s: float) -> None:
    async with connection(pool) as db:
        await queries.prune_webhooks(db, older_than_s=older_than_s)


async def get_changes(db: Connection) -> dict[str, Any]:
    changes: dict[str, Any] = msgspec.json.decode(await queries.get_changes(db))
    return changes


async def put_changes(db: Connection, changes: dict[str, Any]) -> None:
    await queries.put_changes(db, changes=msgspec.json.encode(changes).decode())


def _columns(span: Span) -> dict[str, Any]:
    after_time, after_key = span.after or (None, None)
    return {
        "since": span.since,
        "until": span.until,
        "after_time": after_time,
        "after_key": after_key,
    }


def _charge(row: "asyncpg.Record") -> ChargeRecord:
    pending = row["pending"]
    return ChargeRecord(
        row["key"],
        row["amount"],
        row["currency"],
        "pending" if pending else row["state"],
        None if pending else row["reason"],
    )


def _refund(row: "asyncpg.Record") -> RefundRecord:
    pending = row["pending"]
    return RefundRecord(
        row["key"],
        row["charge"],
        row["amount"],
        row["currency"],
        "pending" if pending else row["state"],
        None if pending else row["reason"],
    )


async def callback_delays(pool: Pool, payments: Sequence[UUID]) -> list[float]:
    """Of those that were decided late: seconds from the decision to when it was heard."""
    async with connection(pool) as db:
        found = queries.callback_delays(db, payments=list(payments))
        return [row["delay_s"] async for row in found]


async def count_untold(pool: Pool, payments: Sequence[UUID]) -> int:
    async with connection(pool) as db:
        return int(await queries.untold(db, payments=list(payments)))


async def remove_charges(pool: Pool, payments: Sequence[UUID]) -> None:
    """Forgets a rehearsal's charges, with everything that would still be told about them."""
    async with transaction(pool) as tx:
        await queries.delete_webhooks(tx, payments=list(payments))
        await queries.delete_refunds(tx, payments=list(payments))
        await queries.delete_charges(tx, payments=list(payments))
