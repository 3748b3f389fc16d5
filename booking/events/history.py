"""Builds history entries and event data for the steps of an order."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from booking.events.store import NewHistoryEntry
from chassis.context import current
from chassis.ids import uuid7
from contracts.booking import SeatsChanged


def history_entry(order_id: UUID, type_: str, data: Any) -> NewHistoryEntry:
    """A history entry with the current request's id."""
    return NewHistoryEntry(
        order_id, uuid7(), type_, current().request_id, msgspec.json.encode(data)
    )


def seats_changed(
    session_id: UUID, seats: Sequence[int], areas: Sequence[UUID], order_id: UUID | None
) -> SeatsChanged:
    """`areas[n]` is the area of `seats[n]`."""
    counted: dict[UUID, int] = {}
    for area_id in areas:
        counted[area_id] = counted.get(area_id, 0) + 1
    by_area = {str(area_id): count for area_id, count in counted.items()}
    return SeatsChanged(session_id, list(seats), by_area, order_id)
