"""A message ready to go, and the protocol of the ways it can take."""

from datetime import datetime
from email.utils import format_datetime
from typing import Protocol

import msgspec


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
