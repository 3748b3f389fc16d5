"""Passwords tried against an account, and how often.

FAILURES_MAX failures an address in FAILURE_WINDOW_S, kept in PostgreSQL for all processes, looked at
before anything is hashed; then one try every 90 s, 429 with Retry-After in between. The trade: who
fails on purpose can make the owner wait for up to 90 s, and again by failing again, but never locks
an account. Logins that exist already refresh undisturbed, and a success forgets all failures.

Within a process the tries of one address take turns, so a hundred guesses at once get no further
than the same guesses one by one, and a flood on one account takes one place in the hashing queue.
Between processes a right password is judged once more by the count as it is after its hash.
"""

import contextlib
import math
from uuid import UUID

import msgspec

from chassis import logs
from chassis.postgres import Connection, Pool, connection
from chassis.problems import Overloaded, RateLimited
from identity.domain.passwords import normalise_password
from identity.hashing import HashingPool
from identity.store import Credentials, FailureLimit, Store
from identity.tokens import hash_of
from identity.turns import Turns

FAILURES_MAX = 10
FAILURE_WINDOW_S = 900.0
TRIES_AT_ONCE_MAX = 64  # of one address in one process, one under way; beyond it 503

log = logs.get("identity")


class Verified(msgspec.Struct, frozen=True):
    """An account whose password was right."""

    user_id: UUID
    roles: list[str]


class Attempts:
    """`verified` says whether a password is right; `settle` belongs in the transaction that it opens."""

    def __init__(self, pool: Pool, store: Store, passwords: HashingPool) -> None:
        self._pool = pool
        self._store = store
        self._passwords = passwords
        self._limit = FailureLimit(FAILURES_MAX, FAILURE_WINDOW_S)
        self._turns = Turns(per_key_max=TRIES_AT_ONCE_MAX)

    async def verified(self, email: str, password: str) -> Verified | None:
        """The account whose password this is; None, after the same work, for every other reason.

        Raises RateLimited after too many failures, Overloaded when too many are being hashed.
        """
        async with self._turns.of(hash_of(email)):
            return await self._try(email, password)

    async def settle(self, acquired: Connection, email: str) -> None:
        """Forgets the failures of an address whose password was right. Raises RateLimited."""
        seconds = await self._store.refused_for_s(acquired, hash_of(email), self._limit)
        if seconds is None:
            return
        _refuse_for(seconds)
        await self._store.forget_failures(acquired, hash_of(email))

    async def _try(self, email: str, password: str) -> Verified | None:
        async with connection(self._pool) as acquired:
            known = await self._store.find_credentials(acquired, email, hash_of(email), self._limit)
        _refuse_for(known.refused_for_s)
        typed = normalise_password(password)
        right = await self._passwords.verify(known.password_hash, typed)
        if not right or not known.active or known.user_id is None or known.password_hash is None:
            await self._count_failure(email, known)
            return None
        await self._rehash(known.user_id, known.password_hash, typed)
        return Verified(known.user_id, known.roles)

    async def _count_failure(self, email: str, known: Credentials) -> None:
        async with connection(self._pool) as acquired:
            await self._store.count_failure(acquired, hash_of(email), self._limit)
        if known.user_id is None:
            log.info("login_refused", reason="unknown_account")
        else:
            reason = "wrong_password" if known.active else "account_disabled"
            log.info("login_refused", user=known.user_id, reason=reason)

    async def _rehash(self, user_id: UUID, stored: str, typed: str) -> None:
        """Brings a hash up to today's parameters while the password is at hand; else next time."""
        if not self._passwords.is_outdated(stored):
            return
        with contextlib.suppress(Overloaded):
            renewed = await self._passwords.hash(typed)
            async with connection(self._pool) as acquired:
                await self._store.replace_password_hash(acquired, user_id, stored, renewed)


def _refuse_for(seconds: float) -> None:
    if seconds > 0:
        raise RateLimited(
            "Too many wrong passwords for this account.",
            headers={"Retry-After": str(math.ceil(seconds))},
        )
