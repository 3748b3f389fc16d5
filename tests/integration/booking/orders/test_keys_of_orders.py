"""One key makes one order, for the days that it is kept."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from booking.orders.store import prune_order_keys
from chassis.postgres.pool import connection
from tests.support.booking import BookingApp, booking_tables, is_sound, running_booking

USER = uuid4()


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


async def age(database_url: str, by: str) -> None:
    async with booking_tables(database_url) as tables:
        await tables.execute("UPDATE order_keys SET created_at = now() - $1::text::interval", by)


@pytest.mark.parametrize(
    ("by", "kept"), [("47 hours 59 minutes", True), ("48 hours 1 minute", False)]
)
async def test_a_key_is_kept_for_two_days_and_then_forgotten(
    app: BookingApp, database_url: str, by: str, kept: bool
) -> None:
    session_id = app.neighbours.publish()
    first = await app.order(USER, session_id, seats=[1, 2], key="k")
    await age(database_url, by)
    async with connection(app.services.pool) as db:
        await prune_order_keys(db)
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM order_keys") == kept
    if kept:
        again = await app.order(USER, session_id, seats=[1, 2], key="k")
        assert (again.status, again.json) == (201, first.json)
    await is_sound(app)


async def test_an_order_without_a_key_takes_none(app: BookingApp, database_url: str) -> None:
    session_id = app.neighbours.publish()
    for _ in range(2):
        assert (await app.order(USER, session_id)).status == 201
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM order_keys") == 0
