"""The door's rows: tickets to check, scans, and staff."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec

from booking.refusals import refusal
from chassis.context import current
from chassis.ids import uuid7
from chassis.postgres.pool import Connection, load_queries
from chassis.postgres.rows import fields

queries = load_queries(Path(__file__).parent / "sql")


class TicketAtDoor(msgspec.Struct, frozen=True, kw_only=True):
    """`replaced`: the ticket is void and its seat has another ticket. `called_off`: its session is
    cancelled. `asked_at`: the time of this reading, by PostgreSQL's clock."""

    ticket_id: UUID
    order_id: UUID
    session_id: UUID
    seat_id: int
    user_id: UUID
    status: str
    void_reason: str | None
    code: str
    checked_in_at: datetime | None
    gate: str
    area: str
    row: str
    number: int
    category_name: str | None
    proof: str | None
    order_status: str
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    issued_at: datetime
    asked_at: datetime
    called_off: bool
    replaced: bool


class SoldSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session with sold tickets. Its data are copied from an order, read at `asked_at`."""

    session_id: UUID
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    asked_at: datetime


class Entered(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket that was just checked in, or whose entry moved to an earlier scan."""

    ticket_id: UUID
    order_id: UUID
    session_id: UUID
    seat_id: int
    user_id: UUID
    checked_in_at: datetime
    gate: str


class OfflineScan(msgspec.Struct, frozen=True):
    ticket_id: UUID
    gate: str
    device_time: datetime


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """A scan that let somebody in. `device_time`: by the offline device's own clock."""

    ticket_id: UUID
    device: str
    gate: str
    scanned_at: datetime
    device_time: datetime | None


class KeyedScan(msgspec.Struct, frozen=True):
    """The scan recorded under an idempotency key."""

    ticket_id: UUID
    gate: str
    scanned_at: datetime


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    check_in_id: UUID
    ticket_id: UUID
    gate: str
    device: str
    offline: bool
    admitted: bool
    scanned_at: datetime
    recorded_at: datetime
    seat_id: int
    area: str
    row: str
    number: int
    category_name: str | None
    proof: str | None


class Admissible(msgspec.Struct, frozen=True, kw_only=True):
    ticket_id: UUID
    seat_id: int
    status: str
    checked_in_at: datetime | None
    gate: str
    area: str
    row: str
    number: int
    category_name: str | None
    proof: str | None


class StaffMember(msgspec.Struct, frozen=True):
    user_id: UUID
    assigned_at: datetime


class AreaEntries(msgspec.Struct, frozen=True):
    area_id: UUID
    tickets: int
    checked_in: int


class GateEntries(msgspec.Struct, frozen=True):
    gate: str
    checked_in: int


async def tickets_at_door(db: Connection, tickets: Sequence[UUID]) -> dict[UUID, TicketAtDoor]:
    """The existing ones, by id."""
    rows = queries.tickets_at_door(db, tickets=list(tickets))
    return {row["ticket_id"]: TicketAtDoor(**fields(row, TicketAtDoor)) async for row in rows}


async def sessions_open_to(db: Connection, user_id: UUID, sessions: Sequence[UUID]) -> set[UUID]:
    rows = queries.sessions_open_to(db, user_id=user_id, sessions=list(sessions))
    return {row["session_id"] async for row in rows}


async def is_house_staff(db: Connection, user_id: UUID) -> bool:
    return bool(await queries.is_house_staff(db, user_id=user_id))


async def sessions_sold(
    db: Connection,
    *,
    back: timedelta,
    steps: int,
    limit: int,
    title: str | None = None,
    venue: str | None = None,
) -> list[SoldSession]:
    """Searches the first `steps` sessions that began at most `back` ago. With `title` and `venue`: only those
    with that title or at that venue."""
    rows = queries.sessions_sold(db, back=back, steps=steps, limit=limit, title=title, venue=venue)
    return [SoldSession(**fields(row, SoldSession)) async for row in rows]


async def sessions_of_staff(
    db: Connection, user_id: UUID, *, back: timedelta, steps: int, limit: int
) -> list[SoldSession]:
    rows = queries.sessions_of_staff(db, user_id=user_id, back=back, steps=steps, limit=limit)
    return [SoldSession(**fields(row, SoldSession)) async for row in rows]


async def lock_orders(tx: Connection, orders: Sequence[UUID]) -> None:
    async for _ in queries.lock_orders_at_door(tx, orders=sorted(set(orders))):
        pass


async def check_in(
    tx: Connection, ticket_id: UUID, *, user_id: UUID, gate: str, key: str | None
) -> datetime | None:
    """The time of the check-in, or None if the ticket is not valid. Lock the order first."""
    try:
        row = await queries.check_in(
            tx,
            ticket_id=ticket_id,
            user_id=user_id,
            gate=gate,
            key=key,
            check_in_id=uuid7(),
            request_id=current().request_id,
        )
    except asyncpg.UniqueViolationError as second:
        raise refusal(second) or second from None
    return row["checked_in_at"] if row is not None else None


