"""Online scans: a ticket lets one person in, once.

    valid ──scan──▶ checked_in          void lets nobody in

PostgreSQL persists the step as compare-and-set (`WHERE status = 'valid'`): if two gates scan one ticket,
only one lets somebody in. A ticket is valid only at its own session's door. The scan names the session; if
it names none, the door must be open now (booking.domain.door). Offline scans: booking.door.offline.
"""

import asyncio
from uuid import UUID

from booking.clients.identity import KnownAccounts
from booking.domain.door import DoorHours
from booking.domain.problems import (
    AlreadyCheckedIn,
    InvalidTicketCode,
    NotAssigned,
    TicketVoid,
)
from booking.domain.ticket import TicketStatus
from booking.door import store
from booking.door.entries import open_to, tell_entries, ticket_of
from booking.door.metrics import CHECK_INS, ENTERED, REPEATED
from booking.door.store import Entered, KeyedScan, TicketAtDoor
from booking.door.wire import (
    CheckedIn,
    CheckIn,
    problem_extra,
    seat_at_door,
    session_at_door,
    wrong_session,
)
from booking.tickets.codes import TicketCodes
from chassis.auth.tokens import Principal
from chassis.clock import whole_second
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection, transaction
from chassis.postgres.replicated import until_replicated
from chassis.problems import IdempotencyKeyReused, Problem

HOLDER_PATIENCE_S = 0.5  # a missing name must not delay the queue

log = logs.get("booking")


