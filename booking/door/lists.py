"""Lists for door staff: their sessions, counts of entries, and the signed list for offline devices."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from booking.clients.catalog import Sessions
from booking.domain.door import DoorHours
from booking.domain.problems import NotAssigned
from booking.door import store
from booking.door.wire import (
    AreaCount,
    CheckInList,
    DoorCounts,
    DoorSessions,
    GateCount,
    ListedTicket,
    ScanAnswer,
    SessionOfTicket,
    seat_at_door,
    session_at_door,
    session_of_ticket,
)
from booking.tickets.codes import SignedDocument, TicketCodes
from chassis.auth.tokens import Principal
from chassis.clock import Clock, whole_second
from chassis.concurrency.cache import FetchOnce
from chassis.http.pagination import offset
from chassis.postgres.pool import Connection, Pool, connection
from chassis.problems import FieldError, NotFound, ValidationFailed
from contracts.catalog import AreaTerms, SessionTerms

LIST_PAGE_TICKETS = 2_000  # about 300 KB, 20 ms of a core
LIST_TYPE = "stampede-check-in-list+json"
GATES_MAX = 100
COUNTS_TTL_S = 1.0  # every scanner shows them; counting a full session is costly
COUNTED_SESSIONS_MAX = 128
SEAT_ID_MAX = 2**31 - 1
SESSIONS_SHOWN_MAX = 100  # more than one house opens in an evening; open doors come first
ASSIGNED_SESSIONS_MAX = 1_000  # a person; the newest
OTHER_SESSIONS_MAX = 200  # in a device's list, 60 KB
OTHERS_BACK = timedelta(days=2)  # people often bring yesterday's ticket
SESSIONS_SOUGHT_MAX = (
    2_000  # sessions with sales searched for the others: 25 µs of PostgreSQL each, once a list
)


class _Entries(msgspec.Struct, frozen=True):
    areas: dict[UUID, store.AreaEntries]
    gates: list[store.GateEntries]
    scans: int


class DoorLists:
    """For the session's organizer, for its door staff, and for admins."""

    def __init__(
        self,
        pool: Pool,
        *,
        sessions: Sessions,
        codes: TicketCodes,
        clock: Clock,
        hours: DoorHours,
        page_tickets: int = LIST_PAGE_TICKETS,
    ) -> None:
        self._page_tickets = page_tickets
        self._pool = pool
        self._hours = hours
        self._sessions = sessions
        self._codes = codes
        self._clock = clock
        self._entries: FetchOnce[UUID, _Entries] = FetchOnce(
            self._count, ttl_s=COUNTS_TTL_S, entries_max=COUNTED_SESSIONS_MAX
        )

    async def sessions(self, principal: Principal) -> DoorSessions:
        """The sessions this person may scan for: those with sold tickets and a door that has not closed.
        Ordered by start, so open doors come first."""
        async with connection(self._pool) as db:
            back = self._hours.closes_after
            if principal.is_admin or await store.is_house_staff(db, principal.user_id):
                found = await store.sessions_sold(
                    db, back=back, steps=SESSIONS_SHOWN_MAX, limit=SESSIONS_SHOWN_MAX
                )
            else:
                found = await store.sessions_of_staff(
                    db,
                    principal.user_id,
                    back=back,
                    steps=ASSIGNED_SESSIONS_MAX,
                    limit=SESSIONS_SHOWN_MAX,
                )
        return DoorSessions(
            sessions=[session_at_door(each, self._hours, each.asked_at) for each in found]
        )

    async def counts(
        self, principal: Principal, session_id: UUID, *, page: int, page_size: int, language: str
    ) -> DoorCounts:
        """At most a second old; the scans as they are, their seats in `language`."""
        terms = await self._allowed(principal, session_id)
        entries = await self._entries.get(session_id)
        async with connection(self._pool) as db:
            scans = await store.list_scans(
                db, session_id, limit=page_size, offset=offset(page, page_size)
            )
        areas = [_area_count(area, entries.areas[area.area_id]) for area in terms.areas]
        return DoorCounts(
            session_id=session_id,
            tickets=sum(area.tickets for area in areas),
            checked_in=sum(area.checked_in for area in areas),
            areas=areas,
            gates=[GateCount(gate=each.gate, checked_in=each.checked_in) for each in entries.gates],
            check_ins=[_scan_answer(scan, language) for scan in scans],
            page=page,
            page_size=page_size,
            total=entries.scans,
        )

    async def signed_list(
        self, principal: Principal, session_id: UUID, *, cursor: str | None
    ) -> SignedDocument:
        """A page of the session's tickets that are not void."""
        after = _read_cursor(cursor)
        terms = await self._allowed(principal, session_id)
        async with connection(self._pool) as db:
            found = await store.list_admissible(
                db, session_id, after=after, limit=self._page_tickets + 1
            )
            total = await store.count_admissible(db, session_id)
            others = await self._others(db, terms) if cursor is None else []
        shown = found[: self._page_tickets]
        payload = CheckInList(
            session_id=session_id,
            title=terms.title,
            venue=terms.venue,
            starts_at=whole_second(terms.starts_at),
            time_zone=terms.time_zone,
            door_opens_at=whole_second(self._hours.opens_at(terms.starts_at)),
            door_closes_at=whole_second(self._hours.closes_at(terms.starts_at)),
            made_at=whole_second(self._clock.now()),
            total=total,
            others=others,
            tickets=[_listed(ticket) for ticket in shown],
            next_cursor=str(shown[-1].seat_id) if len(found) > len(shown) else None,
        )
        return self._codes.sign(msgspec.json.encode(payload), LIST_TYPE)

    async def _others(self, db: Connection, terms: SessionTerms) -> list[SessionOfTicket]:
        found = await store.sessions_sold(
            db,
            back=OTHERS_BACK,
            steps=SESSIONS_SOUGHT_MAX,
            limit=OTHER_SESSIONS_MAX,
            title=terms.title,
            venue=terms.venue,
        )
        return [
            session_of_ticket(each, self._hours)
            for each in found
            if each.session_id != terms.session_id
        ]

    async def _allowed(self, principal: Principal, session_id: UUID) -> SessionTerms:
        """Raises NotFound to other organizers and for drafts, NotAssigned to staff of other doors."""
        terms = await self._sessions.terms(session_id)
        if principal.may_manage(terms.organizer_id):
            return terms
        if "staff" not in principal.roles or terms.status == "draft":
            raise NotFound()
        async with connection(self._pool) as db:
            if not await store.sessions_open_to(db, principal.user_id, [session_id]):
                raise NotAssigned()
        return terms

    async def _count(self, session_id: UUID) -> _Entries:
        terms = await self._sessions.terms(session_id)
        async with connection(self._pool) as db:
            return _Entries(
                await store.count_area_entries(db, session_id, _ranges(terms.areas)),
                await store.count_gate_entries(db, session_id, limit=GATES_MAX),
                await store.count_scans(db, session_id),
            )


