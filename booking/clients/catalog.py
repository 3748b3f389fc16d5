"""Sessions and their seating, read from catalog and cached briefly."""

from collections.abc import Sequence
from uuid import UUID

from booking.clients.plans import seating_of
from booking.domain.problems import SaleClosed, SaleNotOpen
from booking.domain.seating import Seating
from chassis.auth.tokens import Principal
from chassis.clock import Clock
from chassis.concurrency.cache import FetchOnce
from chassis.concurrency.coalescer import Coalescer
from chassis.context import current
from chassis.problems import NotFound
from chassis.seam.client import ServiceClient
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

TERMS_TTL_S = 2.0  # safe for a cancelled session: PostgreSQL has all its seats blocked
SEATING_TTL_S = 3600.0  # a published plan is immutable; this only bounds memory
SESSIONS_MAX = 20_000
SEATINGS_MAX = 2_048
POSITIONS_MAX = 20_000_000  # of all cached seatings; about thirty bytes each, with rows of 30
LOOKUPS_WAITING_MAX = 5_000
EDGE_S = 0.5  # this close to the start or end of the sale only PostgreSQL's clock decides


class Sessions:
    """A session's terms and seating. Raises NotFound for drafts and for unknown sessions."""

    def __init__(self, catalog: ServiceClient) -> None:
        self._catalog = catalog
        self._terms: FetchOnce[UUID, SessionTerms | None] = FetchOnce(
            self._fetch_terms, ttl_s=TERMS_TTL_S, entries_max=SESSIONS_MAX
        )
        self._lookups: Coalescer[TermsLookup, SessionTerms | None] = Coalescer(
            self._look_up,
            batch_max=TERMS_LOOKUPS_MAX,
            queue_max=LOOKUPS_WAITING_MAX,
            name="booking_terms",
            stage="services",
        )
        self._seating: FetchOnce[UUID, Seating] = FetchOnce(
            self._fetch_seating,
            ttl_s=SEATING_TTL_S,
            entries_max=SEATINGS_MAX,
            weigh=lambda seating: len(seating.layout),
            weight_max=POSITIONS_MAX,
        )

    async def terms(self, session_id: UUID) -> SessionTerms:
        """Includes drafts, for their organizer. A draft is not cached: it may be published at any moment."""
        terms = await self._terms.get(session_id)
        if terms is None:
            raise NotFound()
        if terms.status == "draft":
            self._terms.forget(session_id)
        return terms

    async def of_organizer(self, principal: Principal, session_id: UUID) -> SessionTerms:
        """Includes drafts. Raises NotFound for anybody but the session's organizer and admins."""
        terms = await self.terms(session_id)
        if not principal.may_manage(terms.organizer_id):
            raise NotFound()
        return terms

    async def published(self, session_id: UUID) -> SessionTerms:
        terms = await self.terms(session_id)
        if terms.status == "draft":
            raise NotFound()
        return terms

    async def seating(self, session_id: UUID) -> Seating:
        """Of a session that has been published, since only then its plan is final."""
        return await self.seating_of(await self.published(session_id))

    async def seating_of(self, terms: SessionTerms) -> Seating:
        """terms: as `published` gave them."""
        return await self._seating.get(terms.session_id)

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


def refuse_outside_sale(terms: SessionTerms, clock: Clock) -> None:
    """Refuses orders that are clearly too early or too late, to spare PostgreSQL. Near the start and the end
    of the sale it raises nothing, and PostgreSQL decides."""
    if terms.status == "cancelled":
        raise SaleClosed("The session was cancelled.")
    now = clock.now()
    if (terms.sale_opens_at - now).total_seconds() > EDGE_S:
        raise SaleNotOpen()
    if (now - terms.sale_closes_at).total_seconds() > EDGE_S:
        raise SaleClosed()
