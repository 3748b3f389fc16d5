"""Offline scans: a device decided them by itself and reports them later.

Every scan is recorded. The earliest one is the ticket's entry; the answer to a later one names it as the
conflict. A scan is valid at the door where it was made: the session that it names, or, if it names none,
the ticket's own session if its door was open at the time of the scan.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from booking.domain.door import DoorHours
from booking.domain.problems import (
    AlreadyCheckedIn,
    InvalidTicketCode,
    NotAssigned,
    TicketVoid,
    WrongSession,
)
from booking.domain.ticket import TicketStatus
from booking.door import store
from booking.door.entries import open_to, tell_entries, ticket_of
from booking.door.metrics import OFFLINE
from booking.door.store import Admission, OfflineScan, TicketAtDoor
from booking.door.wire import (
    BatchAnswer,
    BatchResult,
    CheckInBatch,
    OfflineCheckIn,
    OtherScan,
    check_batch,
    session_at_door,
)
from booking.tickets.codes import TicketCodes
from chassis.auth.tokens import Principal
from chassis.clock import whole_second
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection, transaction

log = logs.get("booking")


class _Presented(msgspec.Struct, frozen=True):
    """A reported scan. `door` is the session that it names; `ticket` is None if the code is invalid."""

    scan: OfflineCheckIn
    ticket_id: UUID | None
    ticket: TicketAtDoor | None
    door: UUID | None

    def made_at(self, ticket: TicketAtDoor) -> datetime:
        """The scan's time as PostgreSQL stores it: the device's time, limited to between the ticket's issue
        and now."""
        now = ticket.asked_at
        return max(min(ticket.issued_at, now), min(self.scan.scanned_at, now))


class OfflineScans:
    """Records the scans that devices report."""

    def __init__(self, pool: Pool, *, codes: TicketCodes, hours: DoorHours) -> None:
        self._pool = pool
        self._codes = codes
        self._hours = hours

    async def record_batch(self, principal: Principal, wanted: CheckInBatch) -> BatchAnswer:
        """Decides each scan separately. Reporting scans again changes nothing and gives the same answer."""
        check_batch(wanted.scans)
        said = await asyncio.to_thread(self._read_all, wanted.scans)
        async with connection(self._pool) as db:
            found = await store.tickets_at_door(db, [each for each in said if each])
            presented = [
                _Presented(
                    scan,
                    ticket_id,
                    found.get(ticket_id) if ticket_id else None,
                    scan.session_id or wanted.session_id,
                )
                for scan, ticket_id in zip(wanted.scans, said, strict=True)
            ]
            refusals = await self._refusals(db, principal, wanted.device, presented)
        scans = {
            index: OfflineScan(
                each.ticket.ticket_id,
                wanted.gate if each.scan.gate is None else each.scan.gate,
                each.scan.scanned_at,
            )
            for index, each in enumerate(presented)
            if each.ticket is not None and index not in refusals
        }
        judged = await self._record(principal, wanted.device, scans, found)
        results = [
            judged.get(index) or self._refused(index, each, refusals[index])
            for index, each in enumerate(presented)
        ]
        answer = BatchAnswer(
            results=results,
            accepted=sum(one.result == "accepted" for one in results),
            already=sum(one.result == "already" for one in results),
            refused=sum(one.result == "refused" for one in results),
        )
        for one in results:
            OFFLINE[one.result].inc()
        log.info(
            "offline_scans_taken",
            user=principal.user_id,
            device=wanted.device,
            accepted=answer.accepted,
            already=answer.already,
            refused=answer.refused,
        )
        return answer

    async def _refusals(
        self, db: Connection, principal: Principal, device: str, presented: Sequence[_Presented]
    ) -> dict[int, str]:
        """The problem code of each refused scan, by its index."""
        doors = {each.door or each.ticket.session_id for each in presented if each.ticket}
        here = await open_to(db, principal, sorted(doors))
        refusals = {
            index: code
            for index, each in enumerate(presented)
            if (code := _refusal(each, here)) is not None
        }
        closed = {
            index: (each.ticket.ticket_id, each.scan.scanned_at)
            for index, each in enumerate(presented)
            if each.ticket is not None and index not in refusals and not self._is_on(each)
        }
        if (
            closed
        ):  # earlier accepted scans stay accepted: with a fast clock `made_at` moves with "now"
            told = await store.offline_scans_told(db, list(closed.values()), device=device)
            late = [index for place, index in enumerate(closed) if place not in told]
            refusals |= dict.fromkeys(late, WrongSession.code)
        return refusals

    def _is_on(self, each: _Presented) -> bool:
        """Whether the scan names its session, or was made while the session's door was open."""
        ticket = each.ticket
        if ticket is None or each.door is not None:
            return True
        return self._hours.state(ticket.starts_at, each.made_at(ticket)) == "open"

    def _refused(self, index: int, each: _Presented, code: str) -> BatchResult:
        session = None
        if each.ticket is not None and code == WrongSession.code:
            session = session_at_door(each.ticket, self._hours, each.made_at(each.ticket))
        return BatchResult(
            index=index, result="refused", ticket_id=each.ticket_id, code=code, session=session
        )

    async def _record(
        self,
        principal: Principal,
        device: str,
        scans: dict[int, OfflineScan],
        found: dict[UUID, TicketAtDoor],
    ) -> dict[int, BatchResult]:
        if not scans:
            return {}
        tickets = sorted({scan.ticket_id for scan in scans.values()})
        async with transaction(self._pool) as tx:
            await store.lock_orders(tx, [found[ticket].order_id for ticket in tickets])
            before = await store.lock_tickets(tx, tickets)
            await store.note_offline_scans(
                tx, list(scans.values()), user_id=principal.user_id, device=device
            )
            entered = await store.enter_offline(tx, tickets)
            news = [each for each in entered if before[each.ticket_id] == TicketStatus.VALID]
            if news:
                await tell_entries(tx, news)
            admitted = await store.admissions(tx, tickets)
            now = await store.tickets_at_door(tx, tickets)
        return {
            index: _judge(index, scan, device, now[scan.ticket_id], admitted[scan.ticket_id])
            for index, scan in scans.items()
        }

    def _read_all(self, scans: Sequence[OfflineCheckIn]) -> list[UUID | None]:
        return [
            ticket_of(self._codes, scan.code) if scan.code is not None else scan.ticket_id
            for scan in scans
        ]


