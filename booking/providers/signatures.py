"""Signed messages in the form of Standard Webhooks 1.0 (standardwebhooks.com).

The signature is HMAC-SHA256 over `id.timestamp.body` with the base64 part of a `whsec_…` secret. Several
secrets may be valid at once, so that a secret can be changed without losing a message.
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from booking.domain.problems import BadSignature, StaleTimestamp

TOLERANCE_S = 300
SIGNATURES_MAX = 16  # in one header; limits the work that a sender can cause
EVENT_ID = re.compile(r"[\x21-\x7e]{1,128}")
TIMESTAMP = re.compile(r"[0-9]{1,12}")


class SignedMessage(msgspec.Struct, frozen=True):
    """The three headers of a webhook, and its body unchanged."""

    id: str
    timestamp: str
    signatures: str
    body: bytes


def signed_message(headers: Mapping[str, Any], body: bytes) -> SignedMessage:
    """Raises BadSignature without the three headers."""
    found = [headers.get(f"webhook-{name}") for name in ("id", "timestamp", "signature")]
    if any(value is None for value in found):
        raise BadSignature("webhook-id, webhook-timestamp and webhook-signature are required.")
    return SignedMessage(str(found[0]), str(found[1]), str(found[2]), body)


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` of a message: `v1,<base64>`."""
    signed = message_id.encode() + b"." + str(timestamp).encode() + b"." + body
    digest = hmac.digest(secret_key(secret), signed, hashlib.sha256)
    return "v1," + base64.b64encode(digest).decode("ascii")


@lru_cache(maxsize=64)  # of the platform's own few secrets
def secret_key(secret: str) -> bytes:
    """The decoded key of `whsec_` and base64; a secret of another form is used as it is."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return secret.encode()


def verify(message: SignedMessage, secrets: Sequence[str], *, now: float | None = None) -> None:
    """Raises BadSignature if no secret matches, StaleTimestamp beyond ±TOLERANCE_S.

    `now`: Unix seconds; by default the machine's clock.
    """
    if not TIMESTAMP.fullmatch(message.timestamp) or not EVENT_ID.fullmatch(message.id):
        raise BadSignature()
    at = int(message.timestamp)
    sent = message.signatures.split(" ", SIGNATURES_MAX)[:SIGNATURES_MAX]
    theirs = [one.encode("utf-8", "replace") for one in sent]
    for secret in secrets:
        ours = sign(secret, message.id, at, message.body).encode()
        if any(hmac.compare_digest(ours, one) for one in theirs):
            break
    else:
        raise BadSignature()
    if abs((time.time() if now is None else now) - at) > TOLERANCE_S:
        raise StaleTimestamp()
