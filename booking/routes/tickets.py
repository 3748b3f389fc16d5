"""Tickets: their QR codes, PDF pages and calendar entries; and transfers."""

from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter, RawBody

from booking.domain.problems import RecipientUnknown, TicketNotTransferable
from booking.orders.calendar import order_calendar
from booking.routes.parameters import answers, booking_of
from booking.tickets.printing.calendar import CONTENT_TYPE as CALENDAR_TYPE
from booking.tickets.printing.symbol import Format
from booking.tickets.wire import TicketAnswer, TicketPage, TransferAnswer, TransferTicket
from chassis.auth.access import LOGGED_IN, PRINCIPAL, PUBLIC, access
from chassis.auth.tokens import Principal
from chassis.http.bodies import decode
from chassis.http.idempotency import ONCE, check_key, once
from chassis.http.pagination import PageNumber, PageSize
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.http.readers import reader_of
from chassis.problems import Unavailable

# A link works for anybody who has it, so a browser may keep the answer for a while. A token's answer belongs
# to one person: the next person at the same browser must not see it.
BY_LINK = {"Cache-Control": "private, max-age=300"}
BY_TOKEN = {"Cache-Control": "no-store"}
ALWAYS = {"Vary": "Authorization", "X-Content-Type-Options": "nosniff"}
READ = {"Vary": "Authorization, Accept-Language"}  # what has words in it
VIEWER_POLICY = {  # what browsers' own PDF viewers need, and no script
    "Content-Security-Policy": "default-src 'none'; object-src 'self'; img-src 'self' data:;"
    " style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
}
TYPES: dict[Format, str] = {"svg": "image/svg+xml", "png": "image/png"}
# Handlers name it `t`, as clients do: validation errors use the handler's name of a parameter.
Link = Annotated[
    str | None,
    QueryParameter(max_length=64, description="The secret from the ticket's link."),
]


def _picture(kind: Format) -> dict[int, ResponseSpec]:
    described = ResponseSpec(
        bytes, generate_examples=False, media_type=TYPES[kind], description="The QR code."
    )
    return {200: described}


@get(
    "/api/v1/tickets/{ticket_id:uuid}",
    operation_id="read_ticket",
    opt=access(LOGGED_IN, problems=(Unavailable,)),
)
async def read_ticket(
    request: Request[Any, Any, Any], principal: Caller, ticket_id: FromPath[UUID]
) -> TicketAnswer:
    """One of your own tickets."""
    return await booking_of(request).tickets.get(ticket_id, principal.user_id)


@get(
    "/api/v1/tickets/{ticket_id:uuid}/qr.svg",
    operation_id="read_ticket_svg",
    opt=access(PUBLIC, problems=(Unavailable,)),
    responses=_picture("svg"),
)
async def read_svg(
    request: Request[Any, Any, Any], ticket_id: FromPath[UUID], t: Link = None
) -> Response[bytes]:
    """The ticket's QR code as SVG; for its owner, or for anybody with the link."""
    return await _draw(request, ticket_id, "svg", t)


@get(
    "/api/v1/tickets/{ticket_id:uuid}/qr.png",
    operation_id="read_ticket_png",
    opt=access(PUBLIC, problems=(Unavailable,)),
    responses=_picture("png"),
)
async def read_png(
    request: Request[Any, Any, Any], ticket_id: FromPath[UUID], t: Link = None
) -> Response[bytes]:
    """The ticket's QR code as PNG; for its owner, or for anybody with the link."""
    return await _draw(request, ticket_id, "png", t)


async def _draw(
    request: Request[Any, Any, Any], ticket_id: UUID, kind: Format, link: str | None
) -> Response[bytes]:
    picture = await booking_of(request).tickets.picture(
        ticket_id, kind, link=link, user_id=_user_of(request)
    )
    return Response(picture, media_type=TYPES[kind], headers=_kept(request, ticket_id, link))


def _kept(request: Request[Any, Any, Any], ticket_id: UUID, link: str | None) -> dict[str, str]:
    """Caching headers of the answer to this request."""
    by_link = link is not None and booking_of(request).codes.opens(ticket_id, link)
    return (BY_LINK if by_link else BY_TOKEN) | ALWAYS


