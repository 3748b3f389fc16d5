"""Access tokens (RFC 9068, RFC 8725): EdDSA only, every claim required, keys from identity's JWKS.

The check is our own and not PyJWT's, which reads each header twice and takes half as much CPU again: in an
on-sale every buyer's token is new to every process once (docs/adr/0045). Identity makes them with PyJWT.

Each service verifies for itself and keeps what it verified until it expires, since one Ed25519
verification costs what a whole cached request does.
"""

import time
from typing import Any
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chassis.auth.jwks import FetchJwks, PublicKeys, decoded
from chassis.clock import MachineClock
from chassis.concurrency.cache import BoundedCache
from chassis.problems import InvalidToken, TokenExpired

ISSUER = "stampede-identity"
AUDIENCE = "stampede"
ALGORITHM = "EdDSA"
TOKEN_TYPE = "at+jwt"
ADMIN = "admin"
ROLES = frozenset({"customer", "organizer", "staff", "operator", ADMIN})

TOKEN_LENGTH_MAX = 4096
VERIFIED_MAX = 200_000  # tokens remembered; about 100 bytes each beside the token itself


class Principal(msgspec.Struct, frozen=True):
    """Who asks: the account, its login (`sid`: one family of refresh tokens), its roles."""

    user_id: UUID
    login_id: UUID
    roles: frozenset[str]
    expires_at: float  # Unix seconds

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.roles

    @property
    def owner_filter(self) -> UUID | None:
        """For a query: whose things this account may manage, its own; None: everybody's."""
        return None if self.is_admin else self.user_id

    def may_manage(self, owner_id: UUID) -> bool:
        """Admins everything, others what is theirs."""
        return self.is_admin or owner_id == self.user_id


class _Header(msgspec.Struct, frozen=True):
    """Of the JOSE header what is looked at; a key that comes with it is never believed."""

    alg: str
    typ: str
    kid: str
    jku: Any = msgspec.UNSET
    x5u: Any = msgspec.UNSET
    x5c: Any = msgspec.UNSET
    jwk: Any = msgspec.UNSET
    crit: Any = msgspec.UNSET

    @property
    def names_a_key_itself(self) -> bool:
        return any(
            one is not msgspec.UNSET for one in (self.jku, self.x5u, self.x5c, self.jwk, self.crit)
        )


class _Claims(msgspec.Struct, frozen=True):
    """All of them are required but `nbf`."""

    iss: str
    aud: str | list[str]
    sub: UUID
    iat: int | float
    exp: int | float
    jti: str
    sid: UUID
    roles: list[str]
    nbf: int | float | None = None


_HEADER = msgspec.json.Decoder(_Header)
_CLAIMS = msgspec.json.Decoder(_Claims)


class Verifier:
    """`await verifier.verify(token)` → Principal; TokenExpired or InvalidToken otherwise, and Unavailable
    while nobody can say whether its key is identity's."""

    def __init__(
        self,
        keys: PublicKeys | FetchJwks,
        *,
        clock: MachineClock = time,
    ) -> None:
        self._keys = keys if isinstance(keys, PublicKeys) else PublicKeys(keys, clock=clock)
        self._time = clock.time
        self._verified: BoundedCache[str, Principal] = BoundedCache(VERIFIED_MAX)

    async def verify(self, token: str) -> Principal:
        known = self._verified.get(token)
        if known is not None:
            if known.expires_at <= self._time():
                self._verified.drop(token)
            return self.unless_expired(known)
        principal = await self._read(token)
        self._verified.put(token, principal)
        return principal

    def unless_expired(self, principal: Principal) -> Principal:
        """For a token that was verified before. Raises TokenExpired."""
        if principal.expires_at <= self._time():
            raise TokenExpired()
        return principal

    async def _read(self, token: str) -> Principal:
        """In RFC 7515's order: header, key, signature; only then the claims are looked at."""
        if len(token) > TOKEN_LENGTH_MAX or not token.isascii():
            raise InvalidToken()
        signed, _, signature = token.rpartition(".")
        header, _, claims = signed.partition(".")
        try:
            key = await self._key_of(_HEADER.decode(decoded(header)))
            key.verify(decoded(signature), signed.encode("ascii"))
            return _principal(_CLAIMS.decode(decoded(claims)), self._time())
        except (msgspec.DecodeError, ValueError, InvalidSignature, RecursionError):
            raise InvalidToken() from None

    async def _key_of(self, header: _Header) -> Ed25519PublicKey:
        if header.alg != ALGORITHM or header.typ != TOKEN_TYPE:
            raise InvalidToken()
        if header.names_a_key_itself:
            raise InvalidToken()
        key = await self._keys.find(header.kid)
        if key is None:
            raise InvalidToken()
        return key


def _principal(claims: _Claims, now: float) -> Principal:
    """Raises TokenExpired, or InvalidToken for somebody else's token. iat is required but not
    compared: identity's clock may be ahead of this machine's."""
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if claims.iss != ISSUER or AUDIENCE not in audiences:
        raise InvalidToken()
    if claims.nbf is not None and claims.nbf > now:
        raise InvalidToken()
    if claims.exp <= now:
        raise TokenExpired()
    roles = frozenset(claims.roles) & ROLES
    return Principal(claims.sub, claims.sid, roles, float(claims.exp))


def bearer_token(header: str | None) -> str | None:
    """The token of an Authorization header; None without one. Raises InvalidToken on another form."""
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidToken("Send Authorization: Bearer <access token>.")
    return token.strip()
