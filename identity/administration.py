"""What operators and load tests do with accounts and keys. Each call opens a connection of its own."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Literal, get_args
from uuid import UUID, uuid4

from argon2.exceptions import InvalidHashError, VerificationError

from chassis.clock import rfc3339
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection, open_pool, transaction
from chassis.settings import Settings
from identity import keys
from identity.composition import SCHEMA
from identity.domain.passwords import acceptable_password
from identity.domain.people import clean_name, normalise_email, refused
from identity.hashing import UNUSABLE, hash_parameters
from identity.registration import EVERYBODY
from identity.store import NewAccount, Store, roles_known
from identity.tokens import sign_access_token

Role = Literal["customer", "organizer", "staff", "operator", "admin"]
DEFAULT_ACCESS_TOKEN_TTL_S = Settings().access_token_ttl_s
DEFAULT_LANGUAGE = Settings().default_language
BUYER_LOGIN_TTL_S = 86_400.0
BUYER_DOMAIN = "buyers.invalid"  # RFC 2606: nobody can register it, so no mail is delivered
BUYER_PREFIX = "buyer"
REMOVED_AT_ONCE = 1_000

log = logs.get("identity")


class AccountExists(Exception):
    """An account with this address already has this role. Nothing was changed."""


class AnotherPassword(Exception):
    """The existing account has another password. Nothing was changed."""


async def create_account(
    database_url: str,
    *,
    email: str,
    password: str,
    role: str = EVERYBODY,
    full_name: str = "",
    locale: str = DEFAULT_LANGUAGE,
    existing: bool = False,
) -> UUID:
    """Creates an account with `role` beside customer, or gives the role to an existing account.

    An existing account keeps its password and name, so `password` must match it: addresses are not
    verified, and a stranger who registered the address before its owner would get the owner's role.
    `existing` skips this check. Returns the user id. Raises AccountExists if it has the role already,
    AnotherPassword, RoleNotYetKnown, or ValidationFailed.
    """
    if role not in get_args(Role):
        raise refused("role", f"must be one of {', '.join(get_args(Role))}")
    email = normalise_email(email)
    name = clean_name(full_name or email.partition("@")[0])
    password = acceptable_password(password, email=email)
    store = Store()
    async with _pool(database_url) as pool, connection(pool) as db, roles_known():
        if not await store.email_is_taken(db, email):
            account = NewAccount(
                user_id=uuid7(),
                email=email,
                password_hash=hash_parameters().hash(password),
                full_name=name,
                locale=locale,
                roles=sorted({EVERYBODY, role}),
            )
            if await store.insert_account(db, account):
                log.info("account_created", user=account.user_id, role=role)
                return account.user_id
        stored = await store.password_hash_of(db, email)
        account_there = await store.find_account(db, email)
        has_it = account_there is not None and role in account_there.roles
        if not existing and not has_it and not _fits(stored, password):
            raise AnotherPassword(
                f"An account {email} already exists, with another password. Its owner would get"
                f" the role {role}. Pass --existing if you want that."
            )
        user_id = await store.add_role(db, email, role)
    if user_id is None:
        raise AccountExists(f"An account {email} with the role {role} already exists.")
    log.info("role_added", user=user_id, role=role)
    return user_id


async def accounts_that_open(database_url: str, tries: Iterable[tuple[str, str]]) -> list[str]:
    """The addresses, of those given, whose password is right."""
    store = Store()
    async with _pool(database_url) as pool, connection(pool) as db:
        found = []
        for email, password in tries:
            account = await store.find_account(db, email)
            stored = await store.password_hash_of(db, email)
            if account is not None and account.active and _fits(stored, password):
                found.append(email)
        return found


def _fits(stored: str | None, password: str) -> bool:
    """True if there is such an account and this is its password."""
    try:
        return stored is not None and hash_parameters().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


async def rotate_keys(
    database_url: str,
    *,
    access_token_ttl_s: int = DEFAULT_ACCESS_TOKEN_TTL_S,
    lead_s: float = keys.KEY_LEAD_S,
) -> str:
    """Publishes a new signing key and returns its kid. It starts to sign after `lead_s`. Nobody is logged
    out.

    access_token_ttl_s: the setting of the web processes. The old key outlives the tokens that it signed.
    """
    async with _pool(database_url) as pool:
        rotation = await keys.rotate(
            pool, Store(), access_token_ttl_s=access_token_ttl_s, lead_s=lead_s
        )
    log.info("keys_rotated", kid=rotation.kid, signs_from=rfc3339(rotation.signs_from))
    return rotation.kid


async def make_buyers(
    database_url: str,
    count: int,
    *,
    prefix: str = BUYER_PREFIX,
    access_token_ttl_s: int = DEFAULT_ACCESS_TOKEN_TTL_S,
) -> list[tuple[UUID, str]]:
    """Creates `count` customers with one login each: (user id, access token). About 10,000 in two
    seconds.

    They have no usable password, so nothing is hashed. Their addresses begin with `prefix`, for
    `remove_buyers`. Their tokens are fully valid: use this for load tests and demos only.
    """
    store, run = Store(), uuid4().hex[:12]
    async with _pool(database_url) as pool:
        await keys.make_first_key(pool, store)
        async with transaction(pool) as tx:
            key = keys.signing_key((await store.list_keys(tx))[0])
            buyers = [(uuid7(), uuid7()) for _ in range(count)]
            now_s = await store.copy_accounts_with_logins(
                tx,
                buyers,
                email_of=lambda number: f"{prefix}-{run}-{number}@{BUYER_DOMAIN}",
                password_hash=UNUSABLE,
                locale=DEFAULT_LANGUAGE,
                login_ttl_s=BUYER_LOGIN_TTL_S,
            )
    return [
        (
            user_id,
            sign_access_token(
                key,
                user_id=user_id,
                login_id=login_id,
                roles=[EVERYBODY],
                now_s=now_s,
                ttl_s=access_token_ttl_s,
            ),
        )
        for user_id, login_id in buyers
    ]


async def list_buyers(database_url: str, *, prefix: str = BUYER_PREFIX) -> list[UUID]:
    """The buyers whose addresses begin with `prefix`, in ascending order."""
    async with _pool(database_url) as pool, connection(pool) as db:
        return await Store().accounts_named(db, f"{prefix}-", UNUSABLE)


async def remove_buyers(database_url: str, *, prefix: str = BUYER_PREFIX) -> int:
    """Deletes them, a bounded number in a statement. Returns how many there were."""
    removed = 0
    async with _pool(database_url) as pool, connection(pool) as db:
        buyers = await Store().accounts_named(db, f"{prefix}-", UNUSABLE)
        for start in range(0, len(buyers), REMOVED_AT_ONCE):
            some = buyers[start : start + REMOVED_AT_ONCE]
            removed += await Store().delete_accounts(db, some)
    return removed


@asynccontextmanager
async def _pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(database_url, SCHEMA, size=1)
    try:
        yield pool
    finally:
        await pool.close()
