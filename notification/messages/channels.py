"""The SMTP channel. The other channel is the local mailbox (notification.mailbox).

SMS have no provider yet. They go to the local mailbox if it is in use; with an SMTP server they are skipped.
"""

import asyncio
from collections.abc import Callable
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

SMTP_TIMEOUT_S = 20.0  # each step of the SMTP session
SEND_DEADLINE_S = 45.0  # the whole session; well within a sender's lease
SMTP_CONCURRENCY = 8  # concurrent SMTP sessions


def sender_domain(sender: str) -> str:
    """The domain of `Stampede <tickets@stampede.example>`, for Message-IDs."""
    return parseaddr(sender)[1].rpartition("@")[2] or "localhost"


class SmtpChannel:
    """smtp://user:password@host:587 or smtps://host:465; one connection a message.

    Uses STARTTLS if the server offers it. Never sends credentials unencrypted, except to a server on this
    machine.
    """

    def __init__(
        self, url: str, sender: str, *, is_here: Callable[[str], bool] | None = None
    ) -> None:
        is_here = is_here or _is_loopback
        parts = urlsplit(url)
        self._sender = sender
        self._host = parts.hostname or "localhost"
        self._tls = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 587 if parts.username else 25)
        self._username = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        must_encrypt = self._username is not None and not is_here(self._host)
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
    """The message as plain text, with an HTML alternative if it has one (RFC 2046, 5.1.4).

    Raises Undeliverable if the recipient cannot be written in a header.
    """
    must_fit_a_header(message.recipient)
    mail = EmailMessage(policy=SMTP_POLICY)
    headers = headers_of(message, sender, datetime.now(UTC))
    language = headers.pop("Content-Language")  # set last, or it would move to the first part
    for name, value in headers.items():
        mail[name] = value
    mail.set_content(message.text)
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html")
    mail["Content-Language"] = language
    return mail


def _refusal(what: str, code: int) -> Undeliverable | SendFailed:
    """5xx is permanent (RFC 5321, 4.2.1). The server's text is left out: it may contain the address."""
    kind = Undeliverable if 500 <= code < 600 else SendFailed
    return kind(f"SMTP {code}: {what}")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
