"""Paying orders, and callbacks of payment providers."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, RawBody

from booking.domain.problems import (
    BadSignature,
    OrderExpired,
    OrderNotPayable,
    PaymentDeclined,
    PaymentInProgress,
    PaymentMismatch,
    StaleTimestamp,
)
from booking.payments.wire import PayAnswer, PaymentOptions, PayOrder
from booking.routes.parameters import REPLAYED, booking_of, key_of
from chassis.auth.access import LOGGED_IN, PUBLIC, TOKEN_IGNORED, access
from chassis.http.bodies import decode
from chassis.http.idempotency import ONCE
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.problems import (
    Unavailable,
)

OPTIONS_CACHING = {"Cache-Control": "public, max-age=300"}


class _Headers(Mapping[str, str]):
    """A request's headers by their lower-case names. A provider reads two or three of a dozen, so each is
    decoded when it is read."""

    def __init__(self, request: Request[Any, Any, Any]) -> None:
        self._raw = dict(request.scope["headers"])

    def __getitem__(self, name: str) -> str:
        return self._raw[name.encode("latin-1")].decode("latin-1")

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._raw)

    def __len__(self) -> int:
        return len(self._raw)


@get(
    "/api/v1/payments/options",
    operation_id="read_payment_options",
    opt=access(PUBLIC, TOKEN_IGNORED),
)
async def read_options(request: Request[Any, Any, Any]) -> Response[PaymentOptions]:
    """The payment provider, its payment methods, and the sandbox's test tokens."""
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
    """Receives a payment provider's callback, signed by Standard Webhooks. A repeated one is also 200."""
    headers = {
        n.decode("latin-1"): value.decode("latin-1") for n, value in request.scope["headers"]
    }
    await booking_of(request).webhooks.take(provider, headers, body)
    return {"status": "taken"}


@post(
    "/api/v1/orders/{order_id:uuid}/pay",
    operation_id="pay_order",
    status_code=200,
    opt=access(
        LOGGED_IN,
        straight=True,
        body=PayOrder,
        problems=(
            *(PaymentDeclined, OrderExpired, OrderNotPayable, PaymentInProgress),
            *(Unavailable, *ONCE),
        ),
    ),
    responses={
        202: ResponseSpec(
            PayAnswer, generate_examples=False, description="The provider answers later."
        )
    },
)
async def pay_order(
    request: Request[Any, Any, Any],
    principal: Caller,
    order_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[PayAnswer]:
    """Pays an order: charges its whole amount once, and issues its tickets."""
    booking = booking_of(request)
    key = key_of(booking, idempotency_key)
    wanted = decode(PayOrder, body)
    answer, replayed = await booking.payments.pay(principal.user_id, order_id, wanted, key)
    status_code = 200 if answer.status == "paid" else 202
    return Response(answer, status_code=status_code, headers=REPLAYED if replayed else {})


PAYMENT_ROUTES = [pay_order, read_options, take_webhook]
