"""Reads and changes profiles, for their owners and for other services."""

import time
from collections.abc import Sequence
from uuid import UUID

from msgspec import UNSET

from chassis.context import CURRENT, RequestContext
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection
from chassis.problems import InvalidToken, NotFound
from contracts.identity import Account, AccountLookup
from identity.domain.people import clean_name, clean_phone, normalise_email
from identity.store import Store
from identity.wire import ChangeProfile

log = logs.get("identity")


class Profiles:
    """Accounts without their secrets."""

    def __init__(self, pool: Pool, store: Store) -> None:
        self._pool = pool
        self._store = store

    async def read_own(self, user_id: UUID, login_id: UUID) -> Account:
        """Raises InvalidToken if the login has ended although its token has not expired."""
        started = time.perf_counter()
        async with connection(self._pool) as db:
            account = await self._store.get_own_account(db, user_id, login_id)
        if account is None:
            raise InvalidToken("This login has ended.")
        _log_read(user_id, started)
        return account

    async def find(self, email: str) -> Account:
        """An account by address, for other services. Raises NotFound, or ValidationFailed for an invalid
        address."""
        started = time.perf_counter()
        async with connection(self._pool) as db:
            account = await self._store.find_account(db, normalise_email(email))
        if account is None:
            raise NotFound()
        _log_read(account.user_id, started)
        return account

    async def look_up(self, asked: Sequence[AccountLookup]) -> list[Account | None]:
        """Many accounts at once, for other services. Each read is logged under the request that needs it,
        a list once."""
        started = time.perf_counter()
        async with connection(self._pool) as db:
            wanted = {one.user_id for one in asked}
            found = await self._store.get_accounts(db, sorted(wanted))
        for (request_id, span), users in _by_request(asked).items():
            token = CURRENT.set(RequestContext(request_id, span))
            _log_read(users[0], started) if len(users) == 1 else _log_list(len(users), started)
            CURRENT.reset(token)
        return [found.get(one.user_id) for one in asked]

    async def change_own(self, user_id: UUID, login_id: UUID, change: ChangeProfile) -> Account:
        """The changed profile. Raises ValidationFailed, or InvalidToken as `read_own` does."""
        full_name = None if change.full_name is UNSET else clean_name(change.full_name)
        locale = None if change.locale is UNSET else change.locale
        set_phone = change.phone is not UNSET
        phone = None if change.phone is UNSET else clean_phone(change.phone)
        async with connection(self._pool) as db:
            account = await self._store.change_account(
                db,
                user_id,
                login_id,
                full_name=full_name,
                locale=locale,
                set_phone=set_phone,
                phone=phone,
            )
        if account is None:
            raise InvalidToken("This login has ended.")
        log.info("profile_changed", user=user_id)
        return account


def _by_request(asked: Sequence[AccountLookup]) -> dict[tuple[str, str], list[UUID]]:
    users: dict[tuple[str, str], list[UUID]] = {}
    for one in asked:
        users.setdefault((one.request_id, one.span), []).append(one.user_id)
    return users


def _log_list(users: int, started: float) -> None:
    log.info("profiles_read", users=users, duration=_since(started))


def _log_read(user_id: UUID, started: float) -> None:
    log.info("profile_read", user=user_id, duration=_since(started))


def _since(started: float) -> str:
    return f"{round((time.perf_counter() - started) * 1000)}ms"
