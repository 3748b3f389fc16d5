"""Orders as their owners read them: one, a page of them, the history of one."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from booking.domain.order import OrderStatus
from booking.orders import store
from booking.orders.records import Order
from booking.orders.wire import OrderAnswer, OrderEvent, OrderHistory, OrderPage, order_answer
from booking.tickets.issuing import TicketIssuing
from chassis.clock import whole_second
from chassis.http.pagination import offset
from chassis.postgres.pool import Pool, connection
from chassis.problems import FieldError, NotFound, ValidationFailed

HISTORY_PAGE_SIZE = 100
CURSOR_LENGTH_MAX = 128
POSITION_MAX = 2**63 - 1
BEFORE_ALL = -1  # an order's beginning may be at position 0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS_MAX = 10**17  # far beyond any order, and within what a datetime can be


async def read_order(
    pool: Pool, tickets: TicketIssuing, user_id: UUID, order_id: UUID
) -> OrderAnswer:
    """Raises NotFound unless it is the user's own."""
    async with connection(pool) as db:
        order = await store.get_order(db, order_id, user_id)
        if order is None:
            raise NotFound()
        if order.paid_at is None:
            return order_answer(order)
        issued = await tickets.of_order(db, order_id)
        places = await store.list_places(db, order_id, user_id)
    return order_answer(order, tickets=issued, places=places)


async def list_orders(
    pool: Pool,
    user_id: UUID,
    *,
    status: OrderStatus | None,
    page: int,
    page_size: int,
    cursor: str | None,
) -> OrderPage:
    """Newest first. With a cursor it goes on behind that, whatever `page` says."""
    before = _read_cursor(cursor) if cursor is not None else None
    async with connection(pool) as db:
        orders, total = await store.list_orders(
            db,
            user_id,
            status=status,
            before=before,
            limit=page_size + 1,
            offset=0 if before else offset(page, page_size),
        )
    shown = orders[:page_size]
    more = len(orders) > page_size
    return OrderPage(
        orders=[order_answer(order) for order in shown],
        page=page,
        page_size=page_size,
        total=total,
        next_cursor=_cursor_behind(shown[-1]) if more else None,
    )


async def read_history(
    pool: Pool, user_id: UUID, order_id: UUID, *, cursor: str | None
) -> OrderHistory:
    """Oldest first. Raises NotFound unless it is the user's own order."""
    after = _read_position(cursor) if cursor is not None else BEFORE_ALL
    async with connection(pool) as db:
        if not await store.owns_order(db, order_id, user_id):
            raise NotFound()
        entries = await store.list_order_events(
            db, order_id, after=after, limit=HISTORY_PAGE_SIZE + 1
        )
    shown = entries[:HISTORY_PAGE_SIZE]
    more = len(entries) > HISTORY_PAGE_SIZE
    events = [
        OrderEvent(
            event_id=entry.event_id,
            type=entry.type,
            time=whole_second(entry.time),
            request_id=entry.request_id,
            data=msgspec.json.decode(entry.data),
        )
        for entry in shown
    ]
    return OrderHistory(
        events=events, next_cursor=_encode(str(shown[-1].position)) if more else None
    )


def _cursor_behind(order: Order) -> str:
    microseconds = (order.created_at - EPOCH) // timedelta(microseconds=1)
    return _encode(f"{microseconds}.{order.order_id}")


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        microseconds, _, order_id = _decode(cursor).partition(".")
        if not 0 <= int(microseconds) <= MICROSECONDS_MAX:
            raise ValueError
        return EPOCH + timedelta(microseconds=int(microseconds)), UUID(order_id)
    except ValueError:
        raise _bad_cursor() from None


def _read_position(cursor: str) -> int:
    try:
        position = int(_decode(cursor))
    except ValueError:
        raise _bad_cursor() from None
    if not 0 <= position <= POSITION_MAX:
        raise _bad_cursor()
    return position


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode("ascii")).rstrip(b"=").decode("ascii")


def _decode(cursor: str) -> str:
    """Raises ValueError on what _encode did not make."""
    if len(cursor) > CURSOR_LENGTH_MAX:
        raise ValueError
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return base64.urlsafe_b64decode(padded).decode("ascii")
    except binascii.Error:
        raise ValueError from None


def _bad_cursor() -> ValidationFailed:
    error = FieldError("cursor", "is none of those that this list gave out")
    return ValidationFailed(errors=[error])
