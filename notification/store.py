"""The only place of notification that runs SQL."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from chassis.events import Event
from chassis.postgres import Connection, Pool, connection, load_queries

_sql = load_queries(Path(__file__).parent / "sql")


class PlannedMessage(msgspec.Struct, frozen=True):
    """One message that an event causes."""

    message_id: UUID
    template: str
    channel: str
    user_id: UUID
    event: Event


class ClaimedMessage(msgspec.Struct, frozen=True):
    """A message that this sender alone may send until its lease ends. `attempt` counts from 1."""

    message_id: UUID
    template: str
    channel: str
    user_id: UUID
    event: Event
    attempt: int
    claimed_at: datetime  # PostgreSQL's time


class StoredMail(msgspec.Struct, frozen=True):
    """A mail or SMS in the local mailbox; `mime` as a mail server would have taken it."""

    mail_id: UUID
    channel: str
    recipient: str
    subject: str
    delivered_at: datetime
    mime: bytes


async def plan_messages(held: Connection, messages: Sequence[PlannedMessage]) -> None:
    """Inside the inbox's transaction."""
    await _sql.plan_messages(
        held,
        message_ids=[one.message_id for one in messages],
        event_ids=[one.event.id for one in messages],
        templates=[one.template for one in messages],
        channels=[one.channel for one in messages],
        user_ids=[one.user_id for one in messages],
        events=[msgspec.json.encode(one.event).decode() for one in messages],
    )


async def claim_messages(pool: Pool, *, limit: int, lease_s: float) -> list[ClaimedMessage]:
    """Up to `limit` messages that are due, the longest due first."""
    async with connection(pool) as lent:
        rows = [row async for row in _sql.claim_messages(lent, limit=limit, lease_s=lease_s)]
    return [
        ClaimedMessage(
            message_id=row["message_id"],
            template=row["template"],
            channel=row["channel"],
            user_id=row["user_id"],
            event=msgspec.json.decode(row["event"], type=Event),
            attempt=row["attempts"],
            claimed_at=row["claimed_at"],
        )
        for row in rows
    ]


async def end_message(pool: Pool, message: ClaimedMessage, state: str, reason: str = "") -> None:
    """`state`: sent or skipped. Does nothing when another attempt has the message by now."""
    async with connection(pool) as lent:
        await _sql.end_message(
            lent,
            message_id=message.message_id,
            attempt=message.attempt,
            state=state,
            reason=reason,
        )


async def put_off(pool: Pool, message: ClaimedMessage, reason: str, *, delay_s: float) -> None:
    async with connection(pool) as lent:
        await _sql.put_off(
            lent,
            message_id=message.message_id,
            attempt=message.attempt,
            reason=reason,
            delay_s=delay_s,
        )


async def give_up(pool: Pool, message: ClaimedMessage, reason: str) -> None:
    async with connection(pool) as lent:
        await _sql.give_up(
            lent, message_id=message.message_id, attempt=message.attempt, reason=reason
        )


async def prune(pool: Pool, *, messages_days: int, mailbox_days: int) -> None:
    async with connection(pool) as lent:
        await _sql.prune_messages(lent, days=messages_days)
        await _sql.prune_mailbox(lent, days=mailbox_days)


async def put_mail(
    pool: Pool,
    *,
    mail_id: UUID,
    channel: str,
    header_id: str,
    recipient: str,
    subject: str,
    mime: bytes,
) -> None:
    async with connection(pool) as lent:
        await _sql.put_mail(
            lent,
            mail_id=mail_id,
            channel=channel,
            header_id=header_id,
            recipient=recipient,
            subject=subject,
            mime=mime,
        )


async def list_mails(pool: Pool, *, recipient: str | None, limit: int) -> list[StoredMail]:
    async with connection(pool) as lent:
        rows = _sql.list_mails(lent, recipient=recipient, limit=limit)
        return [StoredMail(**row) async for row in rows]


async def find_mail(pool: Pool, mail_id: UUID) -> StoredMail | None:
    async with connection(pool) as lent:
        row = await _sql.find_mail(lent, mail_id=mail_id)
        return None if row is None else StoredMail(**row)


async def is_up(pool: Pool) -> bool:
    async with connection(pool) as lent:
        return bool(await _sql.is_up(lent))
