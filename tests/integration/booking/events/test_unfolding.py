"""One row of the outbox for all the events of a step: what leaves is as it was when each had a row."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jsonschema_rs
import msgspec
import pytest

from booking.events.metrics import count_relayed
from booking.events.schemas import schemas
from booking.events.unfolding import ORDER_STEPS
from chassis.events.archive import read
from chassis.events.broker import MemoryBroker, PartlyTaken
from chassis.events.envelope import Event
from chassis.events.relay import Relay
from chassis.observability import logs
from contracts.booking import ORDER_CREATED, SEATS_HELD, SEATS_SOLD
from tests.support.booking import BookingApp, booking_tables, running_booking
from tests.support.events import subscriber
from tests.support.outbox import events_waiting

USER = uuid4()
BOUGHT = ["order.created", "seats.held", "order.paid", "seats.sold", "tickets.issued"]


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


class Consumer:
    """Takes every type, or refuses once."""

    def __init__(self, name: str = "all", *, refusals: int = 0, only: str | None = None) -> None:
        self.taken: list[Event] = []
        types = frozenset(schemas()) if only is None else frozenset({only})
        self.subscriber = subscriber(self._take, name, types)
        self._refusals = refusals

    async def _take(self, events: list[Event]) -> int | None:
        if self._refusals:
            self._refusals -= 1
            return 503
        self.taken += events
        return None


def relay(app: BookingApp, *consumers: Consumer, count: Any = count_relayed) -> Relay:
    broker = MemoryBroker([one.subscriber for one in consumers])
    return Relay(
        app.services.pool, broker, source="booking", log=logs.get("test"), archive=True,
        unfolding=ORDER_STEPS, count=count,
    )  # fmt: skip


def kinds(events: list[Event]) -> list[str]:
    return [one.type.removeprefix("stampede.").removesuffix(".v1") for one in events]


async def bought(app: BookingApp) -> str:
    """Two seats, paid: two rows of the outbox."""
    order_id: str = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    assert (await app.pay(USER, order_id)).status == 200
    return order_id


async def test_five_events_of_a_purchase_leave_in_their_order_and_by_their_schemas(
    app: BookingApp, database_url: str
) -> None:
    order_id = await bought(app)
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM outbox") == 2
    hearing, counted = Consumer(), list[Event]()
    assert await relay(app, hearing, count=counted.extend).round() == 2
    assert kinds(hearing.taken) == kinds(counted) == BOUGHT
    assert {event.subject for event in hearing.taken} == {order_id}
    assert len({event.id for event in hearing.taken}) == 5
    stored = schemas()
    order = (await app.get(f"/orders/{order_id}", user=USER)).json
    for event in hearing.taken:
        data = msgspec.json.decode(event.data)
        jsonschema_rs.validator_for(stored[event.type]).validate(data)
        assert data["order_id"] == order_id
        assert data["session_id"] == order["session_id"]
        for shared in {"items", "order_no", "title", "total_amount", "expires_at"} & set(data):
            assert data[shared] == order[shared]
        if event.type.startswith("stampede.seats."):
            assert data["seats"] == [item["seat_id"] for item in order["items"]]
            assert data["areas"] == {order["items"][0]["area_id"]: 2}


async def test_what_one_consumer_lacks_comes_again_with_its_id_and_nothing_else(
    app: BookingApp, database_url: str
) -> None:
    await bought(app)
    before = await events_waiting(database_url)
    hearing, late = Consumer(), Consumer("late", refusals=1, only=SEATS_SOLD)
    sending = relay(app, hearing, late)
    with pytest.raises(PartlyTaken):
        await sending.round()
    async with booking_tables(
        database_url
    ) as tables:  # the step with the missing event stays whole
        assert await tables.fetchval("SELECT count(*) FROM outbox") == 1
    await sending.round()
    assert [event.id for event in hearing.taken] == [event.id for event in before]
    assert [event.id for event in late.taken] == [before[3].id]


async def test_a_replay_gives_what_was_delivered_type_by_type(app: BookingApp) -> None:
    await bought(app)
    hearing = Consumer()
    await relay(app, hearing).round()
    now = datetime.now(UTC)
    for types in ([SEATS_HELD], [ORDER_CREATED, SEATS_SOLD], sorted(schemas())):
        pages = read(
            app.services.pool, "booking", since=now - timedelta(minutes=5),
            until=now + timedelta(minutes=5), types=types, unfolding=ORDER_STEPS,
        )  # fmt: skip
        again = [event async for page in pages for event in page]
        assert [(one.id, one.type, bytes(one.data)) for one in again] == [
            (one.id, one.type, bytes(one.data)) for one in hearing.taken if one.type in types
        ]


async def replayed(
    app: BookingApp, since: datetime, until: datetime, *, page_rows: int = 100
) -> list[Event]:
    pages = read(
        app.services.pool, "booking", since=since, until=until, types=sorted(schemas()),
        unfolding=ORDER_STEPS, page_rows=page_rows,
    )  # fmt: skip
    return [event async for page in pages for event in page]


async def test_the_archive_leaves_out_what_the_row_of_the_order_says(
    app: BookingApp, database_url: str
) -> None:
    session = app.neighbours.publish()
    orders = [(await app.order(USER, session)).json["order_id"] for _ in range(3)]
    await app.pay(USER, orders[0])
    hearing = Consumer()
    await relay(app, hearing).round()
    async with booking_tables(database_url) as tables:
        archived = await tables.fetch("SELECT subject FROM event_archive")
        assert [row["subject"] for row in archived] == [orders[0]]
        moments = await tables.fetch("SELECT created_at FROM orders ORDER BY order_id")
    now, hour = datetime.now(UTC), timedelta(hours=1)
    again = await replayed(app, now - hour, now + hour, page_rows=1)
    assert {one.id for one in again} == {one.id for one in hearing.taken}
    assert len(again) == len(hearing.taken)
    for order_id in orders:
        mine = [one.id for one in hearing.taken if one.subject == order_id]
        assert [one.id for one in again if one.subject == order_id] == mine
    second, third = moments[1]["created_at"], moments[2]["created_at"]
    some = await replayed(app, second, third)
    assert {one.subject for one in some if one.type == ORDER_CREATED} == {orders[1]}


async def test_what_a_release_before_archived_is_not_replayed_twice(
    app: BookingApp, database_url: str
) -> None:
    """It archived the row of a placed order too. Its own orders, whose items are elsewhere, have all their
    events in the archive, under other ids."""
    await bought(app)
    older = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    hearing = Consumer()
    async with booking_tables(database_url) as tables:
        await tables.execute(
            "INSERT INTO event_archive (slot, position, event_id, type, subject, request_id, data,"
            " created_at) SELECT archive_slot(created_at), position, event_id, type, subject, request_id,"
            " data, created_at FROM outbox WHERE type = 'booking.order_placed'"
        )
        await relay(app, hearing).round()
        await tables.execute(
            "UPDATE orders SET items = NULL, request_id = NULL WHERE order_id = $1", UUID(older)
        )
    now, hour = datetime.now(UTC), timedelta(hours=1)
    again = await replayed(app, now - hour, now + hour)
    assert [one.id for one in again] == [one.id for one in hearing.taken if one.subject != older]


async def test_an_order_that_was_deleted_since_is_told_of_no_more(
    app: BookingApp, database_url: str
) -> None:
    order_id = (await app.order(USER, app.neighbours.publish())).json["order_id"]
    async with booking_tables(database_url) as tables:
        await tables.execute("DELETE FROM orders WHERE order_id = $1", UUID(order_id))
    hearing = Consumer()
    assert await relay(app, hearing).round() == 1
    assert hearing.taken == []
