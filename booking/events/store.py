"""Writes the order's history and the outbox, in the caller's transaction."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import msgspec

from chassis.events.envelope import PendingEvent
from chassis.postgres.pool import Connection, load_queries

queries = load_queries(Path(__file__).parent / "sql")


class NewHistoryEntry(msgspec.Struct, frozen=True):
    """An entry of an order's history. `type` is an event type; `data` is JSON."""

    order_id: UUID
    event_id: UUID
    type: str
    request_id: str
    data: bytes


async def record_and_publish(
    tx: Connection, history: Sequence[NewHistoryEntry], events: Sequence[PendingEvent]
) -> None:
    """Appends history entries and events, in the transaction of the change that they describe.

    An entry and the event of the same type and order share the event's id.
    """
    published = {(event.type, event.subject): event.id for event in events}
    await queries.record_and_publish(
        tx,
        history_orders=[entry.order_id for entry in history],
        history_ids=[
            published.get((entry.type, str(entry.order_id)), entry.event_id) for entry in history
        ],
        history_types=[entry.type for entry in history],
        history_requests=[entry.request_id for entry in history],
        history_data=[entry.data.decode() for entry in history],
        event_ids=[event.id for event in events],
        event_types=[event.type for event in events],
        event_subjects=[event.subject for event in events],
        event_requests=[event.request_id for event in events],
        event_data=[event.data.decode() for event in events],
        event_traces=[event.traceparent for event in events],
    )
