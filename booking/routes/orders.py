"""Orders: place, read and cancel them."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath, QueryParameter, RawBody

from booking.domain.order import OrderStatus
from booking.domain.problems import (
    OrderNotCancellable,
    PaymentInProgress,
    PromoCodeLimitReached,
    PromoCodeNotValid,
    PromoCodeUnknown,
    PromoCodeUsedUp,
    SaleClosed,
    SaleNotOpen,
    SalePaused,
    SaleRateLimited,
    SeatsTaken,
    SingleSeatLeft,
    SoldOut,
    TicketLimitReached,
)
from booking.orders import reading
from booking.orders.cancelling import cancel_order
from booking.orders.wire import (
    CreateOrder,
    OrderAnswer,
    OrderHistory,
    OrderPage,
    parse_order,
)
from booking.routes.parameters import REPLAYED, booking_of, key_of
from chassis.auth.access import LOGGED_IN, access
from chassis.http.addresses import counted_as
from chassis.http.idempotency import ONCE
from chassis.http.pagination import PageNumber, PageSize
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.problems import (
    Forbidden,
    NotFound,
    Unavailable,
)

Status = Annotated[
    OrderStatus | None, QueryParameter(name="status", description="Only orders with this status.")
]
Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor", max_length=128, description="The `next_cursor` of a page of this list."
    ),
]


@post(
    "/api/v1/orders",
    operation_id="place_order",
    status_code=201,
    opt=access(
        LOGGED_IN,
        straight=True,
        body=CreateOrder,
        problems=(
            *(SoldOut, SeatsTaken, SingleSeatLeft, TicketLimitReached, SaleNotOpen, SaleClosed),
            *(SalePaused, SaleRateLimited),
            *(PromoCodeUnknown, PromoCodeNotValid, PromoCodeUsedUp, PromoCodeLimitReached),
            *(NotFound, Forbidden, Unavailable, *ONCE),
        ),
    ),
)
async def place_order(
    request: Request[Any, Any, Any],
    principal: Caller,
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[OrderAnswer]:
    """Places an order that holds seats until `expires_at`: exactly the listed ones, or the best of an
    area, of all areas at a price, or of all areas up to a price.

    Two limits answer 429 with Retry-After. A person who cancels or does not pay 20 orders of a session
    within ten minutes cannot order again until these minutes are over. After ten unknown promo codes within
    ten minutes no code is accepted, not even a valid one, until these minutes are over.
    """
    booking = booking_of(request)
    key = key_of(booking, idempotency_key)
    wanted = parse_order(body)
    address = counted_as(request.headers) if wanted.promo_code else None
    order, replayed = await booking.placing.place(principal.user_id, wanted, key, address=address)
    return Response(order, status_code=201, headers=REPLAYED if replayed else {})


@get("/api/v1/orders", operation_id="list_orders", opt=access(LOGGED_IN, problems=(Unavailable,)))
async def list_orders(
    request: Request[Any, Any, Any],
    principal: Caller,
    *,
    status: Status = None,
    page: PageNumber = 1,
    page_size: PageSize = 20,
    cursor: Cursor = None,
) -> OrderPage:
    """Your own orders, newest first."""
    return await reading.list_orders(
        booking_of(request).pool,
        principal.user_id,
        status=status,
        page=page,
        page_size=page_size,
        cursor=cursor,
    )


@get(
    "/api/v1/orders/{order_id:uuid}",
    operation_id="read_order",
    opt=access(LOGGED_IN, problems=(Unavailable,)),
)
async def read_order(
    request: Request[Any, Any, Any], principal: Caller, order_id: FromPath[UUID]
) -> OrderAnswer:
    """One of your own orders; with its tickets once it is paid."""
    booking = booking_of(request)
    return await reading.read_order(booking.pool, booking.issuing, principal.user_id, order_id)


@get(
    "/api/v1/orders/{order_id:uuid}/events",
    operation_id="read_order_history",
    opt=access(LOGGED_IN, problems=(Unavailable,)),
)
async def read_order_history(
    request: Request[Any, Any, Any],
    principal: Caller,
    order_id: FromPath[UUID],
    cursor: Cursor = None,
) -> OrderHistory:
    """The history of one of your own orders, oldest first."""
    pool = booking_of(request).pool
    return await reading.read_history(pool, principal.user_id, order_id, cursor=cursor)


@post(
    "/api/v1/orders/{order_id:uuid}/cancel",
    operation_id="cancel_order",
    status_code=200,
    opt=access(LOGGED_IN, problems=(OrderNotCancellable, PaymentInProgress, Unavailable)),
)
async def cancel(
    request: Request[Any, Any, Any], principal: Caller, order_id: FromPath[UUID]
) -> OrderAnswer:
    """Cancels an unpaid order and releases its seats. Cancelling it again gives the same answer."""
    booking = booking_of(request)
    return await cancel_order(booking.pool, booking.holds, principal.user_id, order_id)


ORDER_ROUTES = [place_order, list_orders, read_order, read_order_history, cancel]
