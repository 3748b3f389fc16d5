"""How steps of an order are told: an entry in its history, events in the outbox."""

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

import msgspec

from booking.store.ending import Remembered
from booking.store.records import CancelledOrder
from chassis.context import current
from chassis.events.envelope import PendingEvent, pending
from chassis.ids import uuid7
from contracts.booking import ORDER_CANCELLED, SEATS_RELEASED, OrderCancelled, SeatsChanged


def remembered(order_id: UUID, type_: str, data: Any) -> Remembered:
    """A history entry caused by the running request."""
    return Remembered(order_id, uuid7(), type_, current().request_id, msgspec.json.encode(data))


def seats_changed(
    session_id: UUID, seats: Sequence[int], areas: Sequence[UUID], order_id: UUID | None
) -> SeatsChanged:
    """`areas[n]` is the area of `seats[n]`."""
    counted: dict[UUID, int] = {}
    for area_id in areas:
        counted[area_id] = counted.get(area_id, 0) + 1
    by_area = {str(area_id): count for area_id, count in counted.items()}
    return SeatsChanged(session_id, list(seats), by_area, order_id)


def cancellation_told(
    order: CancelledOrder, reason: str, note: str | None = None
) -> tuple[Remembered, list[PendingEvent]]:
    """What is told of an order that was cancelled, for a `reason` and with a `note` of OrderCancelled."""
    cancelled = OrderCancelled(
        order_id=order.order_id,
        order_no=order.order_no,
        user_id=order.user_id,
        session_id=order.session_id,
        title=order.title,
        reason=_reason(reason),
        note=note,
    )
    released = seats_changed(order.session_id, order.seats, order.areas, order.order_id)
    subject = str(order.order_id)
    entry = remembered(order.order_id, ORDER_CANCELLED, {"reason": reason})
    return entry, [
        pending(ORDER_CANCELLED, subject, cancelled),
        pending(SEATS_RELEASED, subject, released),
    ]


def _reason(word: str) -> Literal["user", "unpaid", "session_cancelled"]:
    match word:
        case "user" | "unpaid" | "session_cancelled":
            return word
    raise ValueError(f"no reason to cancel an order: {word}")
