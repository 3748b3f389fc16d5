"""Creates tokens: signed access tokens (RFC 9068) and opaque refresh tokens.

chassis.auth.tokens verifies access tokens. The two modules share their constants.
"""

import hashlib
import secrets
from collections.abc import Sequence
from uuid import UUID

import jwt

from chassis.auth.tokens import ALGORITHM, AUDIENCE, ISSUER, TOKEN_TYPE
from chassis.ids import uuid7
from identity.keys import SigningKey

REFRESH_TOKEN_BYTES = 32
LINK_TOKEN_BYTES = 32


def sign_access_token(
    key: SigningKey,
    *,
    user_id: UUID,
    login_id: UUID,
    roles: Sequence[str],
    now_s: float,
    ttl_s: int,
) -> str:
    """An access token issued at `now_s` (Unix seconds by PostgreSQL) that lives for `ttl_s`."""
    issued_at = int(now_s)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "iat": issued_at,
        "exp": issued_at + ttl_s,
        "jti": str(uuid7()),
        "sid": str(login_id),
        "roles": list(roles),
    }
    header = {"typ": TOKEN_TYPE, "kid": key.kid}
    return jwt.encode(claims, key.private_key, algorithm=ALGORITHM, headers=header)


def new_refresh_token() -> str:
    """256 random bits, 43 characters."""
    return secrets.token_urlsafe(REFRESH_TOKEN_BYTES)


def new_link_token() -> str:
    """256 random bits, 43 characters: the token in a mailed link."""
    return secrets.token_urlsafe(LINK_TOKEN_BYTES)


def hash_of(token: str) -> bytes:
    """What is stored of a token: its SHA-256. Nobody can guess 256 random bits from it."""
    return hashlib.sha256(token.encode()).digest()
