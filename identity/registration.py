"""Making accounts, by their owners and by operators."""

import hashlib

import msgspec

from chassis import logs
from chassis.ids import uuid7
from chassis.postgres import Pool, connection, transaction
from chassis.problems import IdempotencyInFlight, IdempotencyKeyReused
from identity.attempts import Attempts
from identity.domain.passwords import acceptable_password
from identity.domain.people import Locale, clean_name, normalise_email
from identity.hashing import HashingPool
from identity.issuing import Issuer
from identity.problems import EmailTaken
from identity.store import NewAccount, Registration, Store
from identity.wire import Register, TokenPair

EVERYBODY = "customer"  # the role that each account has

log = logs.get("identity")


class Registered(msgspec.Struct, frozen=True):
    tokens: TokenPair
    replayed: bool


class Registrations:
    """Registration with its first login, once per Idempotency-Key.

    The usual store of answers (chassis.idempotency) will not do here: an answer holds tokens, which
    are kept nowhere, and there is no user yet to scope a key to. So a key remembers the account that
    it made. The same key with the same address and name and a password that verifies is answered
    with a new pair of tokens; with anything else it is IdempotencyKeyReused (422). A password that
    does not verify counts as a failed login, so a key is no way round that limit.
    """

    def __init__(
        self, pool: Pool, store: Store, passwords: HashingPool, issuer: Issuer, attempts: Attempts
    ) -> None:
        self._pool = pool
        self._store = store
        self._passwords = passwords
        self._issuer = issuer
        self._attempts = attempts

    async def register(self, body: Register, *, key: str | None, locale: Locale) -> Registered:
        """Raises ValidationFailed, EmailTaken, IdempotencyKeyReused, IdempotencyInFlight, Overloaded."""
        email, full_name = normalise_email(body.email), clean_name(body.full_name)
        password = acceptable_password(body.password, email=email)
        async with connection(self._pool) as acquired:
            earlier = await self._store.find_registration(acquired, key) if key else None
            if earlier is None and await self._store.email_is_taken(acquired, email):
                raise EmailTaken()
        if earlier is None:
            account = NewAccount(
                user_id=uuid7(),
                email=email,
                password_hash=await self._passwords.hash(password),
                full_name=full_name,
                locale=locale,
                roles=[EVERYBODY],
            )
            made = await self._insert(account, key)
            if isinstance(made, TokenPair):
                return Registered(made, replayed=False)
            earlier = made  # somebody was first with this key while we hashed
        return await self._replay(earlier, email, full_name, body.password)

    async def _insert(self, account: NewAccount, key: str | None) -> TokenPair | Registration:
        signing_key = await self._issuer.signing_key()
        async with transaction(self._pool) as acquired:
            if key is not None:
                if not await self._store.lock_registration_key(acquired, key):
                    raise IdempotencyInFlight()
                earlier = await self._store.find_registration(acquired, key)
                if earlier is not None:
                    return earlier
            if not await self._store.insert_account(acquired, account):
                raise EmailTaken()
            if key is not None:
                digest = _body_hash(account.email, account.full_name)
                await self._store.insert_registration(acquired, key, digest, account.user_id)
            issued = await self._issuer.open_login(
                acquired, signing_key, account.user_id, account.roles
            )
        log.info("registered", user=account.user_id, login=issued.login_id)
        return issued.tokens

    async def _replay(
        self, earlier: Registration, email: str, full_name: str, password: str
    ) -> Registered:
        if earlier.body_hash != _body_hash(email, full_name):
            raise IdempotencyKeyReused()
        verified = await self._attempts.verified(email, password)
        if verified is None:
            raise IdempotencyKeyReused()
        key = await self._issuer.signing_key()
        async with transaction(self._pool) as acquired:
            await self._attempts.settle(acquired, email)
            issued = await self._issuer.open_login(acquired, key, verified.user_id, verified.roles)
        log.info("registration_replayed", user=verified.user_id, login=issued.login_id)
        return Registered(issued.tokens, replayed=True)


def _body_hash(email: str, full_name: str) -> bytes:
    return hashlib.sha256(msgspec.json.encode([email, full_name])).digest()
