"""The event envelope: CloudEvents 1.0 in JSON, with the request id as an extension, and `traceparent` of the
distributed tracing extension where the request was traced."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from chassis.context import current
from chassis.ids import uuid7


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `type` is like `stampede.order.paid.v1`. Events of one `subject` are kept in order.

    `data` is JSON bytes here and an object on the wire. It is encoded once and never decoded on the way.
    """

    id: UUID
    type: str
    source: str
    subject: str
    time: datetime
    requestid: str
    data: msgspec.Raw
    specversion: str = "1.0"
    datacontenttype: str = "application/json"
    traceparent: str | msgspec.UnsetType = msgspec.UNSET


class EventBatch(msgspec.Struct, frozen=True):
    """The events that a relay delivers to a subscriber: oldest first, in order by subject."""

    events: list[Event]


class PendingEvent(msgspec.Struct, frozen=True):
    """An event that a use case writes to the outbox. PostgreSQL has not set its time yet."""

    id: UUID
    type: str
    subject: str
    request_id: str
    data: bytes
    traceparent: str | None = None


def pending(type_: str, subject: str, data: Any) -> PendingEvent:
    """An event caused by the running request. msgspec must be able to encode `data`."""
    context = current()
    return PendingEvent(
        id=uuid7(),
        type=type_,
        subject=subject,
        request_id=context.request_id,
        data=msgspec.json.encode(data),
        traceparent=context.event_traceparent,
    )
