"""The door: scans, counts, the offline list, and its staff."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter, RawBody

from booking.domain.problems import (
    AlreadyCheckedIn,
    DoorFull,
    InvalidTicketCode,
    NotAssigned,
    NotStaff,
    TicketVoid,
    WrongSession,
)
from booking.door.wire import (
    AssignStaff,
    BatchAnswer,
    CheckedIn,
    CheckIn,
    CheckInBatch,
    DoorCounts,
    DoorSessions,
    KeySet,
    StaffAnswer,
    StaffList,
)
from booking.routes.parameters import REPLAYED, booking_of
from booking.tickets.codes import SignedDocument
from chassis.auth.access import PUBLIC, TOKEN_IGNORED, access
from chassis.http.bodies import decode
from chassis.http.idempotency import check_key
from chassis.http.pagination import PageNumber, PageSize
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.http.readers import reader_of
from chassis.problems import IdempotencyKeyReused, Unavailable

NO_STORE = {"Cache-Control": "no-store"}
KEYS_CACHING = {"Cache-Control": "public, max-age=300"}
ListCursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor", max_length=10, description="The `next_cursor` of the previous page."
    ),
]


@get(
    "/api/v1/tickets/keys",
    operation_id="read_ticket_keys",
    opt=access(PUBLIC, TOKEN_IGNORED),
)
async def read_keys(request: Request[Any, Any, Any]) -> Response[KeySet]:
    """The public keys (JWK Set) that verify ticket codes and check-in lists offline."""
    return Response(KeySet(booking_of(request).codes.public_keys()), headers=KEYS_CACHING)


@post(
    "/api/v1/check-ins",
    operation_id="check_in",
    status_code=200,
    opt=access(
        "staff",
        "admin",
        body=CheckIn,
        problems=(
            *(AlreadyCheckedIn, TicketVoid, WrongSession, NotAssigned, InvalidTicketCode),
            *(IdempotencyKeyReused, Unavailable),
        ),
    ),
)
async def check_in(
    request: Request[Any, Any, Any],
    principal: Caller,
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[CheckedIn]:
    """Checks a ticket in, once, at the door of the session in `session_id`. Without it, the ticket's own
    session is used; if its door is not open now, the answer is `wrong-session`."""
    key = check_key(idempotency_key)
    wanted = decode(CheckIn, body)
    booking = booking_of(request)
    language = booking.readers.language_at_door(reader_of(request))
    answer, replayed = await booking.door.check_in(principal, wanted, key, language=language)
    return Response(answer, status_code=200, headers=NO_STORE | (REPLAYED if replayed else {}))


@post(
    "/api/v1/check-ins/batch",
    operation_id="take_offline_check_ins",
    status_code=200,
    opt=access("staff", "admin", body=CheckInBatch, problems=(Unavailable,)),
)
async def take_batch(
    request: Request[Any, Any, Any], principal: Caller, body: RawBody
) -> BatchAnswer:
    """Records the scans that a device made offline, and decides each one separately. The earliest scan of
    a ticket is its entry. Sending the same scans again changes nothing. A scan of another session's ticket
    is refused with `wrong-session`, and so is a scan without a session made while the door was not open."""
    wanted = decode(CheckInBatch, body)
    return await booking_of(request).offline_scans.record_batch(principal, wanted)


@get(
    "/api/v1/check-ins/sessions",
    operation_id="list_door_sessions",
    opt=access("staff", "admin", problems=(Unavailable,)),
)
async def list_door_sessions(
    request: Request[Any, Any, Any], principal: Caller
) -> Response[DoorSessions]:
    """The sessions that you may scan for: those with an open door first, then upcoming ones. Sessions
    without sold tickets are not listed."""
    sessions = await booking_of(request).door_lists.sessions(principal)
    return Response(sessions, headers=NO_STORE)


@get(
    "/api/v1/sessions/{session_id:uuid}/check-ins",
    operation_id="read_check_ins",
    opt=access("staff", "organizer", "admin", problems=(NotAssigned, Unavailable)),
)
async def read_check_ins(
    request: Request[Any, Any, Any],
    principal: Caller,
    session_id: FromPath[UUID],
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> DoorCounts:
    """How many are in, by area and by gate; and every scan, newest first."""
    booking = booking_of(request)
    language = booking.readers.language_at_door(reader_of(request))
    return await booking.door_lists.counts(
        principal, session_id, page=page, page_size=page_size, language=language
    )


@get(
    "/api/v1/sessions/{session_id:uuid}/check-in-list",
    operation_id="read_check_in_list",
    opt=access("staff", "organizer", "admin", problems=(NotAssigned, Unavailable)),
)
async def read_check_in_list(
    request: Request[Any, Any, Any],
    principal: Caller,
    session_id: FromPath[UUID],
    cursor: ListCursor = None,
) -> Response[SignedDocument]:
    """The tickets of this session that are not void, for a scanner without network. It is a JWS with a JSON
    payload (`tickets`, `others`, `made_at`, `next_cursor` …)."""
    signed = await booking_of(request).door_lists.signed_list(principal, session_id, cursor=cursor)
    return Response(signed, headers=NO_STORE)


@post(
    "/api/v1/sessions/{session_id:uuid}/staff",
    operation_id="assign_staff",
    status_code=201,
    opt=access("organizer", "admin", body=AssignStaff, problems=(NotStaff, DoorFull, Unavailable)),
    responses={
        200: ResponseSpec(StaffAnswer, generate_examples=False, description="Already assigned.")
    },
)
async def assign_staff(
    request: Request[Any, Any, Any], principal: Caller, session_id: FromPath[UUID], body: RawBody
) -> Response[StaffAnswer]:
    """Assigns an account with the role `staff` to the door of your own session."""
    wanted = decode(AssignStaff, body)
    answer, news = await booking_of(request).door_staff.assign(principal, session_id, wanted)
    return Response(answer, status_code=201 if news else 200)


@get(
    "/api/v1/sessions/{session_id:uuid}/staff",
    operation_id="list_staff",
    opt=access("organizer", "admin", problems=(Unavailable,)),
)
async def list_staff(
    request: Request[Any, Any, Any], principal: Caller, session_id: FromPath[UUID]
) -> StaffList:
    """The door staff of your own session."""
    return await booking_of(request).door_staff.list(principal, session_id)


@delete(
    "/api/v1/sessions/{session_id:uuid}/staff/{user_id:uuid}",
    operation_id="dismiss_staff",
    status_code=204,
    opt=access("organizer", "admin", problems=(Unavailable,)),
)
async def dismiss_staff(
    request: Request[Any, Any, Any],
    principal: Caller,
    session_id: FromPath[UUID],
    user_id: FromPath[UUID],
) -> None:
    """Removes somebody from the door of your own session."""
    await booking_of(request).door_staff.dismiss(principal, session_id, user_id)


DOOR_ROUTES = [
    *(read_keys, check_in, take_batch, list_door_sessions, read_check_ins, read_check_in_list),
    *(assign_staff, list_staff, dismiss_staff),
]
