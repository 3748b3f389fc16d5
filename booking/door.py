"""The door: a ticket lets one person in, once, whoever scans it where.

    valid ──scan──▶ checked_in          void lets nobody in

PostgreSQL persists the step as compare-and-set (`WHERE status = 'valid'`); of two gates one gets in.
A device without a network decides by itself and tells later: every such scan is kept, the earliest
is the ticket's entry, and whoever tells of another is told of that one.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from booking.contract import TICKET_CHECKED_IN, TicketCheckedIn
from booking.domain.problems import (
    AlreadyCheckedIn,
    InvalidTicketCode,
    NotAssigned,
    TicketVoid,
    WrongSession,
)
from booking.door_wire import (
    BatchAnswer,
    BatchResult,
    CheckedIn,
    CheckIn,
    CheckInBatch,
    OfflineCheckIn,
    OtherScan,
    check_batch,
    problem_extra,
    seat_at_door,
)
from booking.sessions import Buyers
from booking.store import door as stored
from booking.store.door import Admission, Entered, OfflineScan, TicketAtDoor
from booking.store.ending import tell
from booking.store.records import whole_second
from booking.telling import remembered
from booking.ticket_codes import ForgedCode, TicketCodes
from chassis import logs
from chassis.events import pending
from chassis.postgres import Connection, Pool, connection, transaction
from chassis.problems import IdempotencyKeyReused, Problem
from chassis.tokens import Principal

HOLDER_PATIENCE_S = 0.5  # nobody waits at a door for a name
ADMIN = "admin"

log = logs.get("booking")


class Door:
    """Scans, one by one or as a device tells them."""

    def __init__(self, pool: Pool, *, codes: TicketCodes, buyers: Buyers) -> None:
        self._pool = pool
        self._codes = codes
        self._buyers = buyers

    async def check_in(
        self, principal: Principal, wanted: CheckIn, key: str | None
    ) -> tuple[CheckedIn, bool]:
        """Lets one person in; the second value is whether this key was answered before.

        Raises InvalidTicketCode, NotAssigned, WrongSession, AlreadyCheckedIn or TicketVoid.
        """
        ticket = await self._presented(principal, wanted)
        if key is not None and (replayed := await self._replayed(principal, ticket, wanted, key)):
            return replayed, True
        async with transaction(self._pool) as one:
            await stored.lock_orders(one, [ticket.order_id])
            checked_in_at = await stored.check_in(
                one, ticket.ticket_id, user_id=principal.user_id, gate=wanted.gate, key=key
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
                await _tell_entries(one, [entered])
        if checked_in_at is None:
            return await self._second_look(principal, ticket, wanted, key)
        log.info(
            "ticket_checked_in",
            ticket=ticket.ticket_id,
            session=ticket.session_id,
            user=principal.user_id,
        )
        return await self._answer(ticket, entered), False

    async def batch(self, principal: Principal, wanted: CheckInBatch) -> BatchAnswer:
        """Scans of a device that was offline. Told again they change nothing and say the same."""
        check_batch(wanted.scans)
        said = await asyncio.to_thread(self._read_all, wanted.scans)
        async with connection(self._pool) as one:
            found = await stored.tickets_at_door(one, [each for each in said if each])
            open_to = await self._open_to(one, principal, [t.session_id for t in found.values()])
        refusals: dict[int, str] = {}
        scans: dict[int, OfflineScan] = {}
        for index, (scan, ticket_id) in enumerate(zip(wanted.scans, said, strict=True)):
            ticket = found.get(ticket_id) if ticket_id else None
            if ticket is None:
                refusals[index] = InvalidTicketCode.code
            elif ticket.session_id not in open_to:
                refusals[index] = NotAssigned.code
            elif scan.code is not None and scan.code.strip() != ticket.code:
                refusals[index] = TicketVoid.code
            else:
                gate = wanted.gate if scan.gate is None else scan.gate
                scans[index] = OfflineScan(ticket.ticket_id, gate, scan.scanned_at)
        judged = await self._enter_offline(principal, wanted.device, scans, found)
        results = [
            judged.get(index)
            or BatchResult(
                index=index, result="refused", ticket_id=said[index], code=refusals[index]
            )
            for index in range(len(wanted.scans))
        ]
        answer = BatchAnswer(
            results=results,
            accepted=sum(one.result == "accepted" for one in results),
            already=sum(one.result == "already" for one in results),
            refused=sum(one.result == "refused" for one in results),
        )
        log.info(
            "offline_scans_taken",
            user=principal.user_id,
            device=wanted.device,
            accepted=answer.accepted,
            already=answer.already,
            refused=answer.refused,
        )
        return answer

    async def _presented(self, principal: Principal, wanted: CheckIn) -> TicketAtDoor:
        """The ticket that this code is of, at a door where the principal stands."""
        ticket_id = self._read(wanted.code)
        if ticket_id is None:
            log.warning("forged_ticket_refused", user=principal.user_id)
            raise InvalidTicketCode()
        async with connection(self._pool) as one:
            ticket = (await stored.tickets_at_door(one, [ticket_id])).get(ticket_id)
            if ticket is None:
                raise InvalidTicketCode()
            open_to = await self._open_to(one, principal, [ticket.session_id])
        if ticket.session_id not in open_to:
            raise NotAssigned()
        if ticket.code != wanted.code.strip():  # signed by us, and another has been issued since
            raise TicketVoid(ticket_id=ticket.ticket_id, reason="replaced")
        if wanted.session_id not in {None, ticket.session_id}:
            raise WrongSession(
                **problem_extra(
                    session_id=ticket.session_id, show=ticket.title, starts_at=ticket.starts_at
                )
            )
        return ticket

    async def _replayed(
        self, principal: Principal, ticket: TicketAtDoor, wanted: CheckIn, key: str
    ) -> CheckedIn | None:
        async with connection(self._pool) as one:
            scan = await stored.scan_by_key(one, principal.user_id, key)
        if scan is None:
            return None
        if (scan.ticket_id, scan.gate) != (ticket.ticket_id, wanted.gate):
            raise IdempotencyKeyReused()
        return await self._answer(ticket, scan)

    async def _second_look(
        self, principal: Principal, ticket: TicketAtDoor, wanted: CheckIn, key: str | None
    ) -> tuple[CheckedIn, bool]:
        """The ticket let nobody in now: the same request was quicker, or it is refused."""
        if key is not None and (replayed := await self._replayed(principal, ticket, wanted, key)):
            return replayed, True
        async with connection(self._pool) as one:
            now = (await stored.tickets_at_door(one, [ticket.ticket_id]))[ticket.ticket_id]
            await stored.note_refused_scan(one, now, user_id=principal.user_id, gate=wanted.gate)
        extra = {"ticket_id": now.ticket_id, "seat": seat_at_door(now)}
        if now.status == "checked_in":
            log.info("second_scan_refused", ticket=now.ticket_id, user=principal.user_id)
            raise AlreadyCheckedIn(
                **problem_extra(**extra, checked_in_at=now.checked_in_at, gate=now.gate)
            )
        log.info("void_ticket_refused", ticket=now.ticket_id, user=principal.user_id)
        raise TicketVoid(**problem_extra(**extra, reason=_void_reason(now)))

    async def _enter_offline(
        self,
        principal: Principal,
        device: str,
        scans: dict[int, OfflineScan],
        found: dict[UUID, TicketAtDoor],
    ) -> dict[int, BatchResult]:
        if not scans:
            return {}
        tickets = sorted({scan.ticket_id for scan in scans.values()})
        async with transaction(self._pool) as one:
            await stored.lock_orders(one, [found[ticket].order_id for ticket in tickets])
            before = await stored.lock_tickets(one, tickets)
            await stored.note_offline_scans(
                one, list(scans.values()), user_id=principal.user_id, device=device
            )
            entered = await stored.enter_offline(one, tickets)
            news = [each for each in entered if before[each.ticket_id] == "valid"]
            if news:
                await _tell_entries(one, news)
            admitted = await stored.admissions(one, tickets)
            now = await stored.tickets_at_door(one, tickets)
        return {
            index: _judge(index, scan, device, now[scan.ticket_id], admitted[scan.ticket_id])
            for index, scan in scans.items()
        }

    async def _open_to(
        self, one: Connection, principal: Principal, sessions: Sequence[UUID]
    ) -> set[UUID]:
        if ADMIN in principal.roles:
            return set(sessions)
        return await stored.sessions_open_to(one, principal.user_id, sorted(set(sessions)))

    async def _answer(self, ticket: TicketAtDoor, entry: "Entered | stored.KeyedScan") -> CheckedIn:
        at = entry.checked_in_at if isinstance(entry, Entered) else entry.scanned_at
        return CheckedIn(
            ticket_id=ticket.ticket_id,
            order_id=ticket.order_id,
            session_id=ticket.session_id,
            title=ticket.title,
            seat=seat_at_door(ticket),
            holder=await self._holder(ticket.user_id),
            checked_in_at=whole_second(at),
            gate=entry.gate,
        )

    async def _holder(self, user_id: UUID) -> str | None:
        """Outside any transaction, and for a moment only: the person is in already."""
        try:
            async with asyncio.timeout(HOLDER_PATIENCE_S):
                account = await self._buyers.find(user_id)
        except (Problem, TimeoutError):
            log.warning("holder_unknown", user=user_id)
            return None
        return account.full_name if account is not None else None

    def _read(self, code: str) -> UUID | None:
        try:
            return self._codes.read(code.strip()).ticket_id
        except ForgedCode:
            return None

    def _read_all(self, scans: Sequence[OfflineCheckIn]) -> list[UUID | None]:
        return [
            self._read(scan.code) if scan.code is not None else scan.ticket_id for scan in scans
        ]


def _judge(
    index: int,
    scan: OfflineScan,
    device: str,
    ticket: TicketAtDoor,
    admitted: Sequence[Admission],
) -> BatchResult:
    """What became of one offline scan; `admitted`: all that let somebody in, the earliest first."""
    place = next(
        place
        for place, other in enumerate(admitted)
        if (other.device, other.device_time) == (device, scan.device_time)
    )
    first = admitted[0]
    if ticket.status != "checked_in":
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


def _void_reason(ticket: TicketAtDoor) -> str:
    if ticket.replaced:
        return "replaced"
    return "refunded" if "refunded" in (ticket.void_reason, ticket.order_status) else "void"


async def _tell_entries(one: Connection, entered: Sequence[Entered]) -> None:
    history, events = [], []
    for each in entered:
        told = TicketCheckedIn(
            ticket_id=each.ticket_id,
            order_id=each.order_id,
            user_id=each.user_id,
            session_id=each.session_id,
            seat_id=each.seat_id,
            checked_in_at=whole_second(each.checked_in_at),
            gate=each.gate,
        )
        data = {
            "ticket_id": each.ticket_id,
            "seat_id": each.seat_id,
            "checked_in_at": told.checked_in_at,
            "gate": each.gate,
        }
        history.append(remembered(each.order_id, TICKET_CHECKED_IN, data))
        events.append(pending(TICKET_CHECKED_IN, str(each.order_id), told))
    await tell(one, history, events)
