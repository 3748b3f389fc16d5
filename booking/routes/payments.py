"""How orders are paid here, and what payment providers tell us."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath, RawBody

from booking.answers import PaymentOptions
from booking.domain.problems import BadSignature, PaymentMismatch, StaleTimestamp
from booking.routes.parameters import booking_of
from chassis.auth.access import PUBLIC, TOKEN_IGNORED, access
from chassis.problems import Unavailable

OPTIONS_CACHING = {"Cache-Control": "public, max-age=300"}


@get(
    "/api/v1/payments/options",
    operation_id="read_payment_options",
    opt=access(PUBLIC, TOKEN_IGNORED),
)
async def read_options(request: Request[Any, Any, Any]) -> Response[PaymentOptions]:
    """Who takes the money, by which methods, and what to try where none moves."""
    return Response(booking_of(request).payments.options(), headers=OPTIONS_CACHING)


@post(
    "/api/v1/payments/webhooks/{provider:str}",
    operation_id="take_webhook",
    status_code=200,
    opt=access(
        PUBLIC,
        TOKEN_IGNORED,
        straight=True,
        problems=(BadSignature, StaleTimestamp, PaymentMismatch, Unavailable),
    ),
)
async def take_webhook(
    request: Request[Any, Any, Any], provider: FromPath[str], body: RawBody
) -> dict[str, str]:
    """A provider's message, signed as Standard Webhooks says; 200 when taken, now or before."""
    await booking_of(request).webhooks.take(provider, request.headers, body)
    return {"status": "taken"}


PAYMENT_ROUTES = [read_options, take_webhook]
