"""The internal routes: the relay delivers events, and booking asks which messages they caused."""

from typing import Any
from uuid import UUID

from litestar import Request, Response, get, post
from litestar.params import FromPath, RawBody

from chassis.auth.access import INTERNAL, access
from chassis.events.broker import EVENTS_PATH
from chassis.events.envelope import EventBatch
from chassis.events.inbox import Inbox
from chassis.http.bodies import decode
from chassis.http.dead_letters import dead_letter_routes
from contracts.notification import MESSAGES_PATH, MessagePage, MessageSpan
from notification.messages.reading import messages_of_orders, receipt_of


@post(
    EVENTS_PATH,
    operation_id="notification_take_events",
    status_code=204,
    opt=access(INTERNAL, body=EventBatch),
)
async def take_events(request: Request[Any, Any, Any], body: RawBody) -> None:
    """204 if all events are processed, now or earlier; 503 if the relay must retry."""
    inbox: Inbox = request.app.state.inbox
    await inbox.take(decode(EventBatch, body).events)


@post(MESSAGES_PATH, status_code=200, opt=access(INTERNAL), include_in_schema=False)
async def list_messages(request: Request[Any, Any, Any], body: RawBody) -> MessagePage:
    """What people were told about orders in a span of time: for `stampede reconcile`."""
    return await messages_of_orders(request.app.state.pool, decode(MessageSpan, body))


@get("/internal/orders/{order_id:uuid}/receipt", opt=access(INTERNAL), include_in_schema=False)
async def read_receipt(
    request: Request[Any, Any, Any], order_id: FromPath[UUID]
) -> Response[bytes]:
    """OrderPaid. 404 if no receipt was due."""
    found = await receipt_of(request.app.state.pool, order_id)
    return Response(found, media_type="application/json")


INTERNAL_ROUTES = [
    *(take_events, list_messages, read_receipt),
    *dead_letter_routes("notification", lambda request: request.app.state.pool),
]
