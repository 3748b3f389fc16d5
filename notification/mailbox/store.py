"""Rows of the local mailbox."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from chassis.postgres.pool import Pool, connection, load_queries

_sql = load_queries(Path(__file__).parent / "sql")


class NewMail(msgspec.Struct, frozen=True):
    """A mail or SMS to store in the local mailbox."""

    mail_id: UUID
    header_id: str
    recipient: str
    language: str
    subject: str
    text: str
    html: str | None


class StoredMail(msgspec.Struct, frozen=True):
    """A stored mail or SMS: in parts or, if older, complete in `mime`."""

    mail_id: UUID
    channel: str
    header_id: str
    recipient: str
    language: str | None
    subject: str
    delivered_at: datetime
    text: str | None
    html: str | None
    mime: bytes | None


async def put_mails(pool: Pool, channel: str, mails: Sequence[NewMail]) -> None:
    """Stores all or none; mails that exist already are skipped."""
    async with connection(pool) as db:
        await _sql.put_mails(
            db,
            channel=channel,
            mail_ids=[one.mail_id for one in mails],
            header_ids=[one.header_id for one in mails],
            recipients=[one.recipient for one in mails],
            languages=[one.language for one in mails],
            subjects=[one.subject for one in mails],
            texts=[one.text for one in mails],
            htmls=[one.html for one in mails],
        )


async def list_mails(pool: Pool, *, recipient: str | None, limit: int) -> list[StoredMail]:
    async with connection(pool) as db:
        rows = _sql.list_mails(db, recipient=recipient, limit=limit)
        return [StoredMail(**row) async for row in rows]


async def find_mail(pool: Pool, mail_id: UUID) -> StoredMail | None:
    async with connection(pool) as db:
        row = await _sql.find_mail(db, mail_id=mail_id)
        return None if row is None else StoredMail(**row)


async def prune(pool: Pool, *, days: int) -> None:
    async with connection(pool) as db:
        await _sql.prune_mailbox(db, days=days)
