"""The rows of booking's outbox that stand for several events: an order as it was placed, and as it was sold.

The row of an order that was placed is empty: the order's own row says all that its events tell, and none of
that ever changes. The row of an order that was sold has the data of `order.paid`; the two events beside it
tell parts of that.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from booking.events.history import seats_changed
from chassis.events.unfolding import Part
from chassis.ids import eldest_since
from chassis.postgres.pool import Connection, load_queries
from contracts import booking as told

SKEW_S = (
    900.0  # between an id's time, which is a process's, and PostgreSQL's (PROMISES, P9: ±10 min)
)

# Types of rows. They never leave booking.
ORDER_PLACED = "booking.order_placed"
ORDER_SOLD = "booking.order_sold"

queries = load_queries(Path(__file__).parent / "sql")


class _Sold(msgspec.Struct):
    """What the events beside `order.paid` need of its data."""

    order_id: UUID
    user_id: UUID
    session_id: UUID
    items: list[told.OrderItem]
    tickets: list[told.IssuedTicket]


_SOLD = msgspec.json.Decoder(_Sold)
_ITEMS = msgspec.json.Decoder(list[told.OrderItem])


class OrderSteps:
    """See chassis.events.unfolding.Unfolding."""

    types: ClassVar[Mapping[str, Sequence[str]]] = {
        ORDER_PLACED: (told.ORDER_CREATED, told.SEATS_HELD),
        ORDER_SOLD: (told.ORDER_PAID, told.SEATS_SOLD, told.TICKETS_ISSUED),
    }

    # All that it says is in the order's row, which is kept much longer.
    unarchived: ClassVar[Collection[str]] = (ORDER_PLACED,)

    async def past_rows(
        self, db: Connection, *, since: datetime, until: datetime, after: UUID, limit: int
    ) -> list[Any]:
        eldest = eldest_since(since.timestamp() - SKEW_S)
        found = queries.past_orders(
            db,
            placed_type=ORDER_PLACED,
            eldest=max(eldest, UUID(int=after.int + 1)),
            end=eldest_since(until.timestamp() + SKEW_S),
            since=since,
            until=until,
            limit=limit,
        )
        return [row async for row in found]

    async def unfold(self, db: Connection, rows: Sequence[Any]) -> list[list[Part]]:
        # the row of a placed order has its order's id
        wanted = [row["event_id"] for row in rows if row["type"] == ORDER_PLACED]
        orders = {}
        if wanted:
            found = queries.placed_orders(db, orders=wanted)
            orders = {order["order_id"]: order async for order in found}
        return [
            _sold(row)
            if row["type"] == ORDER_SOLD
            else _placed(row["event_id"], orders.get(row["event_id"]))
            for row in rows
        ]


ORDER_STEPS = OrderSteps()


def ids_beside(event_id: UUID, type_: str) -> dict[UUID, str]:
    """Ids and types of the events that a row stands for."""
    types = OrderSteps.types.get(type_, (type_,))
    return {_beside(event_id, place): each for place, each in enumerate(types)}


def _beside(event_id: UUID, place: int) -> UUID:
    """The id of a row's event: the row's own, or one that differs from it in the last two bits. These are
    random, so it is as unlikely to be another event's as any new id is."""
    return UUID(int=event_id.int ^ place)


def _placed(event_id: UUID, order: Any) -> list[Part]:
    if order is None:  # deleted since, as a rehearsal is
        return []
    items = _ITEMS.decode(order["items"])
    created = told.OrderCreated(
        order_id=order["order_id"],
        order_no=order["order_no"],
        user_id=order["user_id"],
        session_id=order["session_id"],
        title=order["title"],
        venue=order["venue"],
        starts_at=order["starts_at"],
        time_zone=order["time_zone"],
        items=items,
        total_amount=order["total_amount"],
        currency=order["currency"],
        expires_at=order["expires_at"],
    )
    return [
        Part(event_id, told.ORDER_CREATED, msgspec.json.encode(created)),
        Part(
            _beside(event_id, 1),
            told.SEATS_HELD,
            _seats(order["session_id"], order["order_id"], items),
        ),
    ]


def _sold(row: Any) -> list[Part]:
    data = row["data"].encode()
    sale = _SOLD.decode(data)
    issued = told.TicketsIssued(sale.order_id, sale.user_id, sale.session_id, sale.tickets)
    event_id = row["event_id"]
    return [
        Part(event_id, told.ORDER_PAID, data),
        Part(
            _beside(event_id, 1),
            told.SEATS_SOLD,
            _seats(sale.session_id, sale.order_id, sale.items),
        ),
        Part(_beside(event_id, 2), told.TICKETS_ISSUED, msgspec.json.encode(issued)),
    ]


def _seats(session_id: UUID, order_id: UUID, items: Sequence[told.OrderItem]) -> bytes:
    seats = [item.seat_id for item in items]
    areas = [item.area_id for item in items]
    return msgspec.json.encode(seats_changed(session_id, seats, areas, order_id))
