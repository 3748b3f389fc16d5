"""Reports on an organizer's own session: orders, attendees and sales, as JSON or CSV."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter

from booking.domain.order import OrderStatus
from booking.reports.tables import (
    ATTENDEE_COLUMNS,
    ORDER_COLUMNS,
    SALES_COLUMNS,
    attendees_table,
    encode_table,
    orders_table,
    sales_table,
)
from booking.reports.wire import AttendeePage, SessionOrderPage, SessionSales
from booking.routes.parameters import booking_of
from chassis.auth.access import ORGANIZERS, access
from chassis.http.pagination import PAGE_SIZE_MAX, PageNumber
from chassis.http.parameters import Caller
from chassis.problems import Unavailable

JSON, CSV = "application/json", "text/csv"
JSON_PAGE_ROWS = 20
CSV_PAGE_ROWS = 1_000  # about 150 KB, 20 ms of a core and five calls to identity
_WEIGHT = re.compile(r"(?:^|;)q=([01](?:\.[0-9]{0,3})?)(?:;|$)")
BOM = b"\xef\xbb\xbf"
# Personal data: no cache may store it, as JSON or as CSV.
HEADERS = {"Cache-Control": "no-store", "Vary": "Accept"}

OrderState = Annotated[
    OrderStatus | None, QueryParameter(name="status", description="Only orders with this status.")
]
TicketState = Annotated[
    Literal["valid", "checked_in"] | None,
    QueryParameter(name="status", description="Only tickets with this status."),
]
Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor", max_length=64, description="The `next_cursor` of a page of this list."
    ),
]
Rows = Annotated[
    int | None,
    QueryParameter(
        name="page_size",
        ge=1,
        le=PAGE_SIZE_MAX,
        description=f"Default: {JSON_PAGE_ROWS}, or {CSV_PAGE_ROWS:,} as CSV.",
    ),
]
Bom = Annotated[
    bool,
    QueryParameter(description="Begin a CSV file with a byte order mark; Excel needs it."),
]


def _csv(columns: Sequence[str]) -> str:
    return f"With `Accept: text/csv`. Columns: {', '.join(columns)}."


@get(
    "/api/v1/sessions/{session_id:uuid}/orders",
    operation_id="list_orders_of_session",
    opt=access(*ORGANIZERS, problems=(Unavailable,), csv=_csv(ORDER_COLUMNS)),
    responses={
        200: ResponseSpec(SessionOrderPage, generate_examples=False, description="Newest first.")
    },
)
async def list_orders(
    request: Request[Any, Any, Any],
    principal: Caller,
    session_id: FromPath[UUID],
    *,
    status: OrderState = None,
    page: PageNumber = 1,
    page_size: Rows = None,
    cursor: Cursor = None,
    bom: Bom = False,
) -> Response[Any]:
    """The orders of your own session, newest first, with buyer, seats, amounts and refunds."""
    as_csv = _wants_csv(request)
    found = await booking_of(request).reports.orders(
        principal,
        session_id,
        status=status.value if status else None,
        page=page,
        page_size=page_size or (CSV_PAGE_ROWS if as_csv else JSON_PAGE_ROWS),
        cursor=cursor,
    )
    if not as_csv:
        return Response(found, headers=HEADERS)
    rows = orders_table(found)
    return _table(request, "orders", ORDER_COLUMNS, rows, next_cursor=found.next_cursor, bom=bom)


@get(
    "/api/v1/sessions/{session_id:uuid}/attendees",
    operation_id="list_attendees",
    opt=access(*ORGANIZERS, problems=(Unavailable,), csv=_csv(ATTENDEE_COLUMNS)),
    responses={
        200: ResponseSpec(AttendeePage, generate_examples=False, description="In seat order.")
    },
)
async def list_attendees(
    request: Request[Any, Any, Any],
    principal: Caller,
    session_id: FromPath[UUID],
    *,
    status: TicketState = None,
    page: PageNumber = 1,
    page_size: Rows = None,
    cursor: Cursor = None,
    bom: Bom = False,
) -> Response[Any]:
    """The attendees of your own session: one row a ticket in seat order, with the time of check-in."""
    as_csv = _wants_csv(request)
    found = await booking_of(request).reports.attendees(
        principal,
        session_id,
        status=status,
        page=page,
        page_size=page_size or (CSV_PAGE_ROWS if as_csv else JSON_PAGE_ROWS),
        cursor=cursor,
    )
    if not as_csv:
        return Response(found, headers=HEADERS)
    rows = attendees_table(found)
    return _table(
        request, "attendees", ATTENDEE_COLUMNS, rows, next_cursor=found.next_cursor, bom=bom
    )


@get(
    "/api/v1/sessions/{session_id:uuid}/sales",
    operation_id="read_sales",
    opt=access(*ORGANIZERS, problems=(Unavailable,), csv=_csv(SALES_COLUMNS)),
    responses={
        200: ResponseSpec(
            SessionSales, generate_examples=False, description="All figures are of one moment."
        )
    },
)
async def read_sales(
    request: Request[Any, Any, Any],
    principal: Caller,
    session_id: FromPath[UUID],
    bom: Bom = False,
) -> Response[Any]:
    """Seats and revenue of your own session, in total and by area."""
    found = await booking_of(request).reports.sales(principal, session_id)
    if not _wants_csv(request):
        return Response(found, headers=HEADERS)
    return _table(request, "sales", SALES_COLUMNS, sales_table(found), next_cursor=None, bom=bom)


def _wants_csv(request: Request[Any, Any, Any]) -> bool:
    """Litestar's own parser fails on a weight without an end, and ignores a refusal (q=0)."""
    ranges = request.headers.get("Accept", "").lower().replace(" ", "").split(",")
    weights = {name: _weight(rest) for name, _, rest in (one.partition(";") for one in ranges)}

    def wanted(*names: str) -> float:
        return next((weights[name] for name in names if name in weights), 0.0)

    return wanted(CSV, "text/*", "*/*") > wanted(JSON, "application/*", "*/*")


def _weight(parameters: str) -> float:
    """The weight of a media range (RFC 9110, 12.4.2); 1 if it has none or an invalid one."""
    found = _WEIGHT.search(parameters)
    return float(found[1]) if found else 1.0


def _table(
    request: Request[Any, Any, Any],
    name: str,
    columns: Sequence[str],
    rows: list[Sequence[Any]],
    *,
    next_cursor: str | None,
    bom: bool,
) -> Response[bytes]:
    """One page as CSV. A page with a cursor has no header row, so that concatenated pages are one file.
    The `Link` header names the next page (RFC 8288); the last page has none."""
    asked = request.query_params
    begins = "cursor" not in asked
    body = encode_table(columns if begins else None, rows)
    if begins and bom:
        body = BOM + body
    session_id = request.path_params["session_id"]
    headers = HEADERS | {
        "Content-Disposition": f'attachment; filename="{name}-{session_id}.csv"',
        "X-Content-Type-Options": "nosniff",
    }
    if next_cursor is not None:
        kept = {key: value for key, value in asked.items() if key in {"status", "page_size"}}
        query = urlencode(kept | {"cursor": next_cursor})
        headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
    kind = f"{CSV}; header={'present' if begins else 'absent'}"  # Litestar adds the charset
    return Response(body, headers=headers, media_type=kind)


REPORT_ROUTES = [list_orders, list_attendees, read_sales]