def _file(kind: str, words: str) -> dict[int, ResponseSpec]:
    return {200: ResponseSpec(bytes, generate_examples=False, media_type=kind, description=words)}


@get(
    "/api/v1/tickets/{ticket_id:uuid}/ticket.pdf",
    operation_id="read_ticket_pdf",
    opt=access(PUBLIC, problems=(Unavailable,)),
    responses=_file("application/pdf", "The ticket to print."),
)
async def read_pdf(
    request: Request[Any, Any, Any], ticket_id: FromPath[UUID], t: Link = None
) -> Response[bytes]:
    """The ticket as a PDF page; for its owner, or for anybody with the link."""
    name, page = await booking_of(request).tickets.page(
        ticket_id, link=t, user_id=_user_of(request), reader=reader_of(request)
    )
    kept = _kept(request, ticket_id, t) | READ
    return _named(name, page, "application/pdf", kept | VIEWER_POLICY)


@get(
    "/api/v1/tickets/{ticket_id:uuid}/ticket.ics",
    operation_id="read_ticket_calendar",
    opt=access(PUBLIC, problems=(Unavailable,)),
    responses=_file("text/calendar", "The session as a calendar entry (RFC 5545)."),
)
async def read_calendar(
    request: Request[Any, Any, Any], ticket_id: FromPath[UUID], t: Link = None
) -> Response[bytes]:
    """The ticket's session as a calendar entry; for its owner, or for anybody with the link."""
    name, entry = await booking_of(request).tickets.calendar(
        ticket_id, link=t, user_id=_user_of(request), reader=reader_of(request)
    )
    return _named(name, entry, CALENDAR_TYPE, _kept(request, ticket_id, t) | READ)


@get(
    "/api/v1/orders/{order_id:uuid}/calendar.ics",
    operation_id="read_order_calendar",
    opt=access(LOGGED_IN, problems=(Unavailable,)),
    responses=_file("text/calendar", "The session as a calendar entry (RFC 5545)."),
)
async def read_order_calendar(
    request: Request[Any, Any, Any], principal: Caller, order_id: FromPath[UUID]
) -> Response[bytes]:
    """One calendar entry for all seats of your own paid order."""
    booking = booking_of(request)
    name, entry = await order_calendar(
        booking.pool,
        booking.codes,
        booking.readers,
        principal.user_id,
        order_id,
        reader=reader_of(request),
    )
    return _named(name, entry, CALENDAR_TYPE, BY_TOKEN | ALWAYS | READ)


def _named(name: str, body: bytes, kind: str, headers: dict[str, str]) -> Response[bytes]:
    shown = {"Content-Disposition": f'inline; filename="{name}"'}
    return Response(body, media_type=kind, headers=headers | shown)


def _user_of(request: Request[Any, Any, Any]) -> UUID | None:
    principal: Principal | None = request.scope.get(PRINCIPAL)  # type: ignore[assignment]
    return principal.user_id if principal else None


TicketStatus = Annotated[
    Literal["valid", "checked_in", "void"] | None,
    QueryParameter(name="status", description="Only tickets with this status."),
]


@get(
    "/api/v1/tickets",
    operation_id="list_tickets",
    opt=access(LOGGED_IN, problems=(Unavailable,)),
)
async def list_tickets(
    request: Request[Any, Any, Any],
    principal: Caller,
    *,
    status: TicketStatus = None,
    page: PageNumber = 1,
    page_size: PageSize = 20,
) -> TicketPage:
    """Your own tickets, newest first; bought ones and received ones."""
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
    responses=answers(TransferAnswer, 201, "Transferred."),
)
async def transfer_ticket(
    request: Request[Any, Any, Any],
    principal: Caller,
    ticket_id: FromPath[UUID],
    body: RawBody,
    idempotency_key: IdempotencyKey = None,
) -> Response[bytes]:
    """Transfers your ticket to another account at once. Its code becomes invalid; the recipient gets a
    new one."""
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


TICKET_ROUTES = [
    *(list_tickets, read_ticket, transfer_ticket),
    *(read_svg, read_png, read_pdf, read_calendar, read_order_calendar),
]
