"""Operations: steering a session's sale, who did what, dead letters and traces."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get, patch, post
from litestar.params import FromPath, QueryParameter, RawBody

from booking.operations.wire import (
    PAGE_ROWS,
    ActionPage,
    ChangeLimits,
    DeadLetterAnswer,
    DeadLetterPage,
    RecentTraces,
    SaleAnswer,
    TraceAnswer,
    WithReason,
)
from booking.routes.parameters import booking_of
from chassis.auth.access import OPERATORS, access
from chassis.context import REQUEST_ID
from chassis.http.bodies import decode
from chassis.http.pagination import PAGE_SIZE_MAX
from chassis.http.parameters import Caller
from chassis.problems import NotFound, Overloaded, Unavailable

Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor", max_length=200, description="The `next_cursor` of a page of this list."
    ),
]
Limit = Annotated[
    int, QueryParameter(name="limit", ge=1, le=PAGE_SIZE_MAX, description="Rows of a page.")
]


@get(
    "/api/v1/operations/sessions/{session_id:uuid}/sale",
    operation_id="read_sale_controls",
    opt=access(*OPERATORS, problems=(Unavailable,)),
)
async def read_sale(request: Request[Any, Any, Any], session_id: FromPath[UUID]) -> SaleAnswer:
    """Tells whether a session's sale is paused, and its limits."""
    return await booking_of(request).operations.steering.sale(session_id)


@post(
    "/api/v1/operations/sessions/{session_id:uuid}/pause",
    operation_id="pause_sale",
    status_code=200,
    opt=access(*OPERATORS, body=WithReason, problems=(Unavailable,)),
)
async def pause_sale(
    request: Request[Any, Any, Any], principal: Caller, session_id: FromPath[UUID], body: RawBody
) -> SaleAnswer:
    """Pauses a session's sale: no order is placed once this is answered.

    Orders that hold seats can be paid. Refunds, transfers and check-ins go on. Pausing a paused sale changes
    nothing and leaves no action.
    """
    reason = decode(WithReason, body).reason
    return await booking_of(request).operations.steering.pause(principal, session_id, reason)


@post(
    "/api/v1/operations/sessions/{session_id:uuid}/resume",
    operation_id="resume_sale",
    status_code=200,
    opt=access(*OPERATORS, body=WithReason, problems=(Unavailable,)),
)
async def resume_sale(
    request: Request[Any, Any, Any], principal: Caller, session_id: FromPath[UUID], body: RawBody
) -> SaleAnswer:
    """Resumes a paused sale: every process sells again within a second."""
    reason = decode(WithReason, body).reason
    return await booking_of(request).operations.steering.resume(principal, session_id, reason)


@patch(
    "/api/v1/operations/sessions/{session_id:uuid}/limits",
    operation_id="change_sale_limits",
    opt=access(*OPERATORS, body=ChangeLimits, problems=(Unavailable,)),
)
async def change_limits(
    request: Request[Any, Any, Any], principal: Caller, session_id: FromPath[UUID], body: RawBody
) -> SaleAnswer:
    """Changes the limits of a session's sale while it sells.

    A lower `max_tickets_per_user` takes nothing from those who have more already.
    """
    wanted = decode(ChangeLimits, body)
    return await booking_of(request).operations.steering.limit(principal, session_id, wanted)


@get(
    "/api/v1/operations/actions",
    operation_id="list_actions",
    opt=access(*OPERATORS, problems=(Unavailable,)),
)
async def list_actions(
    request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = PAGE_ROWS
) -> ActionPage:
    """Lists what operators did, newest first: who, when, why, and what changed."""
    return await booking_of(request).operations.actions.page(cursor=cursor, limit=limit)


@get(
    "/api/v1/operations/dead-letters",
    operation_id="list_dead_letters",
    opt=access(*OPERATORS, problems=(Unavailable,)),
)
async def list_dead_letters(
    request: Request[Any, Any, Any], cursor: Cursor = None, limit: Limit = PAGE_ROWS
) -> DeadLetterPage:
    """Lists the events that services could not apply, oldest first."""
    return await booking_of(request).operations.dead_letters.page(cursor=cursor, limit=limit)


@post(
    "/api/v1/operations/dead-letters/{service:str}/{consumer:str}/{event_id:uuid}/retry",
    operation_id="retry_dead_letter",
    status_code=200,
    opt=access(*OPERATORS, body=WithReason, problems=(Unavailable,)),
)
async def retry_dead_letter(
    request: Request[Any, Any, Any],
    principal: Caller,
    *,
    service: FromPath[str],
    consumer: FromPath[str],
    event_id: FromPath[UUID],
    body: RawBody,
) -> DeadLetterAnswer:
    """Sends an event back to its consumer: it is due now, with all its attempts again."""
    reason = decode(WithReason, body).reason
    letters = booking_of(request).operations.dead_letters
    return await letters.retry(principal, service, consumer, event_id, reason)


@get(
    "/api/v1/operations/traces",
    operation_id="list_traces",
    opt=access(*OPERATORS, problems=(Unavailable, Overloaded)),
)
async def list_traces(request: Request[Any, Any, Any]) -> RecentTraces:
    """Lists requests that failed or were slow lately, from the logs of the machine that answers."""
    return await booking_of(request).operations.traces.recent()


@get(
    "/api/v1/operations/traces/{request_id:str}",
    operation_id="read_trace",
    opt=access(*OPERATORS, problems=(Unavailable, Overloaded)),
)
async def read_trace(request: Request[Any, Any, Any], request_id: FromPath[str]) -> TraceAnswer:
    """Follows a request through the logs of this machine's services, as a waterfall is drawn."""
    if not request_id.isascii() or not REQUEST_ID.fullmatch(request_id.encode()):
        raise NotFound()
    return await booking_of(request).operations.traces.trace(request_id)


OPERATION_ROUTES = [
    *(read_sale, pause_sale, resume_sale, change_limits, list_actions),
    *(list_dead_letters, retry_dead_letter, list_traces, read_trace),
]
