"""A message ready to send, and the protocol of channels."""

from datetime import datetime
from email.utils import format_datetime
from typing import Protocol

import msgspec


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message ready to send. `header_id` is its Message-ID; a resend has the same."""

    header_id: str
    recipient: str  # an e-mail address or a phone number
    language: str
    subject: str
    text: str
    html: str | None = None


class Undeliverable(Exception):
    """This message can never be delivered; do not retry. The text contains no address."""


class SendFailed(Exception):
    """The attempt failed. The text contains no address."""


class Channel(Protocol):
    async def send(self, message: Outgoing) -> None:
        """Returns once the message is accepted. Raises Undeliverable or SendFailed otherwise."""


def headers_of(message: Outgoing, sender: str, date: datetime) -> dict[str, str]:
    """The message's headers in order; MIME adds its own."""
    return {
        "Message-ID": message.header_id,
        "Date": format_datetime(date),
        "From": sender,
        "To": message.recipient,
        "Subject": message.subject,
        "Auto-Submitted": "auto-generated",  # RFC 3834: prevents vacation replies
        "Content-Language": message.language,
    }


def must_fit_a_header(value: str) -> None:
    """Raises Undeliverable on a line break, which would let the sender inject headers."""
    if "\r" in value or "\n" in value:
        raise Undeliverable("the address is not a valid recipient")
