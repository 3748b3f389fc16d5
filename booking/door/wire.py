"""Request and response bodies of the door."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from booking.domain.door import Door, DoorHours
from booking.domain.problems import WrongSession
from booking.tickets.codes import PublicKey
from chassis.clock import whole_second
from chassis.http.bodies import LINE_BREAKING_CHARACTERS, full_match
from chassis.problems import FieldError, ValidationFailed
from contracts.seats import seat_line

BATCH_MAX = 200  # scans; each has a signature to verify, and its order is locked
# Longer than any code: a code that is too long is then refused as invalid, not as a malformed request.
CODE_CHARACTERS_MAX = 1024
YEARS = (2000, 9000)  # a device's clock outside these years is refused

Gate = Annotated[
    str, msgspec.Meta(pattern=full_match(rf"[^{LINE_BREAKING_CHARACTERS}\ud800-\udfff]{{0,40}}"))
]
Device = Annotated[str, msgspec.Meta(pattern=full_match("[A-Za-z0-9._:-]{1,64}"))]
Code = Annotated[str, msgspec.Meta(max_length=CODE_CHARACTERS_MAX)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class CheckIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A scanned `code`. `session_id`: the session of the door; tickets of other sessions are refused. Without
    it, tickets of every session whose door is open now are accepted."""

    code: Code
    gate: Gate = ""
    session_id: UUID | None = None


class OfflineCheckIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One scan that let somebody in: a `code`, or a `ticket_id` from the list. `scanned_at` is by the
    device's clock. Ticket, device and `scanned_at` together identify the scan. `session_id` is as in a
    check-in; without it the door must have been open at `scanned_at`."""

    scanned_at: Moment
    code: Code | None = None
    ticket_id: UUID | None = None
    gate: Gate | None = None
    session_id: UUID | None = None


class CheckInBatch(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Scans that a device made offline. `gate` and `session_id` apply to scans that have none."""

    device: Device
    scans: Annotated[list[OfflineCheckIn], msgspec.Meta(min_length=1, max_length=BATCH_MAX)]
    gate: Gate = ""
    session_id: UUID | None = None


