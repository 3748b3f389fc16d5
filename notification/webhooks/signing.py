"""Standard Webhooks 1.0 (standardwebhooks.com): secrets, and the headers of a delivery."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
SECRET_BYTES = 32  # the specification asks for 24 to 64


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode("ascii")


def signed_headers(
    message_id: str, timestamp: int, body: bytes, good_secrets: Sequence[str]
) -> dict[str, str]:
    """`webhook-signature` has one signature a secret, separated by spaces; one valid signature suffices.

    timestamp: Unix seconds of this attempt.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [
        base64.b64encode(
            hmac.digest(base64.b64decode(one.removeprefix(PREFIX)), signed, hashlib.sha256)
        ).decode("ascii")
        for one in good_secrets
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{one}" for one in signatures),
    }
