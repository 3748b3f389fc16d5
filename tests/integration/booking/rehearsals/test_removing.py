"""A rehearsal's rows go, some people at a time, and nobody else's do."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.rehearsals import store
from booking.rehearsals.store import Since
from booking.seats.keys import session_keys
from booking.seats.loaded import list_loaded, unload
from chassis.postgres.pool import Pool
from contracts.rehearsals import rehearsal_id
from tests.support.booking import BookingApp, booking_tables, is_sound, running_booking
from tests.support.outbox import events_waiting

PEOPLE = [uuid4() for _ in range(5)]
TABLES = (
    "orders", "order_items", "seat_claims", "user_tallies", "order_events", "payments", "provider_events",
    "provider_references", "tickets", "outbox", "event_archive", "refunds", "refund_items",
    "idempotency_keys", "order_keys",
)  # fmt: skip


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


def rehearsed(app: BookingApp) -> UUID:
    """A session on sale whose id has the mark."""
    real, marked = app.neighbours.publish(), rehearsal_id()
    house = app.neighbours
    house.terms[marked] = msgspec.structs.replace(house.terms.pop(real), session_id=marked)
    house.plans[marked] = msgspec.structs.replace(house.plans.pop(real), session_id=marked)
    return marked


async def buy(app: BookingApp, session_id: UUID) -> None:
    """Some pay, one leaves, one is confirmed later."""
    for place, user in enumerate(PEOPLE):
        order = await app.order(user, session_id, seats=[place + 1], key=f"{session_id}-{place}")
        assert order.status == 201, order
        if place:
            token = "tok_async" if place == 1 else "tok_ok"
            paid = await app.pay(user, order.json["order_id"], token=token)
            assert paid.status in {200, 202}, paid


async def rows(database_url: str) -> dict[str, list[str]]:
    async with booking_tables(database_url) as tables:
        return {
            name: sorted(row[0] for row in await tables.fetch(f"SELECT t::text FROM {name} t"))
            for name in TABLES
        }


async def remove(pool: Pool, session_id: UUID, since: Since) -> int:
    """Two people at a time. How many times that were."""
    steps = 0
    while await store.remove_some(pool, session_id, since, people_max=2):
        steps += 1
    return steps


@pytest.fixture
def pool(app: BookingApp) -> Pool:
    return app.services.pool


async def test_what_real_people_have_stays_and_what_the_rehearsal_had_goes(
    app: BookingApp, pool: Pool, database_url: str
) -> None:
    real, shadow = app.neighbours.publish(), rehearsed(app)
    await buy(app, real)
    before = await rows(database_url)
    version = await app.services.holds.state(real)
    since = Since(datetime.now(UTC), await store.last_position(pool))
    await store.block_seats(pool, shadow, [20, 21])
    await buy(app, shadow)
    await is_sound(app)
    sold = await store.sold_figures(pool, shadow)
    assert (sold.orders, sold.paid, sold.sold, sold.held, sold.twice) == (5, 3, 3, 2, 0)
    await unload(app.services.holds.calls, shadow)
    assert await remove(pool, shadow, since) == 3
    assert await rows(database_url) == before
    assert (await list_loaded(app.services.holds.calls)).sessions == [real]
    assert await app.services.holds.calls.command("EXISTS", *session_keys(shadow)) == 0
    assert await app.services.holds.state(real) == version
    await is_sound(app)


async def test_every_invariant_holds_after_each_step_of_the_removal(
    app: BookingApp, pool: Pool
) -> None:
    shadow = rehearsed(app)
    since = Since(datetime.now(UTC), await store.last_position(pool))
    await buy(app, shadow)
    await unload(app.services.holds.calls, shadow)
    steps = 0
    while await store.remove_some(pool, shadow, since, people_max=1):
        steps += 1
        await is_sound(app)
    assert steps == len(PEOPLE)


async def test_events_are_found_by_their_orders_delivered_or_not(
    app: BookingApp, pool: Pool, database_url: str
) -> None:
    shadow = rehearsed(app)
    since = Since(datetime.now(UTC), await store.last_position(pool))
    await buy(app, shadow)
    written = {event.id for event in await events_waiting(database_url)}
    async with booking_tables(database_url) as tables:
        await tables.execute(
            "WITH gone AS (DELETE FROM outbox WHERE position IN (SELECT position FROM outbox LIMIT 5)"
            " RETURNING *) INSERT INTO event_archive (slot, position, event_id, type, subject, request_id,"
            " data, created_at) SELECT archive_slot(created_at), position, event_id, type, subject,"
            " request_id, data, created_at FROM gone"
        )
    pages = [page async for page in store.order_pages(pool, shadow)]
    assert [len(page) for page in pages] == [5]
    assert set(await store.events_of(pool, pages[0], since)) == written
    assert len(written) > 10


@pytest.mark.parametrize("do", [store.remove_some, store.block_seats])
async def test_a_session_without_the_mark_is_refused(pool: Pool, do: Any) -> None:
    since: Any = Since(datetime.now(UTC), 0) if do is store.remove_some else [1]
    with pytest.raises(ValueError, match="is no rehearsal"):
        await do(pool, uuid4(), since)


async def test_who_sells_for_real_is_seen_and_a_rehearsal_is_not(
    app: BookingApp, pool: Pool
) -> None:
    await buy(app, rehearsed(app))
    assert not await store.is_selling(pool, datetime.now(UTC).timestamp() - 300)
    await buy(app, app.neighbours.publish())
    assert await store.is_selling(pool, datetime.now(UTC).timestamp() - 300)
    assert not await store.is_selling(pool, datetime.now(UTC).timestamp() + 300)


async def test_one_rehearsal_runs_at_a_time(pool: Pool) -> None:
    async with store.alone(pool) as first, store.alone(pool) as second:
        assert (first, second) == (True, False)
    async with store.alone(pool) as again:
        assert again


class RealProvider:
    """As a provider that takes real money: whoever calls it has failed."""

    name = "stripe"
    charged = 0

    async def charge(self, _: Any) -> None:
        RealProvider.charged += 1
        raise AssertionError("a rehearsal reached a real provider")


async def test_no_real_provider_is_ever_asked_for_a_rehearsals_money(app: BookingApp) -> None:
    order = await app.order(PEOPLE[0], rehearsed(app), seats=[1])
    app.provider.now = RealProvider()
    app.provider.name = "stripe"
    paid = await app.pay(PEOPLE[0], order.json["order_id"])
    assert (paid.status, paid.code) == (409, "order-not-payable")
    assert RealProvider.charged == 0
