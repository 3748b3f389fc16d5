"""Promo codes: create, list and change them."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, get, patch, post
from litestar.params import FromPath, RawBody

from booking.domain.problems import PromoCodeTaken
from booking.promo_codes.managing import create_promo_code
from booking.promo_codes.wire import (
    ChangePromoCode,
    CreatePromoCode,
    PromoCodeAnswer,
    PromoCodePage,
)
from booking.routes.parameters import answers, booking_of
from chassis.auth.access import ORGANIZERS, access
from chassis.http.bodies import decode
from chassis.http.idempotency import ONCE, check_key, once
from chassis.http.pagination import PageNumber, PageSize
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.problems import Unavailable


@post(
    "/api/v1/shows/{show_id:uuid}/promo-codes",
    operation_id="create_promo_code",
    status_code=201,
    opt=access(*ORGANIZERS, body=CreatePromoCode, problems=(PromoCodeTaken, Unavailable, *ONCE)),
    responses=answers(PromoCodeAnswer, 201, "Created."),
)
async def make_promo_code(
    request: Request[Any, Any, Any],
    principal: Caller,
    show_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Creates a promo code for your own show."""
    booking, wanted = booking_of(request), decode(CreatePromoCode, body)
    check_key(idempotency_key)
    show = await booking.promo_codes.own_show(principal, show_id)
    return await once(
        booking.pool,
        user_id=principal.user_id,
        route=f"create_promo_code {show_id}",
        key=idempotency_key,
        body=wanted,
        status=201,
        effect=lambda one: create_promo_code(one, show, wanted),
    )


@get(
    "/api/v1/shows/{show_id:uuid}/promo-codes",
    operation_id="list_promo_codes",
    opt=access(*ORGANIZERS, problems=(Unavailable,)),
)
async def list_promo_codes(
    request: Request[Any, Any, Any],
    principal: Caller,
    show_id: FromPath[UUID],
    *,
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> PromoCodePage:
    """The promo codes of your own show with their number of uses, newest first."""
    codes = booking_of(request).promo_codes
    return await codes.of_show(principal, show_id, page=page, page_size=page_size)


@patch(
    "/api/v1/promo-codes/{promo_code_id:uuid}",
    operation_id="change_promo_code",
    opt=access(*ORGANIZERS, body=ChangePromoCode, problems=(Unavailable,)),
)
async def change_promo_code(
    request: Request[Any, Any, Any], principal: Caller, promo_code_id: FromPath[UUID], body: RawBody
) -> PromoCodeAnswer:
    """Changes a promo code of your own show: its limits, its window, or whether it is active. Existing
    orders keep their price."""
    change = decode(ChangePromoCode, body)
    return await booking_of(request).promo_codes.change(principal, promo_code_id, change)


PROMO_CODE_ROUTES = [make_promo_code, list_promo_codes, change_promo_code]
