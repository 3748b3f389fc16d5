"""What booking knows of sessions and accounts: asked of catalog and identity, kept for a moment."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from uuid import UUID

from booking.domain.problems import SaleClosed, SaleNotOpen
from booking.domain.seating import Seating, Stretch
from chassis.auth.tokens import Principal
from chassis.clock import Clock
from chassis.concurrency.cache import FetchOnce
from chassis.concurrency.coalescer import Coalescer
from chassis.context import current
from chassis.problems import Forbidden, NotFound, Unauthenticated
from chassis.seam.client import ServiceClient, UpstreamRefused
from contracts.catalog import (
    PLAN_PATH,
    TERMS_LOOKUP_PATH,
    TERMS_LOOKUPS_MAX,
    SeatPlan,
    SessionTerms,
    TermsFound,
    TermsLookup,
    TermsLookups,
)
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

TERMS_TTL_S = 2.0  # a cancelled session sells nothing meanwhile: its seats are taken in PostgreSQL
SEATING_TTL_S = 3600.0  # a published plan is immutable; this only bounds memory
# An active account is believed in; its ended logins are refused at once anyway.
ACCOUNT_TTL_S = 30.0
SESSIONS_MAX = 20_000
SEATINGS_MAX = 2_048
POSITIONS_MAX = 20_000_000  # of all seatings kept: about ten bytes each, with rows of 30
ACCOUNTS_MAX = 50_000
LOOKUPS_WAITING_MAX = 5_000
EDGE_S = 0.5  # this close to the sale's edges only PostgreSQL's own clock is asked


class Sessions:
    """A session's terms and seating. Raises NotFound for drafts and for what does not exist."""

    def __init__(self, catalog: ServiceClient) -> None:
        self._catalog = catalog
        self._terms: FetchOnce[UUID, SessionTerms | None] = FetchOnce(
            self._fetch_terms, ttl_s=TERMS_TTL_S, entries_max=SESSIONS_MAX
        )
        self._lookups: Coalescer[TermsLookup, SessionTerms | None] = Coalescer(
            self._look_up, batch_max=TERMS_LOOKUPS_MAX, queue_max=LOOKUPS_WAITING_MAX
        )
        self._seating: FetchOnce[UUID, Seating] = FetchOnce(
            self._fetch_seating,
            ttl_s=SEATING_TTL_S,
            entries_max=SEATINGS_MAX,
            weigh=lambda seating: len(seating.layout),
            weight_max=POSITIONS_MAX,
        )

    async def terms(self, session_id: UUID) -> SessionTerms:
        """Also those of a draft, for its organizer; they are not kept, as it may be on sale any moment."""
        terms = await self._terms.get(session_id)
        if terms is None:
            raise NotFound()
        if terms.status == "draft":
            self._terms.forget(session_id)
        return terms

    async def of_organizer(self, principal: Principal, session_id: UUID) -> SessionTerms:
        """Also those of a draft. Raises NotFound but to who organizes it, and to admins."""
        terms = await self.terms(session_id)
        if terms.organizer_id != principal.user_id and "admin" not in principal.roles:
            raise NotFound()
        return terms

    async def published(self, session_id: UUID) -> SessionTerms:
        terms = await self.terms(session_id)
        if terms.status == "draft":
            raise NotFound()
        return terms

    async def seating(self, session_id: UUID) -> Seating:
        """Of a session that has been published, since only then its plan is final."""
        await self.published(session_id)
        return await self._seating.get(session_id)

    async def layout(self, session_id: UUID) -> bytes:
        return (await self.seating(session_id)).layout

    async def _fetch_terms(self, session_id: UUID) -> SessionTerms | None:
        context = current()
        return await self._lookups.call(
            TermsLookup(session_id, context.request_id, context.child_span())
        )

    async def _look_up(self, asked: Sequence[TermsLookup]) -> Sequence[SessionTerms | None]:
        lookups = TermsLookups(list(asked))
        return (await self._catalog.post(TERMS_LOOKUP_PATH, lookups, TermsFound)).sessions

    async def _fetch_seating(self, session_id: UUID) -> Seating:
        plan = await self._catalog.get(PLAN_PATH.format(session_id=session_id), SeatPlan)
        if plan is None:
            raise NotFound()
        return seating_of(plan)


def seating_of(plan: SeatPlan) -> Seating:
    stretches: list[Stretch] = []
    aisles: list[int] = []
    accessible: list[int] = []
    for area in plan.areas:
        for row in area.rows:
            for part in row.segments:
                first, count, number = part.first_seat_id, part.count, part.first_number
                stretches.append(Stretch(first, count, area.area_id, area.name, row.label, number))
                accessible += (
                    first + one - number for one in row.accessible if 0 <= one - number < count
                )
            aisles += (part.first_seat_id - 1 for part in row.segments[1:])
    return Seating(plan.length, stretches, aisles=aisles, accessible=accessible)


class NoAddress(Exception):
    """No e-mail address is spelt so."""


class Buyers:
    """Accounts of buyers, and of whoever else is named. Lookups that arrive together travel together."""

    def __init__(self, identity: ServiceClient) -> None:
        self._identity = identity
        self._lookups: Coalescer[AccountLookup, Account | None] = Coalescer(
            self._look_up, batch_max=LOOKUPS_MAX, queue_max=LOOKUPS_WAITING_MAX, concurrency=2
        )
        self._active: OrderedDict[UUID, tuple[float, Account]] = OrderedDict()

    async def find(self, user_id: UUID) -> Account | None:
        """None when there is no such account."""
        known = self._active.get(user_id)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        context = current()
        account = await self._lookups.call(
            AccountLookup(user_id, context.request_id, context.child_span())
        )
        if account is not None and account.active:
            self._active[user_id] = (time.monotonic() + ACCOUNT_TTL_S, account)
            if len(self._active) > ACCOUNTS_MAX:
                self._active.popitem(last=False)
        return account

    async def find_many(self, user_ids: Sequence[UUID]) -> list[Account | None]:
        """As many as were asked for, in their order."""
        return list(await asyncio.gather(*map(self.find, user_ids)))

    async def accounts(self, user_ids: Iterable[UUID]) -> dict[UUID, Account]:
        """Those of them that there are, for a list: in calls of their own and not kept, so that a long
        list neither stands before buyers nor pushes them out."""
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
        """None when there is no such account. Raises NoAddress."""
        try:
            return await self._identity.post(BY_EMAIL_PATH, EmailLookup(email), Account)
        except UpstreamRefused as refused:
            if refused.status == 400:
                raise NoAddress() from None
            if refused.status == 404:
                return None
            raise

    async def require(self, user_id: UUID) -> Account:
        """Raises Unauthenticated when the account is gone, Forbidden when it is not active."""
        account = await self.find(user_id)
        if account is None:
            raise Unauthenticated("This account does not exist any more.")
        if not account.active:
            raise Forbidden("This account is not active.")
        return account

    async def _look_up(self, asked: Sequence[AccountLookup]) -> Sequence[Account | None]:
        found = await self._identity.post(LOOKUP_PATH, AccountLookups(list(asked)), Accounts)
        return found.accounts


def refuse_outside_sale(terms: SessionTerms, clock: Clock) -> None:
    """Spares PostgreSQL those who come too early or too late; near the edges it is let decide."""
    if terms.status == "cancelled":
        raise SaleClosed("The session was cancelled.")
    now = clock.now()
    if (terms.sale_opens_at - now).total_seconds() > EDGE_S:
        raise SaleNotOpen()
    if (now - terms.sale_closes_at).total_seconds() > EDGE_S:
        raise SaleClosed()
