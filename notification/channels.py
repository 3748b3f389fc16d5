"""The ways a message can take, behind one protocol: SMTP, and the local mailbox for mails and SMS.

SMS have no provider yet. Where the mailbox is in use they land there; with an SMTP server there is no
channel for them, and they are skipped.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib
import msgspec

from chassis.concurrency.coalescer import Coalescer
from chassis.ids import uuid7
from chassis.postgres.pool import Pool
from chassis.settings import Settings
from notification import store
from notification.planning import EMAIL, SMS
from notification.store import NewMail

SMTP_TIMEOUT_S = 20.0  # each step of the conversation
SEND_DEADLINE_S = 45.0  # the whole of it; well within a sender's lease
SMTP_AT_ONCE = 8  # conversations side by side
MAILBOX_AT_ONCE = 64  # mails a statement


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message ready to go. `header_id` is its Message-ID: the same however often it is sent."""

    header_id: str
    recipient: str  # an e-mail address or a phone number
    language: str
    subject: str
    text: str
    html: str | None = None


class Undeliverable(Exception):
    """This message will never be taken, so trying again is of no use. Names no address."""


class SendFailed(Exception):
    """Not sent this time. Names no address."""


class Channel(Protocol):
    async def send(self, message: Outgoing) -> None:
        """Returns when the message is taken. Raises Undeliverable or SendFailed otherwise."""


def messages_at_once(settings: Settings) -> int:
    """How many a sender should claim together, so that the channels are used well."""
    return MAILBOX_AT_ONCE if settings.smtp_url is None else SMTP_AT_ONCE


def open_channels(settings: Settings, pool: Pool) -> dict[str, Channel]:
    """The channels by name, as the settings choose them."""
    if settings.smtp_url is not None:
        return {EMAIL: SmtpChannel(settings.smtp_url, settings.mail_from)}
    return {
        EMAIL: MailboxChannel(pool, EMAIL, settings.mail_from),
        SMS: MailboxChannel(pool, SMS, settings.mail_from),
    }


def sender_domain(sender: str) -> str:
    """The domain of `Stampede <tickets@stampede.example>`, for Message-IDs."""
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


class MailboxChannel:
    """Keeps messages in the `mailbox` table, once each by their Message-ID. Those that come together
    travel in one statement."""

    def __init__(self, pool: Pool, name: str, sender: str) -> None:
        self._pool = pool
        self._name = name
        self._sender = sender
        self._mails: Coalescer[NewMail, None] = Coalescer(
            self._put, batch_max=MAILBOX_AT_ONCE, queue_max=16 * MAILBOX_AT_ONCE
        )

    async def send(self, message: Outgoing) -> None:
        for value in (self._sender, message.recipient, message.subject):
            must_fit_a_header(value)
        await self._mails.call(
            NewMail(
                mail_id=uuid7(),
                header_id=message.header_id,
                recipient=message.recipient,
                language=message.language,
                subject=message.subject,
                text=message.text,
                html=message.html,
            )
        )

    async def _put(self, mails: Sequence[NewMail]) -> list[None]:
        await store.put_mails(self._pool, self._name, mails)
        return [None] * len(mails)


class SmtpChannel:
    """smtp://user:password@host:587 or smtps://host:465; a connection a message.

    STARTTLS is used where the server offers it. Credentials never go over an open line, but for a
    server on this machine.
    """

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        self._sender = sender
        self._host = parts.hostname or "localhost"
        self._tls = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 587 if parts.username else 25)
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        must_encrypt = self._username is not None and not _is_loopback(self._host)
        self._start_tls = False if self._tls else True if must_encrypt else None

    async def send(self, message: Outgoing) -> None:
        try:
            async with asyncio.timeout(SEND_DEADLINE_S):
                await aiosmtplib.send(
                    to_mime(message, self._sender),
                    sender=parseaddr(self._sender)[1],
                    recipients=[message.recipient],
                    hostname=self._host,
                    port=self._port,
                    username=self._username,
                    password=self._password,
                    use_tls=self._tls,
                    start_tls=self._start_tls,
                    timeout=SMTP_TIMEOUT_S,
                )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            codes = [refusal.code for refusal in refused.recipients]
            raise _refusal("recipient refused", min(codes, default=0)) from None
        except aiosmtplib.SMTPDataError as refused:
            raise _refusal("message refused", refused.code) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as failure:
            raise SendFailed(f"SMTP: {type(failure).__name__}") from failure


def to_mime(message: Outgoing, sender: str) -> EmailMessage:
    """The message as text and, where it has one, HTML alternative (RFC 2046, 5.1.4).

    Raises Undeliverable when the recipient cannot stand in a header.
    """
    must_fit_a_header(message.recipient)
    mail = EmailMessage(policy=SMTP_POLICY)
    headers = headers_of(message, sender, datetime.now(UTC))
    language = headers.pop("Content-Language")  # last: it would go with the first part otherwise
    for name, value in headers.items():
        mail[name] = value
    mail.set_content(message.text)
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html")
    mail["Content-Language"] = language
    return mail


def headers_of(message: Outgoing, sender: str, date: datetime) -> dict[str, str]:
    """The headers that say something, in their order; MIME adds its own."""
    return {
        "Message-ID": message.header_id,
        "Date": format_datetime(date),
        "From": sender,
        "To": message.recipient,
        "Subject": message.subject,
        "Auto-Submitted": "auto-generated",  # RFC 3834: no vacation notices in answer
        "Content-Language": message.language,
    }


def must_fit_a_header(value: str) -> None:
    """Raises Undeliverable on a line break: somebody tries to write headers of their own."""
    if "\r" in value or "\n" in value:
        raise Undeliverable("the address is not one that a mail can be sent to")


def _refusal(what: str, code: int) -> Undeliverable | SendFailed:
    """SMTP says by 5xx that it means for ever (RFC 5321, 4.2.1); its words may name the address."""
    kind = Undeliverable if 500 <= code < 600 else SendFailed
    return kind(f"SMTP {code}: {what}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
