"""The events that notification consumes, and what it tells of the messages that they caused. Import nothing
else of notification."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

SUBSCRIBES_TO = (
    "stampede.order.created.v1",
    "stampede.order.paid.v1",
    "stampede.order.cancelled.v1",
    "stampede.payment.refunded.v1",
    "stampede.order.completed.v1",  # for organizers' webhooks
    "stampede.order.refunded.v1",
    "stampede.refund.requested.v1",
    "stampede.refund.approved.v1",
    "stampede.refund.rejected.v1",
    "stampede.refund.succeeded.v1",
    "stampede.ticket.transferred.v1",
    "stampede.refund.failed.v1",
    "stampede.password.reset_asked.v1",
    "stampede.password.changed.v1",
)

MESSAGES_PATH = "/internal/messages"  # POST MessageSpan: MessagePage
MESSAGES_PAGE_MAX = 500
# GET: OrderPaid, the event whose receipt was sent or is about to be. 404 if there is none.
RECEIPT_PATH = "/internal/orders/{order_id}/receipt"


class MessageSpan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages about orders from `since` until before `until`; `after`: the last id of the page before."""

    since: Annotated[datetime, msgspec.Meta(tz=True)]
    until: Annotated[datetime, msgspec.Meta(tz=True)]
    after: UUID | None = None


class OrderMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that an event of booking caused, and the event. `subject`: the order's id. `state`: due,
    sent, skipped or dead. `data`: the event's own, as contracts/booking.py has it."""

    message_id: UUID
    template: str
    channel: str
    state: str
    user_id: UUID
    created_at: datetime
    event_id: UUID
    type: str
    subject: UUID
    data: msgspec.Raw


class MessagePage(msgspec.Struct, frozen=True):
    """Oldest first; a full page may have more behind it."""

    messages: list[OrderMessage]
