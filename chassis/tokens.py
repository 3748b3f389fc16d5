"""Access tokens (RFC 9068, RFC 8725): EdDSA only, every claim required, keys from identity's JWKS.

Each service verifies for itself and keeps what it verified until it expires, since one Ed25519
verification costs what a whole cached request does.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import jwt
import msgspec
from jwt.algorithms import OKPAlgorithm

from chassis.problems import InvalidToken, TokenExpired, Unavailable

ISSUER = "stampede-identity"
AUDIENCE = "stampede"
ALGORITHM = "EdDSA"
TOKEN_TYPE = "at+jwt"
REQUIRED_CLAIMS = ["iss", "aud", "sub", "iat", "exp", "jti", "sid", "roles"]
ROLES = frozenset({"customer", "organizer", "staff", "admin"})

TOKEN_LENGTH_MAX = 4096
VERIFIED_MAX = 200_000  # tokens remembered; about 100 bytes each beside the token itself
JWKS_AGE_MAX_S = 300.0  # a retired key stops being believed after this
UNKNOWN_KID_PAUSE_S = 5.0  # how often a flood of unknown key ids may make us ask identity

FetchJwks = Callable[[], Awaitable[bytes]]


class Principal(msgspec.Struct, frozen=True):
    """Who asks: the account, its login (`sid`: one family of refresh tokens), its roles."""

    user_id: UUID
    login_id: UUID
    roles: frozenset[str]
    expires_at: float  # Unix seconds


class Verifier:
    """`await verifier.verify(token)` → Principal; TokenExpired or InvalidToken otherwise."""

    def __init__(self, fetch_jwks: FetchJwks) -> None:
        self._fetch_jwks = fetch_jwks
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")
        self._verified: OrderedDict[str, Principal] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        known = self._verified.get(token)
        if known is not None:
            if known.expires_at > time.time():
                return known
            del self._verified[token]
            raise TokenExpired()
        principal = self._decode(token, await self._key_of(token))
        self._verified[token] = principal
        if len(self._verified) > VERIFIED_MAX:
            self._verified.popitem(last=False)
        return principal

    async def _key_of(self, token: str) -> Any:
        if len(token) > TOKEN_LENGTH_MAX:
            raise InvalidToken()
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise InvalidToken() from None
        kid = header.get("kid")
        good = header.get("alg") == ALGORITHM and header.get("typ") == TOKEN_TYPE
        if not good or not isinstance(kid, str) or {"jku", "x5u", "jwk", "crit"} & header.keys():
            raise InvalidToken()
        age = time.monotonic() - self._fetched_at
        if age > JWKS_AGE_MAX_S or (kid not in self._keys and age > UNKNOWN_KID_PAUSE_S):
            await self._refresh_keys()
        if kid not in self._keys:
            raise InvalidToken()
        return self._keys[kid]

    async def _refresh_keys(self) -> None:
        try:
            document = msgspec.json.decode(await self._fetch_jwks())
        except Unavailable:
            if self._keys:  # identity away for a moment: the keys we know stay good
                return
            raise
        self._keys = {
            key["kid"]: OKPAlgorithm.from_jwk(key)
            for key in document["keys"]
            if key.get("kty") == "OKP" and key.get("crv") == "Ed25519"
        }
        self._fetched_at = time.monotonic()

    def _decode(self, token: str, key: Any) -> Principal:
        try:
            # iat is required but not compared: identity's clock may be ahead of this machine's
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=0,
                options={"require": REQUIRED_CLAIMS, "verify_iat": False},
            )
            return Principal(
                user_id=UUID(claims["sub"]),
                login_id=UUID(claims["sid"]),
                roles=frozenset(claims["roles"]) & ROLES,
                expires_at=float(claims["exp"]),
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired() from None
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
            raise InvalidToken() from None


def bearer_token(header: str | None) -> str | None:
    """The token of an Authorization header; None without one. Raises InvalidToken on another form."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidToken("Send Authorization: Bearer <access token>.")
    return token.strip()
