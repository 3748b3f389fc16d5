"""What changes an order's price or a ticket's holder: promo codes, transfers."""

from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, Response, get, patch, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter, RawBody

from booking.answers import PromoCodeAnswer, PromoCodePage, TicketPage, TransferAnswer
from booking.domain.problems import PromoCodeTaken, RecipientUnknown, TicketNotTransferable
from booking.promo_codes import create_promo_code
from booking.requests import ChangePromoCode, CreatePromoCode, TransferTicket
from booking.routes.parameters import Asker, IdempotencyKey, booking_of
from chassis.auth.access import LOGGED_IN, access
from chassis.http.bodies import decode
from chassis.http.idempotency import check_key, once
from chassis.http.pagination import PageNumber, PageSize
from chassis.problems import IdempotencyInFlight, IdempotencyKeyReused, Unavailable

ORGANIZERS = ("organizer", "admin")
ONCE = (IdempotencyInFlight, IdempotencyKeyReused)
TicketStatus = Annotated[
    Literal["valid", "checked_in", "void"] | None,
    QueryParameter(name="status", description="Only tickets that are so now."),
]


def _created(kind: type[Any]) -> dict[int, ResponseSpec]:
    return {201: ResponseSpec(kind, generate_examples=False, description="Made.")}


@post(
    "/api/v1/shows/{show_id:uuid}/promo-codes",
    operation_id="create_promo_code",
    status_code=201,
    opt=access(*ORGANIZERS, body=CreatePromoCode, problems=(PromoCodeTaken, Unavailable, *ONCE)),
    responses=_created(PromoCodeAnswer),
)
async def make_promo_code(
    request: Request[Any, Any, Any],
    principal: Asker,
    show_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Makes a promo code for your own show."""
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
    principal: Asker,
    show_id: FromPath[UUID],
    *,
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> PromoCodePage:
    """The promo codes of your own show with their uses, newest first."""
    codes = booking_of(request).promo_codes
    return await codes.of_show(principal, show_id, page=page, page_size=page_size)


@patch(
    "/api/v1/promo-codes/{promo_code_id:uuid}",
    operation_id="change_promo_code",
    opt=access(*ORGANIZERS, body=ChangePromoCode, problems=(Unavailable,)),
)
async def change_promo_code(
    request: Request[Any, Any, Any], principal: Asker, promo_code_id: FromPath[UUID], body: RawBody
) -> PromoCodeAnswer:
    """Deactivates a promo code of yours, or changes its limits and window; orders keep their price."""
    change = decode(ChangePromoCode, body)
    return await booking_of(request).promo_codes.change(principal, promo_code_id, change)


@get(
    "/api/v1/tickets",
    operation_id="list_tickets",
    opt=access(LOGGED_IN, problems=(Unavailable,)),
)
async def list_tickets(
    request: Request[Any, Any, Any],
    principal: Asker,
    *,
    status: TicketStatus = None,
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> TicketPage:
    """Your own tickets, newest first: those you bought and those you were given."""
    tickets = booking_of(request).tickets
    return await tickets.of_user(principal.user_id, status=status, page=page, page_size=page_size)


@post(
    "/api/v1/tickets/{ticket_id:uuid}/transfer",
    operation_id="transfer_ticket",
    status_code=201,
    opt=access(
        LOGGED_IN,
        body=TransferTicket,
        problems=(TicketNotTransferable, RecipientUnknown, Unavailable, *ONCE),
    ),
    responses=_created(TransferAnswer),
)
async def transfer_ticket(
    request: Request[Any, Any, Any],
    principal: Asker,
    ticket_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Gives your ticket to another account, at once: its code dies, the recipient gets a new one."""
    booking, wanted = booking_of(request), decode(TransferTicket, body)
    check_key(idempotency_key)
    user_id, transfers = principal.user_id, booking.transfers
    handover = await transfers.recipient(user_id, ticket_id, wanted.to_email)
    return await once(
        booking.pool,
        user_id=user_id,
        route=f"transfer_ticket {ticket_id}",
        key=idempotency_key,
        body=wanted,
        status=201,
        effect=lambda one: transfers.move(one, user_id, ticket_id, handover),
    )


CHANGE_ROUTES = [
    *(make_promo_code, list_promo_codes, change_promo_code),
    *(list_tickets, transfer_ticket),
]
