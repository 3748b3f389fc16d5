"""Creates accounts, for their owners and for operators."""

import hashlib

import msgspec
from msgspec import UNSET

from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection, transaction
from chassis.problems import IdempotencyInFlight, IdempotencyKeyReused
from identity.attempts import Attempts
from identity.devices import Devices
from identity.domain.passwords import acceptable_password
from identity.domain.people import clean_name, normalise_email
from identity.hashing import HashingPool
from identity.issuing import Issuer, LoggedIn
from identity.problems import EmailTaken
from identity.store import NewAccount, Registration, Store
from identity.wire import Register, TokenPair

EVERYBODY = "customer"  # the role that every account has
FIRST_VERSION = 0  # of a new password: the column's default

log = logs.get("identity")


class Registered(msgspec.Struct, frozen=True):
    login: LoggedIn
    replayed: bool


class Registrant(msgspec.Struct, frozen=True):
    """The client of a registration; there is no user yet. `address`: as limits count it.

    `key`: the Idempotency-Key, which belongs to this client alone. `cookie`: the device cookie, if any.
    """

    address: str
    key: str | None
    cookie: str | None
    locale: str

    @property
    def hash(self) -> bytes:
        """What the key is stored under. The address itself is not stored."""
        return hashlib.sha256(f"{self.address} {self.key}".encode()).digest()


class Registrations:
    """Registration with its first login, once per Idempotency-Key.

    The usual store of answers (chassis.http.idempotency) does not work here: an answer holds tokens,
    which are never stored, and there is no user yet to own the key. So a key belongs to the client's
    address and remembers the account that it created. The same key, address, e-mail, name and a password
    that verifies gets a new pair of tokens. With other data it is IdempotencyKeyReused (422). From
    another address it is another key. A password that does not verify counts as a failed login, so a key
    cannot bypass that limit.
    """

    def __init__(
        self,
        *,
        pool: Pool,
        store: Store,
        passwords: HashingPool,
        issuer: Issuer,
        attempts: Attempts,
        devices: Devices,
    ) -> None:
        self._pool = pool
        self._store = store
        self._passwords = passwords
        self._issuer = issuer
        self._attempts = attempts
        self._devices = devices

    async def register(self, body: Register, caller: Registrant) -> Registered:
        """Raises ValidationFailed, EmailTaken, IdempotencyKeyReused, IdempotencyInFlight, Overloaded."""
        email, full_name = normalise_email(body.email), clean_name(body.full_name)
        password = acceptable_password(body.password, email=email)
        async with connection(self._pool) as db:
            earlier = await self._find(db, caller)
            if earlier is None and await self._store.email_is_taken(db, email):
                raise EmailTaken()
        if earlier is None:
            account = NewAccount(
                user_id=uuid7(),
                email=email,
                password_hash=await self._passwords.hash(password),
                full_name=full_name,
                locale=caller.locale if body.locale is UNSET else body.locale,
                roles=[EVERYBODY],
            )
            made = await self._insert(account, caller)
            if isinstance(made, TokenPair):
                cookie = self._devices.remember(caller.cookie, email, FIRST_VERSION)
                return Registered(LoggedIn(made, cookie), replayed=False)
            earlier = made  # this client's key was used first while we hashed
        return await self._replay(earlier, email, full_name, body.password, caller)

    async def _find(self, db: Connection, caller: Registrant) -> Registration | None:
        if caller.key is None:
            return None
        return await self._store.find_registration(db, caller.hash, caller.key)

    async def _insert(self, account: NewAccount, caller: Registrant) -> TokenPair | Registration:
        signing_key = await self._issuer.signing_key()
        async with transaction(self._pool) as tx:
            if caller.key is not None:
                if not await self._store.lock_registration_key(tx, caller.hash, caller.key):
                    raise IdempotencyInFlight()
                earlier = await self._find(tx, caller)
                if earlier is not None:
                    return earlier
            if not await self._store.insert_account(tx, account):
                raise EmailTaken()
            if caller.key is not None:
                await self._store.insert_registration(
                    tx,
                    caller_hash=caller.hash,
                    key=caller.key,
                    body_hash=_body_hash(account.email, account.full_name),
                    user_id=account.user_id,
                )
            issued = await self._issuer.open_login(tx, signing_key, account.user_id, account.roles)
        log.info("registered", user=account.user_id, login=issued.login_id)
        return issued.tokens

    async def _replay(
        self,
        earlier: Registration,
        email: str,
        full_name: str,
        password: str,
        caller: Registrant,
    ) -> Registered:
        if earlier.body_hash != _body_hash(email, full_name):
            raise IdempotencyKeyReused()
        device = self._devices.find(caller.cookie, email)
        verified = await self._attempts.verified(email, password, device)
        if verified is None:
            raise IdempotencyKeyReused()
        key = await self._issuer.signing_key()
        async with transaction(self._pool) as tx:
            await self._attempts.settle(tx, verified)
            issued = await self._issuer.open_login(tx, key, verified.user_id, verified.roles)
        log.info("registration_replayed", user=verified.user_id, login=issued.login_id)
        cookie = self._devices.remember(caller.cookie, email, verified.password_version)
        return Registered(LoggedIn(issued.tokens, cookie), replayed=True)


def _body_hash(email: str, full_name: str) -> bytes:
    return hashlib.sha256(msgspec.json.encode([email, full_name])).digest()