def _ranges(areas: Sequence[AreaTerms]) -> list[tuple[UUID, int, int]]:
    return [(area.area_id, area.first_seat_id, area.last_seat_id) for area in areas]


def _area_count(area: AreaTerms, entries: store.AreaEntries) -> AreaCount:
    return AreaCount(
        area_id=area.area_id,
        area=area.name,
        tickets=entries.tickets,
        checked_in=entries.checked_in,
    )


def _scan_answer(scan: store.Scan, language: str) -> ScanAnswer:
    return ScanAnswer(
        check_in_id=scan.check_in_id,
        ticket_id=scan.ticket_id,
        seat=seat_at_door(scan, language),
        gate=scan.gate,
        device=scan.device,
        offline=scan.offline,
        admitted=scan.admitted,
        scanned_at=whole_second(scan.scanned_at),
        recorded_at=whole_second(scan.recorded_at),
    )


def _listed(ticket: store.Admissible) -> ListedTicket:
    return ListedTicket(
        ticket_id=ticket.ticket_id,
        status=ticket.status,
        seat_id=ticket.seat_id,
        area=ticket.area,
        row=ticket.row,
        number=ticket.number,
        category_name=ticket.category_name,
        proof=ticket.proof,
        checked_in_at=whole_second(ticket.checked_in_at) if ticket.checked_in_at else None,
        gate=ticket.gate,
    )


def _read_cursor(cursor: str | None) -> int:
    """A cursor is the last seat of the previous page."""
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdigit() or not len(cursor) <= 10:
        raise ValidationFailed(errors=[FieldError("cursor", "is not a cursor of this list")])
    return min(int(cursor), SEAT_ID_MAX)
