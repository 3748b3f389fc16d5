"""The organizer's lists and figures of one session."""

from collections.abc import Sequence
from uuid import UUID

from booking.clients.catalog import Sessions
from booking.clients.identity import KnownAccounts
from booking.reports import store
from booking.reports.wire import (
    AreaSales,
    AttendeePage,
    CategorySales,
    SessionOrderPage,
    SessionSales,
    attendee,
    session_order,
)
from chassis.auth.tokens import Principal
from chassis.clock import whole_second
from chassis.concurrency.cache import FetchOnce
from chassis.http.pagination import offset
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection
from chassis.problems import FieldError, ValidationFailed
from contracts.catalog import AreaTerms

log = logs.get("booking")

COUNT_TTL_S = 1.0  # while a client pages through a list; the first page is always counted anew
TOGETHER = 0.0  # nothing is cached; concurrent requests share one computation
SESSIONS_MAX = 256
LAST_ORDER = UUID(int=2**128 - 1)  # greater than every order's id
SEAT_ID_MAX = 2**31 - 1

AMOUNTS = (
    *("gross", "gross_tickets", "gross_fees", "gross_tax"),
    *("organizer_fees", "refunded", "revenue"),
)

Counted = tuple[UUID, str | None]  # a session, and the status counted


class Reports:
    """For the session's organizer and for admins. Every read raises NotFound for anybody else."""

    def __init__(self, pool: Pool, *, sessions: Sessions, buyers: KnownAccounts) -> None:
        self._pool = pool
        self._sessions = sessions
        self._buyers = buyers
        self._orders: FetchOnce[Counted, int] = FetchOnce(
            self._count_orders, ttl_s=COUNT_TTL_S, entries_max=SESSIONS_MAX
        )
        self._attendees: FetchOnce[Counted, int] = FetchOnce(
            self._count_attendees, ttl_s=COUNT_TTL_S, entries_max=SESSIONS_MAX
        )
        self._sales: FetchOnce[UUID, SessionSales] = FetchOnce(
            self._add_up, ttl_s=TOGETHER, entries_max=SESSIONS_MAX
        )

    async def orders(
        self,
        principal: Principal,
        session_id: UUID,
        *,
        status: str | None,
        page: int,
        page_size: int,
        cursor: str | None,
    ) -> SessionOrderPage:
        """With a cursor the page starts after it, and `page` is ignored."""
        before = LAST_ORDER if cursor is None else _read_order(cursor)
        await self._sessions.of_organizer(principal, session_id)
        async with connection(self._pool) as db:
            found = await store.orders_of_session(
                db,
                session_id,
                status=status,
                before=before,
                limit=page_size + 1,
                offset=0 if cursor else offset(page, page_size),
            )
        shown = found[:page_size]
        accounts = await self._buyers.accounts([order.user_id for order in shown])
        log.info("orders_listed", session=session_id, user=principal.user_id, results=len(shown))
        return SessionOrderPage(
            orders=[session_order(order, accounts.get(order.user_id)) for order in shown],
            page=page,
            page_size=page_size,
            total=await _count(self._orders, (session_id, status), anew=cursor is None),
            next_cursor=str(shown[-1].order_id) if len(found) > len(shown) else None,
        )

    async def attendees(
        self,
        principal: Principal,
        session_id: UUID,
        *,
        status: str | None,
        page: int,
        page_size: int,
        cursor: str | None,
    ) -> AttendeePage:
        """With a cursor the page starts after it, and `page` is ignored."""
        after = 0 if cursor is None else _read_seat(cursor)
        await self._sessions.of_organizer(principal, session_id)
        async with connection(self._pool) as db:
            found = await store.attendees_of_session(
                db,
                session_id,
                status=status,
                after=after,
                limit=page_size + 1,
                offset=0 if cursor else offset(page, page_size),
            )
        shown = found[:page_size]
        accounts = await self._buyers.accounts([ticket.user_id for ticket in shown])
        log.info("attendees_listed", session=session_id, user=principal.user_id, results=len(shown))
        return AttendeePage(
            attendees=[attendee(ticket, accounts.get(ticket.user_id)) for ticket in shown],
            page=page,
            page_size=page_size,
            total=await _count(self._attendees, (session_id, status), anew=cursor is None),
            next_cursor=str(shown[-1].seat_id) if len(found) > len(shown) else None,
        )

    async def sales(self, principal: Principal, session_id: UUID) -> SessionSales:
        """Current figures. A full session costs PostgreSQL half a second, so a session is computed once at a
        time."""
        await self._sessions.of_organizer(principal, session_id)
        return await self._sales.get(session_id)

    async def _count_orders(self, counted: Counted) -> int:
        async with connection(self._pool) as db:
            return await store.count_orders_of_session(db, *counted)

    async def _count_attendees(self, counted: Counted) -> int:
        async with connection(self._pool) as db:
            return await store.count_attendees_of_session(db, *counted)

    async def _add_up(self, session_id: UUID) -> SessionSales:
        terms = await self._sessions.terms(session_id)
        ranges = [(area.area_id, area.first_seat_id, area.last_seat_id) for area in terms.areas]
        async with connection(self._pool) as db:
            rows = await store.sales_of_session(
                db, session_id, ranges, with_categories=terms.prices is not None
            )
        areas = [_area_sales(area, row) for area, row in zip(terms.areas, rows, strict=True)]
        return SessionSales(
            session_id=session_id,
            as_of=whole_second(rows[0].as_of),
            currency=terms.currency,
            capacity=_total(areas, "capacity"),
            sold=_total(areas, "sold"),
            held=_total(areas, "held"),
            blocked=_total(areas, "blocked"),
            free=_total(areas, "free"),
            **{figure: _total(areas, figure) for figure in AMOUNTS},
            areas=areas,
            categories=[
                CategorySales(category=one.category, name=one.name, sold=one.sold, **_amounts(one))
                for one in rows[0].categories
            ],
        )


async def _count(counts: FetchOnce[Counted, int], counted: Counted, *, anew: bool) -> int:
    if anew:
        counts.forget(counted)
    return await counts.get(counted)


def _area_sales(area: AreaTerms, row: store.AreaRow) -> AreaSales:
    return AreaSales(
        area_id=area.area_id,
        name=area.name,
        kind=area.kind,
        price=area.price,
        capacity=area.capacity,
        sold=row.sold,
        held=row.held,
        blocked=row.blocked,
        free=area.capacity - row.sold - row.held - row.blocked,
        **_amounts(row),
    )


def _amounts(row: store.AreaRow | store.CategoryRow) -> dict[str, int]:
    return {
        "gross": row.gross,
        "gross_tickets": row.gross - row.fees,
        "gross_fees": row.fees,
        "gross_tax": row.tax,
        "organizer_fees": row.costs,
        "refunded": row.refunded,
        "revenue": row.gross - row.refunded,
    }


def _total(areas: Sequence[AreaSales], figure: str) -> int:
    return sum(getattr(area, figure) for area in areas)


def _read_order(cursor: str) -> UUID:
    """A cursor of orders is the last order of the previous page."""
    try:
        return UUID(cursor)
    except ValueError:
        raise _bad_cursor() from None


def _read_seat(cursor: str) -> int:
    """A cursor of attendees is the last seat of the previous page."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= len(str(SEAT_ID_MAX))):
        raise _bad_cursor()
    return min(int(cursor), SEAT_ID_MAX)


def _bad_cursor() -> ValidationFailed:
    return ValidationFailed(errors=[FieldError("cursor", "is not a cursor of this list")])