class Door:
    """Checks tickets in, online."""

    def __init__(
        self, pool: Pool, *, codes: TicketCodes, buyers: KnownAccounts, hours: DoorHours
    ) -> None:
        self._pool = pool
        self._codes = codes
        self._buyers = buyers
        self._hours = hours

    async def check_in(
        self, principal: Principal, wanted: CheckIn, key: str | None, *, language: str
    ) -> tuple[CheckedIn, bool]:
        """Lets one person in. The second value is True if this is the replay of an earlier answer.

        `language`: what the seat is said in. Raises InvalidTicketCode, NotAssigned, WrongSession,
        AlreadyCheckedIn or TicketVoid.
        """
        try:
            answer = await self._check_in(principal, wanted, key, language)
        except Problem as refused:
            CHECK_INS.labels("online", refused.code).inc()
            raise
        (REPEATED if answer[1] else ENTERED).inc()
        return answer

    async def _check_in(
        self, principal: Principal, wanted: CheckIn, key: str | None, language: str
    ) -> tuple[CheckedIn, bool]:
        ticket = await self._presented(principal, wanted)
        before = None if key is None else await self._replayed(principal, ticket, wanted, key)
        if before is not None:
            return await self._answer(ticket, before, language), True
        if wanted.session_id is None and not self._is_on(ticket):
            raise self._wrong_session(principal, ticket)
        async with transaction(self._pool) as tx:
            await store.lock_orders(tx, [ticket.order_id])
            checked_in_at = await store.check_in(
                tx, ticket.ticket_id, user_id=principal.user_id, gate=wanted.gate, key=key
            )
            if checked_in_at is not None:
                entered = Entered(
                    ticket_id=ticket.ticket_id,
                    order_id=ticket.order_id,
                    session_id=ticket.session_id,
                    seat_id=ticket.seat_id,
                    user_id=ticket.user_id,
                    checked_in_at=checked_in_at,
                    gate=wanted.gate,
                )
                await tell_entries(tx, [entered])
        if checked_in_at is None:
            return await self._explain_refusal(principal, ticket, wanted, key, language=language)
        log.info(
            "ticket_checked_in",
            ticket=ticket.ticket_id,
            session=ticket.session_id,
            user=principal.user_id,
        )
        return await self._answer(ticket, entered, language), False

    async def _presented(self, principal: Principal, wanted: CheckIn) -> TicketAtDoor:
        """The ticket of this code, if the principal may scan it for this session."""
        ticket_id = ticket_of(self._codes, wanted.code)
        if ticket_id is None:
            log.warning("forged_ticket_refused", user=principal.user_id)
            raise InvalidTicketCode()
        async with connection(self._pool) as db:
            ticket = (await store.tickets_at_door(db, [ticket_id])).get(ticket_id)
            if ticket is None:
                raise InvalidTicketCode()
            door = wanted.session_id or ticket.session_id
            here = await open_to(db, principal, [door])
        if door not in here:
            raise NotAssigned()
        if door != ticket.session_id:
            raise self._wrong_session(principal, ticket)
        if ticket.code != wanted.code.strip():  # genuine, but replaced by a newer code
            raise TicketVoid(ticket_id=ticket.ticket_id, reason="replaced")
        return ticket

    def _is_on(self, ticket: TicketAtDoor) -> bool:
        return self._hours.state(ticket.starts_at, ticket.asked_at) == "open"

    def _wrong_session(self, principal: Principal, ticket: TicketAtDoor) -> Problem:
        log.info(
            "wrong_session_refused",
            ticket=ticket.ticket_id,
            session=ticket.session_id,
            user=principal.user_id,
        )
        return wrong_session(session_at_door(ticket, self._hours, ticket.asked_at))

    async def _replayed(
        self, principal: Principal, ticket: TicketAtDoor, wanted: CheckIn, key: str
    ) -> KeyedScan | None:
        """The scan that this key was answered with."""
        async with connection(self._pool) as db:
            scan = await store.scan_by_key(db, principal.user_id, key)
        if scan is not None and (scan.ticket_id, scan.gate) != (ticket.ticket_id, wanted.gate):
            raise IdempotencyKeyReused()
        if scan is not None:
            async with connection(self._pool) as db:
                await until_replicated(db)
        return scan

    async def _explain_refusal(
        self,
        principal: Principal,
        ticket: TicketAtDoor,
        wanted: CheckIn,
        key: str | None,
        *,
        language: str,
    ) -> tuple[CheckedIn, bool]:
        """The ticket was not valid any more. The answer if this request was a retry; else raises why."""
        before = None if key is None else await self._replayed(principal, ticket, wanted, key)
        if before is not None:
            return await self._answer(ticket, before, language), True
        async with connection(self._pool) as db:
            now = (await store.tickets_at_door(db, [ticket.ticket_id]))[ticket.ticket_id]
            await store.note_refused_scan(db, now, user_id=principal.user_id, gate=wanted.gate)
        extra = {"ticket_id": now.ticket_id, "seat": seat_at_door(now, language)}
        if now.status == TicketStatus.CHECKED_IN:
            log.info("second_scan_refused", ticket=now.ticket_id, user=principal.user_id)
            raise AlreadyCheckedIn(
                **problem_extra(
                    **extra,
                    checked_in_at=now.checked_in_at,
                    gate=now.gate,
                    time_zone=now.time_zone,
                )
            )
        log.info("void_ticket_refused", ticket=now.ticket_id, user=principal.user_id)
        raise TicketVoid(**problem_extra(**extra, reason=_void_reason(now)))

    async def _answer(
        self, ticket: TicketAtDoor, entry: Entered | KeyedScan, language: str
    ) -> CheckedIn:
        at = entry.checked_in_at if isinstance(entry, Entered) else entry.scanned_at
        return CheckedIn(
            ticket_id=ticket.ticket_id,
            order_id=ticket.order_id,
            session_id=ticket.session_id,
            title=ticket.title,
            venue=ticket.venue,
            starts_at=whole_second(ticket.starts_at),
            time_zone=ticket.time_zone,
            door=self._hours.state(ticket.starts_at, at),
            seat=seat_at_door(ticket, language),
            holder=await self._holder(ticket.user_id),
            checked_in_at=whole_second(at),
            gate=entry.gate,
        )

    async def _holder(self, user_id: UUID) -> str | None:
        """The holder's name, or None after a short wait: the person has already entered."""
        try:
            async with asyncio.timeout(HOLDER_PATIENCE_S):
                account = await self._buyers.find(user_id)
        except (Problem, TimeoutError):
            log.warning("holder_unknown", user=user_id)
            return None
        return account.full_name if account is not None else None


def _void_reason(ticket: TicketAtDoor) -> str:
    if ticket.called_off:
        return "session_cancelled"
    if ticket.replaced:
        return "replaced"
    return "refunded" if "refunded" in (ticket.void_reason, ticket.order_status) else "void"
