"""Identity's SQL: accounts and registrations, failed attempts, logins, keys. Only stores run SQL."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from chassis.postgres.pool import Connection, load_queries
from contracts.identity import Account, RevokedLogin

QUERIES = Path(__file__).with_name("sql")


class RoleNotYetKnown(Exception):
    """The schema is older than this role. Nothing was changed."""


class NewAccount(msgspec.Struct, frozen=True, kw_only=True):
    user_id: UUID
    email: str
    password_hash: str
    full_name: str
    locale: str
    roles: list[str]


class Credentials(msgspec.Struct, frozen=True):
    """What a login needs to know of an address. No user_id: no such account."""

    user_id: UUID | None
    password_hash: str | None
    roles: list[str]
    active: bool
    password_version: int
    refused_for_s: float


class Registration(msgspec.Struct, frozen=True):
    """The request that used an Idempotency-Key, and the account that it created."""

    user_id: UUID
    body_hash: bytes


class LoginOfToken(msgspec.Struct, frozen=True):
    """The login of a refresh token. `revoked_for`: logout, reuse or None."""

    login_id: UUID
    user_id: UUID
    revoked_for: str | None
    expired: bool
    roles: list[str]
    active: bool


class StoredKey(msgspec.Struct, frozen=True):
    kid: str
    private_key: bytes
    public_key: bytes
    signs_now: bool


class FailureLimit(msgspec.Struct, frozen=True):
    """How many failed logins (or mails) one budget may have in how many seconds."""

    failures: int
    window_s: float

    @property
    def spacing_s(self) -> float:
        return self.window_s / self.failures


class Store:
    """One method per query, on a connection or in the caller's transaction."""

    def __init__(self) -> None:
        self._sql = load_queries(QUERIES)

    async def answers(self, db: Connection) -> bool:
        return bool(await self._sql.answer(db))

    # accounts

    async def insert_account(self, db: Connection, account: NewAccount) -> bool:
        """False if the address is taken."""
        made = await self._sql.insert_account(db, **msgspec.structs.asdict(account))
        return made is not None

    async def email_is_taken(self, db: Connection, email: str) -> bool:
        return bool(await self._sql.email_is_taken(db, email=email))

    async def find_account(self, db: Connection, email: str) -> Account | None:
        return _account(await self._sql.find_account(db, email=email))

    async def get_accounts(self, db: Connection, user_ids: Sequence[UUID]) -> dict[UUID, Account]:
        """The existing accounts, by id."""
        rows = self._sql.get_accounts(db, user_ids=list(user_ids))
        found = [_account(row) async for row in rows]
        return {account.user_id: account for account in found if account is not None}

    async def get_own_account(
        self, db: Connection, user_id: UUID, login_id: UUID
    ) -> Account | None:
        """None also if that login has ended."""
        row = await self._sql.get_own_account(db, user_id=user_id, login_id=login_id)
        return _account(row)

    async def change_account(
        self,
        db: Connection,
        user_id: UUID,
        login_id: UUID,
        *,
        full_name: str | None,
        locale: str | None,
        set_phone: bool,
        phone: str | None,
    ) -> Account | None:
        row = await self._sql.change_account(
            db,
            user_id=user_id,
            login_id=login_id,
            full_name=full_name,
            locale=locale,
            set_phone=set_phone,
            phone=phone,
        )
        return _account(row)

    async def replace_password_hash(
        self, db: Connection, user_id: UUID, old_hash: str, new_hash: str
    ) -> None:
        await self._sql.replace_password_hash(
            db, user_id=user_id, old_hash=old_hash, new_hash=new_hash
        )

    async def password_hash_of(self, db: Connection, email: str) -> str | None:
        stored: str | None = await self._sql.password_hash_of(db, email=email)
        return stored

    async def add_role(self, db: Connection, email: str, role: str) -> UUID | None:
        user_id: UUID | None = await self._sql.add_role(db, email=email, role=role)
        return user_id

    async def accounts_named(self, db: Connection, prefix: str, unusable: str) -> list[UUID]:
        found = self._sql.accounts_named(db, prefix=prefix, unusable=unusable)
        return [row["user_id"] async for row in found]

    async def delete_accounts(self, db: Connection, user_ids: Sequence[UUID]) -> int:
        return _count(await self._sql.delete_accounts(db, user_ids=list(user_ids)))

    async def copy_accounts_with_logins(
        self,
        tx: Connection,
        buyers: Sequence[tuple[UUID, UUID]],
        *,
        email_of: Callable[[int], str],
        password_hash: str,
        locale: str,
        login_ttl_s: float,
    ) -> float:
        """Copies in customers with one login each: (user_id, login_id). Returns PostgreSQL's now in Unix
        seconds."""
        now: datetime = await tx.fetchval("SELECT now()")
        ends = now + timedelta(seconds=login_ttl_s)
        await tx.copy_records_to_table(
            "accounts",
            columns=["user_id", "email", "password_hash", "full_name", "locale", "roles"],
            records=[
                (user_id, email_of(number), password_hash, f"Buyer {number}", locale, ["customer"])
                for number, (user_id, _) in enumerate(buyers, 1)
            ],
        )
        await tx.copy_records_to_table(
            "logins",
            columns=["login_id", "user_id", "expires_at"],
            records=[(login_id, user_id, ends) for user_id, login_id in buyers],
        )
        return now.timestamp()

    # registrations

    async def lock_registration_key(self, tx: Connection, caller_hash: bytes, key: str) -> bool:
        return bool(await self._sql.lock_registration_key(tx, caller_hash=caller_hash, key=key))

    async def find_registration(
        self, db: Connection, caller_hash: bytes, key: str
    ) -> Registration | None:
        row = await self._sql.find_registration(db, caller_hash=caller_hash, key=key)
        return None if row is None else Registration(**row)

    async def insert_registration(
        self,
        tx: Connection,
        *,
        caller_hash: bytes,
        key: str,
        body_hash: bytes,
        user_id: UUID,
    ) -> None:
        await self._sql.insert_registration(
            tx, caller_hash=caller_hash, key=key, body_hash=body_hash, user_id=user_id
        )

    # failed attempts

    async def find_credentials(
        self, db: Connection, email: str, budget: bytes, limit: FailureLimit
    ) -> Credentials:
        row = await self._sql.find_credentials(
            db,
            email=email,
            budget=budget,
            window_s=limit.window_s,
            spacing_s=limit.spacing_s,
        )
        return Credentials(
            row["user_id"],
            row["password_hash"],
            row["roles"] or [],
            bool(row["active"]),
            row["password_version"] or 0,
            row["refused_for_s"],
        )

    async def count_failure(self, db: Connection, budget: bytes, limit: FailureLimit) -> None:
        await self._sql.count_failure(
            db,
            budget=budget,
            window_s=limit.window_s,
            spacing_s=limit.spacing_s,
        )

    async def refused_for_s(
        self, tx: Connection, budget: bytes, limit: FailureLimit
    ) -> float | None:
        """None if no failure is remembered. Above zero: seconds to wait."""
        seconds: float | None = await self._sql.refused_for_s(
            tx,
            budget=budget,
            window_s=limit.window_s,
            spacing_s=limit.spacing_s,
        )
        return seconds

    async def forget_failures(self, db: Connection, budget: bytes) -> None:
        await self._sql.forget_failures(db, budget=budget)

    # logins

    async def insert_login(
        self,
        tx: Connection,
        *,
        login_id: UUID,
        user_id: UUID,
        token_hash: bytes,
        family_ttl_s: float,
        idle_ttl_s: float,
    ) -> float:
        """PostgreSQL's now in Unix seconds: the time at which the login's tokens are issued."""
        row = await self._sql.insert_login(
            tx,
            login_id=login_id,
            user_id=user_id,
            token_hash=token_hash,
            family_ttl_s=family_ttl_s,
            idle_ttl_s=idle_ttl_s,
        )
        return float(row["now_s"])

    async def lock_login_of_token(self, tx: Connection, token_hash: bytes) -> LoginOfToken | None:
        row = await self._sql.lock_login_of_token(tx, token_hash=token_hash)
        return None if row is None else LoginOfToken(**row)

    async def spend_refresh_token(self, tx: Connection, token_hash: bytes) -> bool:
        """True if the token was unused and not expired. It is used now."""
        spent = await self._sql.spend_refresh_token(tx, token_hash=token_hash)
        return spent is not None

    async def refresh_token_was_used(self, tx: Connection, token_hash: bytes) -> bool:
        return bool(await self._sql.refresh_token_was_used(tx, token_hash=token_hash))

    async def insert_refresh_token(
        self, tx: Connection, *, login_id: UUID, token_hash: bytes, idle_ttl_s: float
    ) -> float:
        """PostgreSQL's now in Unix seconds."""
        row = await self._sql.insert_refresh_token(
            tx, login_id=login_id, token_hash=token_hash, idle_ttl_s=idle_ttl_s
        )
        return float(row["now_s"])

    async def revoke_login(
        self, tx: Connection, *, login_id: UUID, user_id: UUID, reason: str, until_s: float
    ) -> bool:
        """False if there is no such login (any more)."""
        found = await self._sql.revoke_login(
            tx, login_id=login_id, user_id=user_id, reason=reason, until_s=until_s
        )
        return found is not None

    async def list_revoked_logins(self, db: Connection) -> list[RevokedLogin]:
        rows = self._sql.list_revoked_logins(db)
        return [RevokedLogin(row["login_id"], row["revoked_until"]) async for row in rows]

    # keys

    async def lock_keys(self, tx: Connection) -> None:
        await self._sql.lock_keys(tx)

    async def list_keys(self, db: Connection) -> list[StoredKey]:
        return [StoredKey(**row) async for row in self._sql.list_keys(db)]

    async def insert_key(
        self,
        tx: Connection,
        *,
        kid: str,
        private_key: bytes,
        public_key: bytes,
        lead_s: float,
    ) -> datetime:
        """When it begins to sign."""
        signs_from: datetime = await self._sql.insert_key(
            tx, kid=kid, private_key=private_key, public_key=public_key, lead_s=lead_s
        )
        return signs_from

    async def retire_keys_before(
        self, tx: Connection, *, successor: str, signs_from: datetime, token_ttl_s: float
    ) -> None:
        await self._sql.retire_keys_before(
            tx,
            successor=successor,
            successor_signs_from=signs_from,
            token_ttl_s=token_ttl_s,
        )

    # expired rows

    async def prune_logins(self, db: Connection, portion: int) -> int:
        return _count(await self._sql.prune_logins(db, portion=portion))

    async def signing_since(self, db: Connection) -> float | None:
        """Unix seconds. None before there is a key."""
        since: float | None = await self._sql.signing_since(db)
        return since

    async def prune_small_things(self, db: Connection) -> int:
        """Deletes retired keys, old failures and mail counts, old links and idempotency keys. Returns
        their number."""
        prunes: Sequence[Any] = (
            self._sql.prune_keys,
            self._sql.prune_failures,
            self._sql.prune_registrations,
            self._sql.prune_links,
            self._sql.prune_mail_counts,
        )
        return sum([_count(await prune(db)) for prune in prunes])


@asynccontextmanager
async def roles_known() -> AsyncIterator[None]:
    """Use around statements that give a role. Raises RoleNotYetKnown if the schema refuses it."""
    try:
        yield
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != "accounts_roles_are_known":
            raise
        raise RoleNotYetKnown(
            "The database does not know this role yet: run `stampede migrate`."
        ) from None


def _account(row: asyncpg.Record | None) -> Account | None:
    return None if row is None else Account(**row)


def _count(command_tag: str) -> int:
    """PostgreSQL's `DELETE 5` as 5."""
    return int(command_tag.rsplit(" ", 1)[-1])
