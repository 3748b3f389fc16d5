"""The internal route to which the relay delivers events."""

from typing import Any

from litestar import Request, post
from litestar.params import RawBody

from chassis.auth.access import INTERNAL, access
from chassis.events.broker import EVENTS_PATH
from chassis.events.envelope import EventBatch
from chassis.events.inbox import Inbox
from chassis.http.bodies import decode


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