class AssignStaff(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An account with the role `staff`, by `email` or by `user_id`."""

    email: Annotated[str, msgspec.Meta(min_length=3, max_length=254)] | None = None
    user_id: UUID | None = None


class SeatAtDoor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`label` is the seat as people read it. `category_name`, whom the ticket is for, and `proof`, what
    they have to show, are there if the session has categories."""

    seat_id: int
    area: str
    row: str
    number: int
    label: str
    category_name: str | None = None
    proof: str | None = None


class SessionOfTicket(msgspec.Struct, frozen=True, kw_only=True):
    """The session of a ticket. Its door is open from `door_opens_at` to `door_closes_at`."""

    session_id: UUID
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    door_opens_at: datetime
    door_closes_at: datetime


class SessionAtDoor(SessionOfTicket, frozen=True, kw_only=True):
    """`door`: `early` before it opens, `open`, or `over`; at the time of the request, or of the offline
    scan."""

    door: Door


class DoorSessions(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions you may scan for: open doors first, then upcoming ones."""

    sessions: list[SessionAtDoor]


class CheckedIn(msgspec.Struct, frozen=True, kw_only=True):
    """Let the person in. `holder` is null if the name is not available now. `door`: whether the session's
    door is open now; a scan that names its session may come earlier or later."""

    ticket_id: UUID
    order_id: UUID
    session_id: UUID
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    door: Door
    seat: SeatAtDoor
    holder: str | None
    checked_in_at: datetime
    gate: str


class OtherScan(msgspec.Struct, frozen=True, kw_only=True):
    """Another scan that let somebody in with this ticket."""

    checked_in_at: datetime
    gate: str
    device: str


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """`accepted`: this scan is the ticket's entry; `conflict` is a later scan that also let somebody in.
    `already`: an earlier scan is the entry; `conflict` is that scan. `refused`: `code` is the problem code;
    for `wrong-session`, `session` is the ticket's session."""

    index: int
    result: Literal["accepted", "already", "refused"]
    ticket_id: UUID | None = None
    checked_in_at: datetime | None = None
    code: str | None = None
    conflict: OtherScan | None = None
    session: SessionAtDoor | None = None


class BatchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    results: list[BatchResult]
    accepted: int
    already: int
    refused: int


class AreaCount(msgspec.Struct, frozen=True, kw_only=True):
    area_id: UUID
    area: str
    tickets: int
    checked_in: int


class GateCount(msgspec.Struct, frozen=True, kw_only=True):
    gate: str
    checked_in: int


class ScanAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`admitted` is false if this scan was refused."""

    check_in_id: UUID
    ticket_id: UUID
    seat: SeatAtDoor
    gate: str
    device: str
    offline: bool
    admitted: bool
    scanned_at: datetime
    recorded_at: datetime


class DoorCounts(msgspec.Struct, frozen=True, kw_only=True):
    """`tickets` is the number of tickets that are not void, `checked_in` how many of them have entered.
    `check_ins` are all scans, newest first."""

    session_id: UUID
    tickets: int
    checked_in: int
    areas: list[AreaCount]
    gates: list[GateCount]
    check_ins: list[ScanAnswer]
    page: int
    page_size: int
    total: int


class ListedTicket(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A ticket in the offline list."""

    ticket_id: UUID
    status: str
    seat_id: int
    area: str
    row: str
    number: int
    category_name: str | None = None
    proof: str | None = None
    checked_in_at: datetime | None = None
    gate: str = ""


class CheckInList(msgspec.Struct, frozen=True, kw_only=True):
    """The payload of one page of the signed list, in seat order; `next_cursor` is null on the last page.
    `others`, on the first page, are sessions with the same title or venue: their tickets may be presented
    at the wrong door."""

    session_id: UUID
    title: str
    venue: str
    starts_at: datetime
    time_zone: str
    door_opens_at: datetime
    door_closes_at: datetime
    made_at: datetime
    total: int
    others: list[SessionOfTicket]
    tickets: list[ListedTicket]
    next_cursor: str | None


class StaffAnswer(msgspec.Struct, frozen=True, kw_only=True):
    session_id: UUID
    user_id: UUID
    full_name: str
    email: str
    assigned_at: datetime


class StaffList(msgspec.Struct, frozen=True, kw_only=True):
    staff: list[StaffAnswer]


class KeySet(msgspec.Struct, frozen=True):
    """A JWK Set (RFC 7517): the keys that verify ticket codes and check-in lists."""

    keys: list[PublicKey]


class _Session(Protocol):
    @property
    def session_id(self) -> UUID: ...
    @property
    def title(self) -> str: ...
    @property
    def venue(self) -> str: ...
    @property
    def starts_at(self) -> datetime: ...
    @property
    def time_zone(self) -> str: ...


class _Seat(Protocol):
    @property
    def seat_id(self) -> int: ...
    @property
    def area(self) -> str: ...
    @property
    def row(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def category_name(self) -> str | None: ...
    @property
    def proof(self) -> str | None: ...


def seat_at_door(seat: _Seat, language: str) -> SeatAtDoor:
    return SeatAtDoor(
        seat_id=seat.seat_id,
        area=seat.area,
        row=seat.row,
        number=seat.number,
        label=seat_line(seat.area, seat.row, seat.number, language),
        category_name=seat.category_name,
        proof=seat.proof,
    )


def session_of_ticket(session: _Session, hours: DoorHours) -> SessionOfTicket:
    return SessionOfTicket(**_told(session, hours))


def session_at_door(session: _Session, hours: DoorHours, moment: datetime) -> SessionAtDoor:
    """`moment` is by PostgreSQL's clock."""
    return SessionAtDoor(**_told(session, hours), door=hours.state(session.starts_at, moment))


def _told(session: _Session, hours: DoorHours) -> dict[str, Any]:
    return {
        "session_id": session.session_id,
        "title": session.title,
        "venue": session.venue,
        "starts_at": whole_second(session.starts_at),
        "time_zone": session.time_zone,
        "door_opens_at": whole_second(hours.opens_at(session.starts_at)),
        "door_closes_at": whole_second(hours.closes_at(session.starts_at)),
    }


def wrong_session(session: SessionAtDoor) -> WrongSession:
    """Names the ticket's session, in the venue's local time. `date` is the catalog's name for `starts_at`."""
    local = session.starts_at.astimezone(ZoneInfo(session.time_zone))
    starts = f"{local:%Y-%m-%d %H:%M} ({session.time_zone})"
    told = msgspec.structs.asdict(session)
    return WrongSession(
        f"This ticket is for {session.title}, {session.venue}, {starts}.",
        show=told.pop("title"),
        date=session.starts_at,
        **told,
    )


def check_batch(scans: Sequence[OfflineCheckIn]) -> None:
    """Checks that types cannot express. Raises ValidationFailed that names every invalid scan."""
    errors = []
    for place, scan in enumerate(scans):
        if (scan.code is None) == (scan.ticket_id is None):
            errors.append(FieldError(f"scans.{place}", "give either code or ticket_id"))
        if not YEARS[0] <= scan.scanned_at.year < YEARS[1]:
            errors.append(
                FieldError(f"scans.{place}.scanned_at", "is not a plausible time of a scan")
            )
    if errors:
        raise ValidationFailed(errors=errors)


def check_assignment(wanted: AssignStaff) -> None:
    """Raises ValidationFailed unless exactly one of `email` and `user_id` is given."""
    if (wanted.email is None) == (wanted.user_id is None):
        raise ValidationFailed(errors=[FieldError("email", "give either email or user_id")])


def problem_extra(**extra: Any) -> dict[str, Any]:
    """Extension members of a problem, with times in UTC and whole seconds."""
    return {
        name: value.astimezone(UTC).replace(microsecond=0) if isinstance(value, datetime) else value
        for name, value in extra.items()
    }
