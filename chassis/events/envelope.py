"""Events as they travel: the CloudEvents 1.0 envelope in JSON, with the request id as extension."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from chassis.context import current
from chassis.ids import uuid7


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `type` as `stampede.order.paid.v1`; `subject` is what its order is kept by.

    `data` is JSON bytes here, an object on the wire, encoded once and never decoded on the way.
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


class EventBatch(msgspec.Struct, frozen=True):
    """What a relay hands to a subscriber: oldest first, order per subject kept."""

    events: list[Event]


class PendingEvent(msgspec.Struct, frozen=True):
    """An event before PostgreSQL has given it its time: what a use case writes to the outbox."""

    id: UUID
    type: str
    subject: str
    request_id: str
    data: bytes


def pending(type_: str, subject: str, data: Any) -> PendingEvent:
    """An event caused by the running request. `data` is anything msgspec can encode."""
    return PendingEvent(
        id=uuid7(),
        type=type_,
        subject=subject,
        request_id=current().request_id,
        data=msgspec.json.encode(data),
    )
