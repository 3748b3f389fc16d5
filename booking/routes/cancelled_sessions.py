"""Cancelling a session, and the progress of its refunds."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath, RawBody

from booking.cancelled_sessions.wire import CancellationProgress, CancelSession
from booking.domain.problems import (
    SessionNotPublished,
    SessionOver,
)
from booking.routes.parameters import answers, booking_of
from chassis.auth.access import ORGANIZERS, access
from chassis.http.bodies import decode
from chassis.http.idempotency import ONCE
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.problems import Unavailable


@post(
    "/api/v1/sessions/{session_id:uuid}/cancel",
    operation_id="cancel_session",
    status_code=202,
    opt=access(
        *ORGANIZERS,
        body=CancelSession,
        problems=(SessionNotPublished, SessionOver, *ONCE, Unavailable),
    ),
    responses=answers(CancellationProgress, 202, "The sale has ended; refunds have begun."),
)
async def cancel_session(
    request: Request[Any, Any, Any],
    principal: Caller,
    session_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Cancels your own session: its sale ends for good, and everybody gets a full refund."""
    wanted = decode(CancelSession, body)
    cancelling = booking_of(request).session_cancelling
    answer: Response[bytes] = await cancelling.cancel(
        principal, session_id, wanted, idempotency_key
    )
    return answer


@get(
    "/api/v1/sessions/{session_id:uuid}/cancellation",
    operation_id="read_session_cancellation",
    opt=access(*ORGANIZERS, problems=(Unavailable,)),
)
async def read_session_cancellation(
    request: Request[Any, Any, Any], principal: Caller, session_id: FromPath[UUID]
) -> CancellationProgress:
    """The progress of the refunds of your own cancelled session."""
    return await booking_of(request).session_cancelling.progress(principal, session_id)


CANCELLED_SESSION_ROUTES = [cancel_session, read_session_cancellation]
