"""Reading the local mailbox."""

from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from uuid import UUID

import msgspec

from chassis.postgres.pool import Pool
from chassis.problems import NotFound
from notification.mailbox import store
from notification.mailbox.store import StoredMail
from notification.outgoing import Outgoing, headers_of

LISTED_MAX = 100


class Mail(msgspec.Struct, frozen=True):
    """A mail or SMS. `to` is an e-mail address or phone number; `html` is None for an SMS."""

    mail_id: UUID
    channel: str
    to: str
    subject: str
    delivered_at: datetime
    headers: dict[str, str]
    text: str
    html: str | None


class MailList(msgspec.Struct, frozen=True):
    """Newest first."""

    mails: list[Mail]


async def list_mails(pool: Pool, sender: str, recipient: str | None) -> list[Mail]:
    """The newest LISTED_MAX, of one recipient or of all. `sender` is the From header."""
    stored = await store.list_mails(pool, recipient=recipient, limit=LISTED_MAX)
    return [_read(one, sender) for one in stored]


async def find_mail(pool: Pool, sender: str, mail_id: UUID) -> Mail:
    """Raises NotFound."""
    stored = await store.find_mail(pool, mail_id)
    if stored is None:
        raise NotFound()
    return _read(stored, sender)


def _read(stored: StoredMail, sender: str) -> Mail:
    headers, text, html = (
        _parts(stored, sender) if stored.mime is None else _taken_apart(stored.mime)
    )
    return Mail(
        mail_id=stored.mail_id,
        channel=stored.channel,
        to=stored.recipient,
        subject=stored.subject,
        delivered_at=stored.delivered_at.replace(microsecond=0),
        headers=headers,
        text=text,
        html=html,
    )


def _parts(stored: StoredMail, sender: str) -> tuple[dict[str, str], str, str | None]:
    message = Outgoing(
        header_id=stored.header_id,
        recipient=stored.recipient,
        language=stored.language or "",
        subject=stored.subject,
        text=stored.text or "",
        html=stored.html,
    )
    return headers_of(message, sender, stored.delivered_at), message.text, message.html


def _taken_apart(stored: bytes) -> tuple[dict[str, str], str, str | None]:
    mime = message_from_bytes(stored, policy=default_policy)
    headers = {name: str(value) for name, value in mime.items()}
    return headers, _part(mime, "plain") or "", _part(mime, "html")


def _part(mime: EmailMessage, kind: str) -> str | None:
    part = mime.get_body((kind,))
    if part is None:
        return None
    content: str = part.get_content()
    return content
