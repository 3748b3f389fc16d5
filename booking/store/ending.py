"""Orders that end, and what is told of it."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from booking.domain.order import CHURN_MAX, CHURN_WITHIN_S
from booking.store.queries import queries
from booking.store.records import CancelledOrder, fields
from chassis.events.envelope import PendingEvent
from chassis.postgres.pool import Connection
from contracts.booking import OrderCompleted


class Remembered(msgspec.Struct, frozen=True):
    """An entry of an order's history. `type` such as `order.paid`; `data` is JSON."""

    order_id: UUID
    event_id: UUID
    type: str
    request_id: str
    data: bytes


async def lock_due_orders(
    one: Connection, *, only: Sequence[UUID] | None, payment_grace_s: float, limit: int
) -> list[UUID]:
    """Unpaid orders past their end that nobody else works on, locked; among `only` when given."""
    found = queries.lock_due_orders(
        one,
        only=list(only) if only is not None else None,
        payment_grace=timedelta(seconds=payment_grace_s),
        limit=limit,
    )
    return [row["order_id"] async for row in found]


async def cancel_orders(
    one: Connection, orders: Sequence[UUID], reason: str
) -> list[CancelledOrder]:
    """Those that were pending until now: cancelled, their seats and tallies given back. For `user` and
    `unpaid` their buyers are counted to have let go of them."""
    found = queries.cancel_orders(
        one,
        orders=list(orders),
        reason=reason,
        churn_max=CHURN_MAX,
        churn_within=timedelta(seconds=CHURN_WITHIN_S),
    )
    return [CancelledOrder(**fields(row, CancelledOrder)) async for row in found]


async def complete_orders(one: Connection, *, after: timedelta, limit: int) -> list[OrderCompleted]:
    """Paid orders whose session began `after` ago or earlier, completed."""
    found = queries.complete_orders(one, after=after, limit=limit)
    return [OrderCompleted(**fields(row, OrderCompleted)) async for row in found]


async def tell(
    one: Connection, history: Sequence[Remembered], events: Sequence[PendingEvent]
) -> None:
    """Appends to histories and to the outbox; in the transaction of what they tell.

    An entry and the event that says the same have one id, the event's.
    """
    published = {(event.type, event.subject): event.id for event in events}
    await queries.tell(
        one,
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
    )