def _refusal(each: _Presented, here: set[UUID]) -> str | None:
    """The checks of an online scan, except for door hours and the ticket's current status."""
    if each.ticket is None:
        return InvalidTicketCode.code
    if (each.door or each.ticket.session_id) not in here:
        return NotAssigned.code
    if each.door not in {None, each.ticket.session_id}:
        return WrongSession.code
    if each.scan.code is not None and each.scan.code.strip() != each.ticket.code:
        return TicketVoid.code
    return None


def _judge(
    index: int,
    scan: OfflineScan,
    device: str,
    ticket: TicketAtDoor,
    admitted: Sequence[Admission],
) -> BatchResult:
    """The result of one offline scan. `admitted`: the ticket's scans that let somebody in, earliest first."""
    place = next(
        place
        for place, other in enumerate(admitted)
        if (other.device, other.device_time) == (device, scan.device_time)
    )
    first = admitted[0]
    if ticket.status != TicketStatus.CHECKED_IN:
        return BatchResult(
            index=index, result="refused", ticket_id=ticket.ticket_id, code=TicketVoid.code
        )
    other = first if place else next(iter(admitted[1:]), None)
    return BatchResult(
        index=index,
        result="already" if place else "accepted",
        ticket_id=ticket.ticket_id,
        checked_in_at=whole_second(first.scanned_at),
        code=AlreadyCheckedIn.code if place else None,
        conflict=OtherScan(
            checked_in_at=whole_second(other.scanned_at), gate=other.gate, device=other.device
        )
        if other is not None
        else None,
    )