async def note_refused_scan(
    db: Connection, ticket: TicketAtDoor, *, user_id: UUID, gate: str
) -> None:
    await queries.note_refused_scan(
        db,
        check_in_id=uuid7(),
        ticket_id=ticket.ticket_id,
        session_id=ticket.session_id,
        user_id=user_id,
        gate=gate,
        request_id=current().request_id,
    )


async def scan_by_key(db: Connection, user_id: UUID, key: str) -> KeyedScan | None:
    row = await queries.scan_by_key(db, user_id=user_id, key=key)
    return KeyedScan(**fields(row, KeyedScan)) if row is not None else None


async def lock_tickets(tx: Connection, tickets: Sequence[UUID]) -> dict[UUID, str]:
    """Locks the tickets; their status by id. Lock their orders first."""
    rows = queries.lock_tickets_at_door(tx, tickets=sorted(set(tickets)))
    return {row["ticket_id"]: row["status"] async for row in rows}


async def note_offline_scans(
    tx: Connection, scans: Sequence[OfflineScan], *, user_id: UUID, device: str
) -> None:
    await queries.note_offline_scans(
        tx,
        user_id=user_id,
        device=device,
        request_id=current().request_id,
        ids=[uuid7() for _ in scans],
        tickets=[scan.ticket_id for scan in scans],
        gates=[scan.gate for scan in scans],
        times=[scan.device_time for scan in scans],
    )


async def offline_scans_told(
    db: Connection, scans: Sequence[tuple[UUID, datetime]], *, device: str
) -> set[int]:
    """Indexes of the scans (ticket and device's time) that this device has already reported."""
    rows = queries.offline_scans_told(
        db,
        device=device,
        tickets=[ticket for ticket, _ in scans],
        times=[moment for _, moment in scans],
    )
    return {row["place"] - 1 async for row in rows}


async def enter_offline(tx: Connection, tickets: Sequence[UUID]) -> list[Entered]:
    """Sets each locked ticket's entry to its earliest scan; the tickets whose entry changed."""
    rows = queries.enter_offline(tx, tickets=list(tickets))
    return [Entered(**fields(row, Entered)) async for row in rows]


async def admissions(tx: Connection, tickets: Sequence[UUID]) -> dict[UUID, list[Admission]]:
    """By ticket, earliest first."""
    found: dict[UUID, list[Admission]] = {}
    async for row in queries.admissions(tx, tickets=list(tickets)):
        found.setdefault(row["ticket_id"], []).append(Admission(**fields(row, Admission)))
    return found


async def count_area_entries(
    db: Connection, session_id: UUID, areas: Sequence[tuple[UUID, int, int]]
) -> dict[UUID, AreaEntries]:
    """`areas`: id, first seat and last seat of each."""
    rows = queries.count_area_entries(
        db,
        session_id=session_id,
        areas=[area for area, _, _ in areas],
        firsts=[first for _, first, _ in areas],
        lasts=[last for _, _, last in areas],
    )
    return {row["area_id"]: AreaEntries(**fields(row, AreaEntries)) async for row in rows}


async def count_gate_entries(db: Connection, session_id: UUID, *, limit: int) -> list[GateEntries]:
    rows = queries.count_gate_entries(db, session_id=session_id, limit=limit)
    return [GateEntries(**fields(row, GateEntries)) async for row in rows]


async def count_scans(db: Connection, session_id: UUID) -> int:
    return int(await queries.count_scans(db, session_id=session_id))


async def list_scans(db: Connection, session_id: UUID, *, limit: int, offset: int) -> list[Scan]:
    rows = queries.list_scans(db, session_id=session_id, limit=limit, offset=offset)
    return [Scan(**fields(row, Scan)) async for row in rows]


async def list_admissible(
    db: Connection, session_id: UUID, *, after: int, limit: int
) -> list[Admissible]:
    rows = queries.list_admissible(db, session_id=session_id, after=after, limit=limit)
    return [Admissible(**fields(row, Admissible)) async for row in rows]


async def count_admissible(db: Connection, session_id: UUID) -> int:
    return int(await queries.count_admissible(db, session_id=session_id))


async def assign_staff(
    db: Connection, session_id: UUID, user_id: UUID, *, assigned_by: UUID | None, most: int
) -> tuple[datetime, bool] | None:
    """The time of the assignment and whether it is new; None if the session has `most` staff already."""
    row = await queries.assign_staff(
        db, session_id=session_id, user_id=user_id, assigned_by=assigned_by, most=most
    )
    return (row["assigned_at"], row["news"]) if row is not None else None


async def dismiss_staff(db: Connection, session_id: UUID, user_id: UUID) -> bool:
    return await queries.dismiss_staff(db, session_id=session_id, user_id=user_id) is not None


async def list_staff(db: Connection, session_id: UUID, *, limit: int) -> list[StaffMember]:
    rows = queries.list_staff(db, session_id=session_id, limit=limit)
    return [StaffMember(**fields(row, StaffMember)) async for row in rows]


async def assign_house_staff(tx: Connection, user_id: UUID) -> None:
    await queries.assign_house_staff(tx, user_id=user_id)


async def dismiss_house_staff(tx: Connection, user_id: UUID) -> bool:
    return await queries.dismiss_house_staff(tx, user_id=user_id) is not None
