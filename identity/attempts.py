"""Password checks, and the limit on failed ones.

An address may fail FAILURES_MAX times in FAILURE_WINDOW_S. The count is in PostgreSQL, for all processes,
and is read before anything is hashed. After that, one try every 90 s; others get 429 with Retry-After. A
device that logged in to the account before has a count of its own, of the same size (identity.devices).
So an attacker who fails on purpose delays the owner on new devices only, for up to 90 s and again after
each failure, but never locks the account. Existing logins are not affected. A success clears the failures
of its own count.

Within a process, the tries of one address (or known device) run one at a time. So a hundred guesses at
once get no further than the same guesses in turn, and a flood on one account takes one place in the
hashing queue. Between processes, a right password is checked again after its hash: against the current
count, and that it is still the account's password.
"""

import contextlib
import math
from uuid import UUID

import msgspec

from chassis.concurrency.turns import KeyedLock
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection
from chassis.problems import Overloaded, RateLimited
from identity.devices import Device
from identity.domain.passwords import normalise_password
from identity.hashing import HashingPool
from identity.password_store import PasswordStore
from identity.problems import InvalidCredentials
from identity.store import Credentials, FailureLimit, Store
from identity.tokens import hash_of

FAILURES_MAX = 10
FAILURE_WINDOW_S = 900.0
TRIES_AT_ONCE_MAX = 64  # per address and process; one runs, the others wait, more get 503

log = logs.get("identity")


class Verified(msgspec.Struct, frozen=True):
    """An account whose password was right, and the password's version. `budget`: the count of this
    try."""

    user_id: UUID
    email: str
    roles: list[str]
    password_version: int
    budget: bytes


class Attempts:
    """`verified` checks a password. Call `settle` in the transaction that opens the login."""

    def __init__(
        self, pool: Pool, store: Store, password_store: PasswordStore, passwords: HashingPool
    ) -> None:
        self._pool = pool
        self._store = store
        self._password_store = password_store
        self._passwords = passwords
        self._limit = FailureLimit(FAILURES_MAX, FAILURE_WINDOW_S)
        self._turns = KeyedLock(per_key_max=TRIES_AT_ONCE_MAX)

    async def verified(
        self, email: str, password: str, device: Device | None = None
    ) -> Verified | None:
        """The account if the password is right, else None. Both cost the same work.

        Raises RateLimited after too many failures, Overloaded if too many passwords are being hashed.
        """
        if device is not None:
            async with self._turns.of(device.budget):
                known = await self._look(email, device.budget)
                if known.password_version == device.password_version:
                    return await self._try(email, password, known, device.budget)
        budget = hash_of(email)
        async with self._turns.of(budget):
            return await self._try(email, password, await self._look(email, budget), budget)

    async def settle(self, tx: Connection, verified: Verified) -> None:
        """Clears the failures that were counted before the right password.

        Raises RateLimited, or InvalidCredentials if the password was changed meanwhile.
        """
        if not await self._password_store.hold_password(
            tx, verified.user_id, verified.password_version
        ):
            raise InvalidCredentials()
        await self.settle_count(tx, verified)

    async def settle_count(self, tx: Connection, verified: Verified) -> None:
        """The part of `settle` for a caller that has already locked the account. Raises
        RateLimited."""
        seconds = await self._store.refused_for_s(tx, verified.budget, self._limit)
        if seconds is None:
            return
        _refuse_for(seconds)
        await self._store.forget_failures(tx, verified.budget)

    async def forget(self, db: Connection, email: str) -> None:
        """Clears the account's failures: a person who can read its mail must not wait because others
        guess."""
        await self._store.forget_failures(db, hash_of(email))

    async def _look(self, email: str, budget: bytes) -> Credentials:
        async with connection(self._pool) as db:
            return await self._store.find_credentials(db, email, budget, self._limit)

    async def _try(
        self, email: str, password: str, known: Credentials, budget: bytes
    ) -> Verified | None:
        _refuse_for(known.refused_for_s)
        typed = normalise_password(password)
        right = await self._passwords.verify(known.password_hash, typed)
        if not right or not known.active or known.user_id is None or known.password_hash is None:
            await self._count_failure(budget, known)
            return None
        await self._rehash(known.user_id, known.password_hash, typed)
        return Verified(known.user_id, email, known.roles, known.password_version, budget)

    async def _count_failure(self, budget: bytes, known: Credentials) -> None:
        async with connection(self._pool) as db:
            await self._store.count_failure(db, budget, self._limit)
        if known.user_id is None:
            log.info("login_refused", reason="unknown_account")
        else:
            reason = "wrong_password" if known.active else "account_disabled"
            log.info("login_refused", user=known.user_id, reason=reason)

    async def _rehash(self, user_id: UUID, stored: str, typed: str) -> None:
        """Hashes the password again with today's parameters, since it is at hand. Failing that, next
        time."""
        if not self._passwords.is_outdated(stored):
            return
        with contextlib.suppress(Overloaded):
            renewed = await self._passwords.hash(typed)
            async with connection(self._pool) as db:
                await self._store.replace_password_hash(db, user_id, stored, renewed)


def _refuse_for(seconds: float) -> None:
    if seconds > 0:
        raise RateLimited(
            "Too many wrong passwords for this account.",
            headers={"Retry-After": str(math.ceil(seconds))},
        )
