"""Rows of messages."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from chassis.events.envelope import Event
from chassis.ids import uuid7
from chassis.postgres.pool import Connection, Pool, connection, load_queries
from contracts.notification import OrderMessage

_sql = load_queries(Path(__file__).parent / "sql")
_events = msgspec.json.Decoder(Event)


class PlannedMessage(msgspec.Struct, frozen=True):
    """One message that an event causes."""

    message_id: UUID
    template: str
    channel: str
    user_id: UUID
    event: Event
    urgent: bool = False


class ClaimedMessage(msgspec.Struct, frozen=True):
    """A message that only this sender may send until its lease ends. `attempt` counts from 1."""

    message_id: UUID
    template: str
    channel: str
    user_id: UUID
    event: Event
    attempt: int
    claimed_at: datetime  # PostgreSQL's time
    overtaken: bool  # its order was paid or cancelled while it waited


class EndedMessage(msgspec.Struct, frozen=True):
    """What became of a claimed message."""

    message: ClaimedMessage
    state: Literal["sent", "skipped"]
    reason: str = ""


class Waiting(msgspec.Struct, frozen=True):
    """Messages that are due and not claimed. `fresh`: how many became due in the last second, counted up to
    a limit. `longest_s`: how long the oldest has waited; negative if it is due later."""

    fresh: int
    longest_s: float

    @property
    def any_due(self) -> bool:
        return self.fresh > 0 or self.longest_s > 0


async def plan_messages(tx: Connection, messages: Sequence[PlannedMessage]) -> None:
    """Call it inside the inbox's transaction. If an operator sends an event again (`stampede dlq retry`), its
    given-up messages become due again; other existing messages stay unchanged."""
    planned = await _sql.plan_messages(
        tx,
        message_ids=[one.message_id for one in messages],
        event_ids=[one.event.id for one in messages],
        templates=[one.template for one in messages],
        channels=[one.channel for one in messages],
        user_ids=[one.user_id for one in messages],
        events=[msgspec.json.encode(one.event).decode() for one in messages],
        urgent=[one.urgent for one in messages],
    )
    if int(planned.rpartition(" ")[2]) < len(messages):
        await _sql.revive_messages(tx, event_ids=[one.event.id for one in messages])


async def plan_beside(pool: Pool, message: ClaimedMessage, channel: str) -> None:
    """Plans the same message by another channel, unless it is planned already."""
    async with connection(pool) as db:
        await _sql.plan_beside(db, new_id=uuid7(), message_id=message.message_id, channel=channel)


async def claim_messages(
    pool: Pool, *, limit: int, lease_s: float, stale_s: float
) -> list[ClaimedMessage]:
    """Claims up to `limit` due messages: urgent ones first, then the longest due. Messages of a cancelled
    session get a quarter of the places while others wait."""
    async with connection(pool) as db:
        claimed = _sql.claim_messages(db, limit=limit, lease_s=lease_s, stale_s=stale_s)
        rows = [row async for row in claimed]
    return [
        ClaimedMessage(
            message_id=row["message_id"],
            template=row["template"],
            channel=row["channel"],
            user_id=row["user_id"],
            event=_events.decode(row["event"]),
            attempt=row["attempts"],
            claimed_at=row["claimed_at"],
            overtaken=row["overtaken"],
        )
        for row in rows
    ]


async def waiting(pool: Pool, *, enough: int) -> Waiting:
    """Counts due messages; `fresh` up to `enough`."""
    async with connection(pool) as db:
        return Waiting(**await _sql.waiting(db, enough=enough))


async def end_messages(pool: Pool, ended: Sequence[EndedMessage]) -> None:
    """Marks the outcomes; skips messages that another attempt has claimed since."""
    async with connection(pool) as db:
        await _sql.end_messages(
            db,
            message_ids=[one.message.message_id for one in ended],
            attempts=[one.message.attempt for one in ended],
            states=[one.state for one in ended],
            reasons=[one.reason for one in ended],
        )


async def put_off(pool: Pool, message: ClaimedMessage, reason: str, *, delay_s: float) -> None:
    async with connection(pool) as db:
        await _sql.put_off(
            db,
            message_id=message.message_id,
            attempt=message.attempt,
            reason=reason,
            delay_s=delay_s,
        )


async def give_up(pool: Pool, message: ClaimedMessage, reason: str) -> None:
    async with connection(pool) as db:
        await _sql.give_up(
            db, message_id=message.message_id, attempt=message.attempt, reason=reason
        )


async def list_order_messages(
    pool: Pool, *, after: UUID, until: UUID, limit: int
) -> list[OrderMessage]:
    """A page, oldest first; `after` and `until` are ids of messages, or times as such (ids.eldest_since)."""
    async with connection(pool) as db:
        rows = _sql.list_order_messages(db, after=after, until=until, limit=limit)
        return [
            OrderMessage(
                **{
                    **row,
                    "subject": UUID(row["subject"]),
                    "data": msgspec.Raw(row["data"].encode()),
                }
            )
            async for row in rows
        ]


async def get_receipt(pool: Pool, order_id: UUID) -> bytes | None:
    """The data of an order's `order.paid`, as JSON."""
    async with connection(pool) as db:
        data: str | None = await _sql.get_receipt(db, order_id=str(order_id))
    return data.encode() if data is not None else None


async def prune(pool: Pool, *, days: int) -> None:
    async with connection(pool) as db:
        await _sql.prune_messages(db, days=days)


async def is_up(pool: Pool) -> bool:
    async with connection(pool) as db:
        return bool(await _sql.is_up(db))
