"""Refunds: buyers request them, organizers decide them."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath, QueryParameter, RawBody

from booking.domain.problems import (
    OrderNotRefundable,
    RefundAlreadyDecided,
    RefundAlreadyRequested,
    RefundNotAllowed,
    RefundNotFailed,
)
from booking.domain.refund import RefundState
from booking.refunds.wire import DecideRefund, OrderRefunds, RefundAnswer, RefundOrder, RefundPage
from booking.routes.parameters import answers, booking_of
from chassis.auth.access import LOGGED_IN, ORGANIZERS, access
from chassis.http.bodies import decode
from chassis.http.idempotency import ONCE
from chassis.http.pagination import PageNumber, PageSize
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.problems import Unavailable

State = Annotated[
    RefundState | None, QueryParameter(name="status", description="Only refunds with this status.")
]


@post(
    "/api/v1/orders/{order_id:uuid}/refund",
    operation_id="request_refund",
    status_code=202,
    opt=access(
        LOGGED_IN,
        body=RefundOrder,
        problems=(OrderNotRefundable, RefundNotAllowed, RefundAlreadyRequested, *ONCE, Unavailable),
    ),
    responses=answers(
        RefundAnswer, 202, "Approved by the show's terms, or waiting for the organizer."
    ),
)
async def request_refund(
    request: Request[Any, Any, Any],
    principal: Caller,
    order_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Requests a refund of your own paid order: of the listed tickets, or of all that are left."""
    wanted = decode(RefundOrder, body)
    refunds = booking_of(request).refunds
    answer: Response[bytes] = await refunds.request(
        principal.user_id, order_id, wanted, idempotency_key
    )
    return answer


@get(
    "/api/v1/orders/{order_id:uuid}/refunds",
    operation_id="list_refunds_of_order",
    opt=access(LOGGED_IN, problems=(Unavailable,)),
)
async def list_refunds_of_order(
    request: Request[Any, Any, Any], principal: Caller, order_id: FromPath[UUID]
) -> OrderRefunds:
    """The refunds of your own order, and the amount that refunding the rest of it would return now."""
    return await booking_of(request).refunds.of_order(principal.user_id, order_id)


@get(
    "/api/v1/refunds/{refund_id:uuid}",
    operation_id="read_refund",
    opt=access(LOGGED_IN, problems=(Unavailable,)),
)
async def read_refund(
    request: Request[Any, Any, Any], principal: Caller, refund_id: FromPath[UUID]
) -> RefundAnswer:
    """A refund of your own order, or of your own show."""
    return await booking_of(request).refunds.get(principal, refund_id)


@get(
    "/api/v1/refunds",
    operation_id="list_refunds",
    opt=access(*ORGANIZERS, problems=(Unavailable,)),
)
async def list_refunds(
    request: Request[Any, Any, Any],
    principal: Caller,
    *,
    status: State = None,
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> RefundPage:
    """The refunds of your own shows, for an admin of all shows; the longest waiting first."""
    return await booking_of(request).refunds.list(principal, status, page, page_size)


@post(
    "/api/v1/refunds/{refund_id:uuid}/approve",
    operation_id="approve_refund",
    status_code=200,
    opt=access(
        *ORGANIZERS,
        body=DecideRefund,
        problems=(RefundAlreadyDecided, RefundNotAllowed, OrderNotRefundable, *ONCE, Unavailable),
    ),
    responses=answers(RefundAnswer, 200, "Approved: the money will be sent back."),
)
async def approve_refund(
    request: Request[Any, Any, Any],
    principal: Caller,
    refund_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Approves a refund of your own show. Approving it again gives the same answer."""
    wanted = decode(DecideRefund, body) if body else DecideRefund()
    refunds = booking_of(request).refunds
    answer: Response[bytes] = await refunds.approve(principal, refund_id, wanted, idempotency_key)
    return answer


@post(
    "/api/v1/refunds/{refund_id:uuid}/reject",
    operation_id="reject_refund",
    status_code=200,
    opt=access(*ORGANIZERS, body=DecideRefund, problems=(RefundAlreadyDecided, *ONCE, Unavailable)),
    responses=answers(RefundAnswer, 200, "Rejected: the tickets stay valid."),
)
async def reject_refund(
    request: Request[Any, Any, Any],
    principal: Caller,
    refund_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Rejects a refund of your own show. Rejecting it again gives the same answer."""
    wanted = decode(DecideRefund, body) if body else DecideRefund()
    refunds = booking_of(request).refunds
    answer: Response[bytes] = await refunds.reject(principal, refund_id, wanted, idempotency_key)
    return answer


@post(
    "/api/v1/refunds/{refund_id:uuid}/retry",
    operation_id="retry_refund",
    status_code=200,
    opt=access(*ORGANIZERS, problems=(RefundNotFailed, *ONCE, Unavailable)),
    responses=answers(RefundAnswer, 200, "The refund will be sent to the provider again."),
)
async def retry_refund(
    request: Request[Any, Any, Any],
    principal: Caller,
    refund_id: FromPath[UUID],
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Retries a refund that failed at the payment provider."""
    refunds = booking_of(request).refunds
    answer: Response[bytes] = await refunds.retry(principal, refund_id, idempotency_key)
    return answer


REFUND_ROUTES = [
    *(request_refund, list_refunds_of_order, read_refund, list_refunds),
    *(approve_refund, reject_refund, retry_refund),
]
