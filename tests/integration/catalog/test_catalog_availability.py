"""`available` follows booking's events: each once, in whatever order and company they come."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from chassis.events.envelope import Event
from contracts.booking import (
    SALE_CHANGED,
    SEATS_BLOCKED,
    SEATS_HELD,
    SEATS_RELEASED,
    SEATS_SOLD,
    SEATS_UNBLOCKED,
)
from contracts.catalog import SUBSCRIBES_TO
from tests.support.catalog import Catalog, catalog_tables, running_catalog, seats_changed


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


class Hall:
    """A published session of 10 seats and 5 standing places."""

    def __init__(self, catalog: Catalog, session: Any) -> None:
        self.catalog, self.session_id = catalog, session["session_id"]
        self.vip, self.standing = (area["area_id"] for area in session["seat_areas"])

    def event(self, type_: str, **seats: int) -> Event:
        areas = {getattr(self, name): count for name, count in seats.items()}
        return seats_changed(type_, self.session_id, areas)

    async def available(self) -> list[int]:
        """As the organizer reads it: from the database, never kept."""
        path = f"/sessions/{self.session_id}"
        answer = await self.catalog.get(path, token=self.catalog.organizer)
        return [area["available"] for area in answer.json["seat_areas"]]


@pytest.fixture
async def hall(catalog: Catalog) -> Hall:
    return Hall(catalog, await catalog.session(await catalog.show()))


async def test_seats_go_and_come_back(hall: Hall) -> None:
    for type_, seats, left in [
        (SEATS_HELD, {"vip": 3, "standing": 1}, [7, 4]),
        (SEATS_RELEASED, {"vip": 1}, [8, 4]),
        (SEATS_BLOCKED, {"vip": 5}, [3, 4]),
        (SEATS_UNBLOCKED, {"vip": 2}, [5, 4]),
        (SEATS_SOLD, {"vip": 2}, [5, 4]),  # sold seats were held before
    ]:
        answer = await hall.catalog.deliver([hall.event(type_, **seats)])
        assert (answer.status, answer.body) == (204, b"")
        assert await hall.available() == left


async def test_an_event_delivered_twice_counts_once(hall: Hall, database_url: str) -> None:
    events = [hall.event(SEATS_HELD, vip=2), hall.event(SEATS_HELD, vip=1)]
    for batch in (events, events, [events[0], events[0]], [*events, hall.event(SEATS_HELD, vip=1)]):
        assert (await hall.catalog.deliver(batch)).status == 204
    assert await hall.available() == [6, 5]
    async with catalog_tables(database_url) as tables:
        # the control: without its inbox row the same event counts again
        await tables.execute("DELETE FROM inbox WHERE event_id = $1", events[0].id)
    await hall.catalog.deliver(events)
    assert await hall.available() == [4, 5]


async def test_two_deliveries_at_once_count_once(hall: Hall) -> None:
    events = [hall.event(SEATS_HELD, vip=1, standing=1) for _ in range(4)]
    backwards = list(reversed(events))
    answers = await asyncio.gather(
        *(hall.catalog.deliver(batch) for batch in [events, backwards] * 4)
    )
    assert {answer.status for answer in answers} <= {204, 503}
    await hall.catalog.deliver(events)
    assert await hall.available() == [6, 1]


async def test_order_does_not_matter_even_below_nothing(hall: Hall) -> None:
    await hall.catalog.deliver([hall.event(SEATS_HELD, vip=10)])
    # two buyers after each other have the same seats; the second one's event comes first
    await hall.catalog.deliver([hall.event(SEATS_HELD, vip=4)])
    assert await hall.available() == [0, 5]
    await hall.catalog.deliver([hall.event(SEATS_RELEASED, vip=4)])
    assert await hall.available() == [0, 5]
    await hall.catalog.deliver([hall.event(SEATS_RELEASED, vip=10)])
    assert await hall.available() == [10, 5]
    await hall.catalog.deliver([hall.event(SEATS_RELEASED, standing=1)])
    assert await hall.available() == [10, 5]  # never more than there are
    await hall.catalog.deliver([hall.event(SEATS_HELD, standing=1)])
    assert await hall.available() == [10, 5]


async def test_hundreds_of_events_over_many_sessions_add_up(catalog: Catalog) -> None:
    show_id = await catalog.show()
    halls = [Hall(catalog, await catalog.session(show_id)) for _ in range(5)]
    moves = itertools.chain.from_iterable(
        [hall.event(SEATS_HELD, vip=1, standing=1), hall.event(SEATS_RELEASED, vip=1)]
        for hall in halls
        for _ in range(3)
    )
    events = list(moves) + [halls[0].event(SEATS_SOLD, vip=1) for _ in range(300)]
    random.Random(7).shuffle(events)
    assert (await catalog.deliver(events)).status == 204
    assert [await hall.available() for hall in halls] == [[10, 2]] * 5


async def test_an_unknown_area_or_session_is_passed_over(hall: Hall, database_url: str) -> None:
    stray = seats_changed(SEATS_HELD, str(uuid4()), {str(uuid4()): 1})
    wrong_session = seats_changed(SEATS_HELD, str(uuid4()), {hall.vip: 1})
    good = hall.event(SEATS_HELD, vip=1)
    assert (await hall.catalog.deliver([stray, wrong_session, good])).status == 204
    assert await hall.available() == [9, 5]
    async with catalog_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM dead_letters") == 0
        assert await tables.fetchval("SELECT count(*) FROM inbox") == 3


@pytest.mark.parametrize(
    "data", [{"nothing": 1}, {"session_id": str(uuid4()), "seats": [1], "areas": {"no-uuid": 1}}]
)
async def test_poison_is_set_aside_and_its_neighbours_count(
    hall: Hall, database_url: str, data: Any
) -> None:
    good = hall.event(SEATS_HELD, vip=1)
    poison = msgspec.structs.replace(
        hall.event(SEATS_HELD, vip=1), data=msgspec.Raw(msgspec.json.encode(data))
    )
    assert (await hall.catalog.deliver([poison, good])).status == 204
    assert await hall.available() == [9, 5]
    async with catalog_tables(database_url) as tables:
        assert await tables.fetchval("SELECT event_id FROM dead_letters") == poison.id


async def test_a_session_sells_out_and_opens_again(hall: Hall) -> None:
    path = f"/sessions/{hall.session_id}"
    await hall.catalog.deliver([hall.event(SEATS_HELD, vip=10, standing=5)])
    assert (await hall.catalog.get(path)).json["status"] == "sold_out"
    assert (await hall.catalog.get("/shows")).json["shows"][0]["on_sale"] is False
    await hall.catalog.deliver([hall.event(SEATS_RELEASED, vip=1)])
    own = await hall.catalog.get(path, token=hall.catalog.organizer)
    assert own.json["status"] == "on_sale"


async def test_what_is_no_batch_is_refused(catalog: Catalog) -> None:
    for body in ({"events": [{"id": "x"}]}, [], {"events": 1}):
        answer = await catalog.call("POST", "/internal/events", body)
        assert (answer.status, answer.code) == (400, "validation-failed")


def test_we_hear_of_everything_that_moves_availability() -> None:
    moving = {SEATS_HELD, SEATS_RELEASED, SEATS_BLOCKED, SEATS_UNBLOCKED}
    assert set(SUBSCRIBES_TO) == moving | {SALE_CHANGED}  # test_catalog_steered_sales.py
