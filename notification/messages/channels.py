"""The ways a message can take, behind one protocol: SMTP, and the local mailbox for mails and SMS.

SMS have no provider yet. Where the mailbox is in use they land there; with an SMTP server there is no
channel for them, and they are skipped.
"""

import asyncio
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import parseaddr
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

import aiosmtplib

from notification.outgoing import (
    Outgoing,
    SendFailed,
    Undeliverable,
    headers_of,
    must_fit_a_header,
)

SMTP_TIMEOUT_S = 20.0  # each step of the conversation
SEND_DEADLINE_S = 45.0  # the whole of it; well within a sender's lease
SMTP_CONCURRENCY = 8  # conversations side by side


def sender_domain(sender: str) -> str:
    """The domain of `Stampede <tickets@stampede.example>`, for Message-IDs."""
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


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


def _refusal(what: str, code: int) -> Undeliverable | SendFailed:
    """SMTP says by 5xx that it means for ever (RFC 5321, 4.2.1); its words may name the address."""
    kind = Undeliverable if 500 <= code < 600 else SendFailed
    return kind(f"SMTP {code}: {what}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
