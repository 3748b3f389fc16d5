"""What providers tell us by webhook, in the form of Standard Webhooks 1.0 (standardwebhooks.com).

The signature is HMAC-SHA256 over `id.timestamp.body` with the base64 part of a `whsec_…` secret;
several secrets may be good at once, so that they can be changed without losing a message.
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from booking.domain.problems import BadSignature, StaleTimestamp
from booking.providers.protocol import Provider
from booking.seats.holds import SeatHolds
from booking.settlement import Settled, after_settling, settle
from booking.store.payments import take_provider_event
from booking.tickets import Tickets
from chassis import logs
from chassis.postgres import Pool, transaction
from chassis.problems import NotFound

log = logs.get("booking")

TOLERANCE_S = 300
EVENT_ID = re.compile(r"[\x21-\x7e]{1,128}")


class SignedMessage(msgspec.Struct, frozen=True):
    """The three headers of a webhook and its body as it came, byte for byte."""

    id: str
    timestamp: str
    signatures: str
    body: bytes


def signed_message(headers: Mapping[str, Any], body: bytes) -> SignedMessage:
    """Raises BadSignature without the three headers."""
    found = [headers.get(f"webhook-{name}") for name in ("id", "timestamp", "signature")]
    if any(value is None for value in found):
        raise BadSignature("webhook-id, webhook-timestamp and webhook-signature are needed.")
    return SignedMessage(str(found[0]), str(found[1]), str(found[2]), body)


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a message: `v1,<base64>`."""
    signed = message_id.encode() + b"." + str(timestamp).encode() + b"." + body
    digest = hmac.digest(secret_key(secret), signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode("ascii")


def secret_key(secret: str) -> bytes:
    """`whsec_` and base64; a secret that is not of this form is taken as it stands."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()


def verify(message: SignedMessage, secrets: Sequence[str], *, now: float | None = None) -> None:
    """Raises BadSignature when none of the secrets made it, StaleTimestamp beyond ±TOLERANCE_S.

    `now`: Unix seconds; the machine's own clock unless told.
    """
    if not re.fullmatch(r"[0-9]{1,12}", message.timestamp) or not EVENT_ID.fullmatch(message.id):
        raise BadSignature()
    at = int(message.timestamp)
    good = [sign(secret, message.id, at, message.body).encode() for secret in secrets]
    sent = [one.encode("utf-8", "replace") for one in message.signatures.split(" ")[:16]]
    if not any(hmac.compare_digest(ours, theirs) for ours in good for theirs in sent):
        raise BadSignature()
    if abs((time.time() if now is None else now) - at) > TOLERANCE_S:
        raise StaleTimestamp()


class Webhooks:
    """Takes a provider's messages, each once."""

    def __init__(
        self,
        pool: Pool,
        *,
        providers: Mapping[str, Provider],
        secrets: Sequence[str],
        tickets: Tickets,
        holds: SeatHolds,
    ) -> None:
        self._pool = pool
        self._providers = providers
        self._secrets = secrets
        self._tickets = tickets
        self._holds = holds

    async def take(self, provider_name: str, headers: Mapping[str, Any], body: bytes) -> None:
        """Returns when it is taken, now or before, or is of no interest. Raises NotFound,
        BadSignature, StaleTimestamp, ValidationFailed, PaymentMismatch."""
        provider = self._providers.get(provider_name)
        if provider is None:
            raise NotFound()
        message = signed_message(headers, body)
        verify(message, self._secrets)
        event = provider.read_event(body)
        if event.payment_id is None or event.verdict is None:
            log.info("webhook_ignored", provider=provider_name, type=event.type)
            return
        settled: Settled | None = None
        async with transaction(self._pool) as one:
            if await take_provider_event(
                one, provider_name, message.id, event.type, event.payment_id
            ):
                settled = await settle(one, self._tickets, event.payment_id, event.verdict)
        if settled is not None:
            log.info("webhook_taken", provider=provider_name, type=event.type)
            await after_settling(self._holds, settled)
