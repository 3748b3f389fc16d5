"""Compares what clients were told with what PostgreSQL and the mailbox have."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from chassis.postgres.pool import connection, load_queries, open_pool
from chassis.settings import Settings
from loadtest.failover.record import Ordered, Paid
from runtime.operations.auditing import audit_all

SQL = Path(__file__).parent / "sql"
PAID = {"paid", "completed"}
SETTLE_INTERVAL_S = 0.5
NAMED_MAX = 5  # examples of what is lost


class Verdict(msgspec.Struct):
    """Counts of what must be 0, with some ids, and the broken invariants of the audit."""

    orders: int
    payments: int
    orders_lost: list[str]
    payments_lost: list[str]
    seats_twice: list[str]
    mails_lost: list[str]
    audit: list[str]

    @property
    def ok(self) -> bool:
        lost = (self.orders_lost, self.payments_lost, self.seats_twice, self.mails_lost, self.audit)
        return not any(lost)

    def lines(self) -> list[str]:
        counted = [
            (f"acknowledged orders lost, of {self.orders:,}", self.orders_lost),
            (f"acknowledged payments lost, of {self.payments:,}", self.payments_lost),
            ("seats sold twice", self.seats_twice),
            (f"mails lost, of {self.payments:,}", self.mails_lost),
        ]
        found = [f"{name:<42} {len(lost)}{_examples(lost)}" for name, lost in counted]
        return [*found, f"{'audit':<42} {'; '.join(self.audit) or 'clean'}"]


async def check(
    loaded: Settings, ordered: Sequence[Ordered], paid: Sequence[Paid], *, settle_s: float
) -> Verdict:
    """Waits up to `settle_s` until every event is relayed and every mail sent, then looks."""
    assert loaded.database_url is not None
    give_up = time.monotonic() + settle_s
    mails_lost = await _mails_lost(loaded.database_url, [one.order_id for one in paid], give_up)
    stored = await _stored(loaded.database_url, [UUID(one.order_id) for one in ordered])
    return Verdict(
        orders=len(ordered),
        payments=len(paid),
        orders_lost=[one.order_id for one in ordered if not _has(stored, one)],
        payments_lost=[one.order_id for one in paid if not _has(stored, one)],
        seats_twice=sold_twice(paid),
        mails_lost=mails_lost,
        audit=await _audit(loaded, give_up),
    )


def sold_twice(paid: Iterable[Paid]) -> list[str]:
    """Seats that two buyers were given, as they were told."""
    told = Counter((one.session, seat) for one in paid for seat in one.seats)
    return [
        f"session {session} seat {seat}" for (session, seat), times in told.items() if times > 1
    ]


def _has(stored: dict[str, Any], told: Ordered | Paid) -> bool:
    order = stored.get(told.order_id)
    if order is None:
        return False
    if isinstance(told, Ordered):
        return set(order["seats"]) == set(told.seats)
    return order["status"] in PAID and set(order["tickets"]) == set(told.seats)


async def _stored(database_url: str, order_ids: list[UUID]) -> dict[str, Any]:
    queries = load_queries(SQL / "booking.sql")
    pool = await open_pool(database_url, "booking", size=1)
    try:
        async with connection(pool) as db:
            rows = queries.find_orders(db, order_ids=order_ids)
            return {str(row["order_id"]): row async for row in rows}
    finally:
        await pool.close()


async def _mails_lost(database_url: str, order_ids: list[str], give_up: float) -> list[str]:
    queries = load_queries(SQL / "notification.sql")
    pool = await open_pool(database_url, "notification", size=1)
    try:
        while True:
            async with connection(pool) as db:
                rows = queries.find_receipts(db, order_ids=order_ids)
                sent = {row["order_id"] async for row in rows}
            lost = [one for one in order_ids if one not in sent]
            if not lost or time.monotonic() > give_up:
                return lost
            await asyncio.sleep(SETTLE_INTERVAL_S)
    finally:
        await pool.close()


async def _audit(loaded: Settings, give_up: float) -> list[str]:
    """Broken invariants that do not heal by themselves."""
    while True:
        findings = await audit_all(loaded)
        broken = [f"{one.name}: {'; '.join(one.details)}" for one in findings if not one.ok]
        if not broken or time.monotonic() > give_up:
            return broken
        await asyncio.sleep(SETTLE_INTERVAL_S)


def _examples(lost: Sequence[str]) -> str:
    return f" ({', '.join(lost[:NAMED_MAX])})" if lost else ""
