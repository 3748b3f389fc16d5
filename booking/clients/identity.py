"""Accounts, read from identity and cached briefly."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from uuid import UUID

from booking.clients.catalog import LOOKUPS_WAITING_MAX
from chassis.concurrency.cache import BoundedCache
from chassis.concurrency.coalescer import Coalescer
from chassis.context import current
from chassis.problems import Forbidden, Unauthenticated
from chassis.seam.client import ServiceClient, UpstreamRefused
from contracts.identity import (
    BY_EMAIL_PATH,
    LOOKUP_PATH,
    LOOKUPS_MAX,
    Account,
    AccountLookup,
    AccountLookups,
    Accounts,
    EmailLookup,
)

# Only active accounts are cached. Logins that end are refused at once anyway.
ACCOUNT_TTL_S = 30.0


ACCOUNTS_MAX = 50_000


class NoAddress(Exception):
    """This is not a valid e-mail address."""


class KnownAccounts:
    """Accounts of buyers, door staff and recipients. Concurrent lookups share one call."""

    def __init__(self, identity: ServiceClient) -> None:
        self._identity = identity
        self._lookups: Coalescer[AccountLookup, Account | None] = Coalescer(
            self._look_up,
            batch_max=LOOKUPS_MAX,
            queue_max=LOOKUPS_WAITING_MAX,
            concurrency=2,
            name="booking_accounts",
            stage="services",
        )
        self._active: BoundedCache[UUID, tuple[float, Account]] = BoundedCache(ACCOUNTS_MAX)

    async def find(self, user_id: UUID) -> Account | None:
        """None if there is no such account."""
        known = self._active.get(user_id)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        context = current()
        account = await self._lookups.call(
            AccountLookup(user_id, context.request_id, context.child_span())
        )
        if account is not None and account.active:
            self._active.put(user_id, (time.monotonic() + ACCOUNT_TTL_S, account))
        return account

    async def find_many(self, user_ids: Sequence[UUID]) -> list[Account | None]:
        """One result for each id, in the same order."""
        return list(await asyncio.gather(*map(self.find, user_ids)))

    async def accounts(self, user_ids: Iterable[UUID]) -> dict[UUID, Account]:
        """The existing accounts, for a report. It uses calls of its own and does not cache, so that a long
        list neither delays buyers nor evicts them from the cache."""
        wanted = list(dict.fromkeys(user_ids))
        context = current()
        found: dict[UUID, Account] = {}
        for start in range(0, len(wanted), LOOKUPS_MAX):
            span = context.child_span()
            lookups = [
                AccountLookup(user_id, context.request_id, span)
                for user_id in wanted[start : start + LOOKUPS_MAX]
            ]
            accounts = await self._look_up(lookups)
            found |= {account.user_id: account for account in accounts if account is not None}
        return found

    async def find_by_email(self, email: str) -> Account | None:
        """None if there is no such account. Raises NoAddress."""
        try:
            return await self._identity.post(BY_EMAIL_PATH, EmailLookup(email), Account)
        except UpstreamRefused as refused:
            if refused.status == 400:
                raise NoAddress() from None
            if refused.status == 404:
                return None
            raise

    async def require(self, user_id: UUID) -> Account:
        """Raises Unauthenticated if the account does not exist, Forbidden if it is not active."""
        account = await self.find(user_id)
        if account is None:
            raise Unauthenticated("This account no longer exists.")
        if not account.active:
            raise Forbidden("This account is not active.")
        return account

    async def _look_up(self, asked: Sequence[AccountLookup]) -> Sequence[Account | None]:
        found = await self._identity.post(LOOKUP_PATH, AccountLookups(list(asked)), Accounts)
        return found.accounts
