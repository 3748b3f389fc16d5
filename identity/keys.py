"""The keys that sign access tokens: Ed25519, stored in PostgreSQL, published as JWKS, rotated.

A key's life:  published → signs (KEY_LEAD_S later) → its successor signs → retired when the last token
that it signed has expired. Verifiers know a key before they meet it, so a rotation logs nobody out.
"""

import base64
import hashlib
import time
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.clock import MachineClock
from chassis.concurrency.cache import FetchOnce
from chassis.postgres.pool import Connection, Pool, connection, transaction
from identity.store import Store, StoredKey

JWKS_MAX_AGE_S = 60  # sent to caches; a new key must be published for longer than that
KEYS_AGE_MAX_S = 2.0  # how old a process's copy of the keys may be
# Before a new key signs, all of these must have passed: the age of every cached JWKS, the pause of
# a verifier that met an unknown kid (chassis.auth.jwks.UNKNOWN_KID_PAUSE_S, 5 s) with a slow fetch
# (3 s), and the memory of a kid that was looked up too early (UNKNOWN_KID_TTL_S, 30 s).
KEY_LEAD_S = JWKS_MAX_AGE_S + 15
# After a successor signs: time for processes that have not noticed yet, and for slow answers under
# way.
RETIREMENT_MARGIN_S = 60


class Jwk(msgspec.Struct, frozen=True):
    """A public key (RFC 8037)."""

    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"
    use: str = "sig"
    alg: str = "EdDSA"


class Jwks(msgspec.Struct, frozen=True):
    keys: list[Jwk]


class SigningKey(msgspec.Struct, frozen=True):
    kid: str
    private_key: Ed25519PrivateKey


class Rotation(msgspec.Struct, frozen=True):
    """A new key was published; it signs from `signs_from` on."""

    kid: str
    signs_from: datetime


class Keys:
    """The keys as this process last read them, at most KEYS_AGE_MAX_S ago."""

    def __init__(self, pool: Pool, store: Store, *, clock: MachineClock = time) -> None:
        self._pool = pool
        self._store = store
        self._cache: FetchOnce[None, tuple[SigningKey, Jwks]] = FetchOnce(
            self._read, ttl_s=KEYS_AGE_MAX_S, entries_max=1, clock=clock
        )

    async def signing_key(self) -> SigningKey:
        return (await self._cache.get(None))[0]

    async def jwks(self) -> Jwks:
        return (await self._cache.get(None))[1]

    async def _read(self, _: None) -> tuple[SigningKey, Jwks]:
        async with connection(self._pool) as db:
            stored = await self._store.list_keys(db)
        return signing_key(stored[0]), Jwks([jwk_of(key.kid, key.public_key) for key in stored])


def signing_key(stored: StoredKey) -> SigningKey:
    assert stored.signs_now, (
        "the first key made signs at once, and a key retires after its successor"
    )
    return SigningKey(stored.kid, Ed25519PrivateKey.from_private_bytes(stored.private_key))


async def make_first_key(pool: Pool, store: Store) -> None:
    """Creates the platform's first key. Any number of processes may call it at the same time."""
    async with transaction(pool) as tx:
        await store.lock_keys(tx)
        if not await store.list_keys(tx):
            await _insert_key(tx, store, lead_s=0)


async def rotate(
    pool: Pool, store: Store, *, access_token_ttl_s: float, lead_s: float = KEY_LEAD_S
) -> Rotation:
    """Publishes a new key, which signs after `lead_s`, and sets the end of the older ones.

    access_token_ttl_s: the longest life of a token signed before.
    """
    async with transaction(pool) as tx:
        await store.lock_keys(tx)
        first = not await store.list_keys(tx)
        rotation = await _insert_key(tx, store, lead_s=0 if first else lead_s)
        await store.retire_keys_before(
            tx,
            successor=rotation.kid,
            signs_from=rotation.signs_from,
            token_ttl_s=access_token_ttl_s + RETIREMENT_MARGIN_S,
        )
    return rotation


async def _insert_key(tx: Connection, store: Store, *, lead_s: float) -> Rotation:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    kid = thumbprint(public)
    signs_from = await store.insert_key(
        tx,
        kid=kid,
        private_key=private.private_bytes_raw(),
        public_key=public,
        lead_s=lead_s,
    )
    return Rotation(kid, signs_from)


def thumbprint(public_key: bytes) -> str:
    """RFC 7638 over the required members of an OKP key, in lexicographic order (RFC 8037, 2)."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public_key)}
    return _base64url(hashlib.sha256(msgspec.json.encode(members)).digest())


def jwk_of(kid: str, public_key: bytes) -> Jwk:
    return Jwk(kid=kid, x=_base64url(public_key))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
