"""What booking's outbox tells: every event of it, oldest first, as the relay would send it."""

from typing import Any

from booking.events.unfolding import ORDER_STEPS
from chassis.events.envelope import Event
from chassis.events.unfolding import events_of
from tests.support.booking import booking_tables

UNDELIVERED = (
    "SELECT event_id, type, subject, request_id, data::text AS data, created_at, traceparent"
    " FROM outbox ORDER BY position"
)


async def events_waiting(database_url: str, type_: str | None = None) -> list[Event]:
    """`type_`: only those, such as `order.paid`."""
    async with booking_tables(database_url) as tables:
        db: Any = tables
        told = await events_of(db, await tables.fetch(UNDELIVERED), "booking", ORDER_STEPS)
    events = [event for one in told for event in one]
    return [event for event in events if type_ in {None, event.type[len("stampede.") : -3]}]
