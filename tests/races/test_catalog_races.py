"""Two organizers at the same thing in the same moment: one comes first, as a whole."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import date
from typing import Any

import pytest

from tests.support.api import Answer
from tests.support.catalog import (
    AREAS,
    Catalog,
    catalog_tables,
    running_catalog,
    session_body,
    waiting,
)

ROUNDS = 8
PLAN = [{"name": "新区", "kind": "standing", "price": 1, "capacity": 7}]


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


async def held_up(database_url: str, lock: str, calls: Sequence[Awaitable[Answer]]) -> list[Answer]:
    """Starts the calls one after the other, each when the one before waits for what `lock` has taken;
    then lets go."""
    async with catalog_tables(database_url) as tables:
        async with tables.transaction():
            await tables.fetch(lock)
            tasks: list[asyncio.Future[Answer]] = []
            for call in calls:
                tasks.append(asyncio.ensure_future(call))
                while await waiting(tables) < len(tasks) and not tasks[-1].done():
                    pass
        return list(await asyncio.gather(*tasks))


def names(session: Any) -> list[str]:
    return [area["name"] for area in session["seat_areas"]]


@pytest.mark.parametrize("change_first", [True, False])
async def test_a_change_and_a_publishing_do_not_mix(
    catalog: Catalog, database_url: str, change_first: bool
) -> None:
    draft = await catalog.session(await catalog.show(), publish=False)
    path = f"/sessions/{draft['session_id']}"
    change = catalog.patch(
        path,
        {"areas": PLAN, "currency": "USD", "starts_at": "2031-01-01T00:00:00Z"}
        | {"sale_closes_at": "2030-12-01T00:00:00Z"},
    )
    publish = catalog.post(f"{path}/publish")
    calls = [change, publish] if change_first else [publish, change]
    answers = await held_up(database_url, "SELECT FROM sessions FOR UPDATE", calls)
    changed, published = answers if change_first else reversed(answers)
    assert published.status == 200, published
    now = (await catalog.get(path)).json
    if change_first:
        assert changed.status == 200, changed
        assert (names(now), now["currency"], now["date"]) == (
            ["新区"],
            "USD",
            "2031-01-01T00:00:00Z",
        )
    else:
        assert (changed.status, changed.code) == (409, "plan-frozen")
        assert now == draft | {"status": "on_sale"}
    assert published.json == now


async def test_many_changes_and_publishings_at_once_end_in_a_whole_plan(catalog: Catalog) -> None:
    """Every 200 of a change came before every 200 of a publishing: what is on sale is the last change,
    whole."""
    for _ in range(ROUNDS):
        draft = await catalog.session(await catalog.show(), publish=False)
        path = f"/sessions/{draft['session_id']}"
        barrier = asyncio.Barrier(6)

        async def call(number: int, path: str = path, barrier: asyncio.Barrier = barrier) -> Answer:
            await barrier.wait()
            if number < 2:
                return await catalog.post(f"{path}/publish")
            plan = [PLAN[0] | {"name": f"{number}-{n}", "price": number} for n in range(3)]
            body = {"areas": plan, "max_tickets_per_user": number}
            return await catalog.patch(path, body)

        answers = await asyncio.gather(*(call(number) for number in range(6)))
        assert {answer.status for answer in answers[:2]} == {200}
        for answer in answers[2:]:
            assert answer.status == 200 or answer.code == "plan-frozen", answer
        now = (await catalog.get(path)).json
        assert now["status"] == "on_sale"
        if names(now) != names(draft):
            number = now["max_tickets_per_user"]
            assert names(now) == [f"{number}-{n}" for n in range(3)]
            assert {area["price"] for area in now["seat_areas"]} == {number}
            assert answers[number].status == 200
        else:
            assert {answer.status for answer in answers[2:]} == {409}


async def test_no_session_is_published_in_a_show_that_is_being_deleted(
    catalog: Catalog, database_url: str
) -> None:
    draft = await catalog.session(await catalog.show(), publish=False)
    show = f"/shows/{draft['show_id']}"
    calls = [
        catalog.call("DELETE", show, token=catalog.organizer),
        catalog.post(f"/sessions/{draft['session_id']}/publish"),
    ]
    gone, late = await held_up(database_url, "SELECT FROM sessions FOR UPDATE", calls)
    assert (gone.status, late.status) == (204, 404)
    draft = await catalog.session(await catalog.show(), publish=False)
    show = f"/shows/{draft['show_id']}"
    calls = [
        catalog.post(f"/sessions/{draft['session_id']}/publish"),
        catalog.call("DELETE", show, token=catalog.organizer),
    ]
    published, refused = await held_up(database_url, "SELECT FROM sessions FOR UPDATE", calls)
    assert (published.status, refused.code) == (200, "show-published")


async def test_no_session_is_made_in_a_show_that_is_being_deleted(
    catalog: Catalog, database_url: str
) -> None:
    draft = await catalog.session(await catalog.show(), publish=False)
    show = f"/shows/{draft['show_id']}"
    calls = [
        catalog.call("DELETE", show, token=catalog.organizer),
        catalog.post(f"{show}/sessions", session_body(areas=AREAS)),
    ]
    gone, late = await held_up(database_url, "SELECT FROM shows FOR UPDATE", calls)
    assert (gone.status, late.status) == (204, 404)


async def test_a_venues_time_zone_and_a_publishing_there_do_not_mix(
    catalog: Catalog, database_url: str
) -> None:
    """Whichever comes second: the zone has moved before, or it is fixed."""
    for publish_first in (True, False):
        venue_id = await catalog.venue()
        show_id = await catalog.show(venue_id=venue_id)
        draft = await catalog.session(show_id, publish=False)
        move = catalog.patch(f"/venues/{venue_id}", {"time_zone": "America/New_York"})
        publish = catalog.post(f"/sessions/{draft['session_id']}/publish")
        calls = [publish, move] if publish_first else [move, publish]
        answers = await held_up(database_url, "SELECT FROM sessions FOR UPDATE", calls)
        published, moved = answers if publish_first else reversed(answers)
        assert published.status == 200, published
        if publish_first:
            assert (moved.status, moved.code) == (409, "time-zone-frozen")
        else:
            assert moved.status == 200, moved
        now = (await catalog.get(f"/sessions/{draft['session_id']}")).json
        assert now["time_zone"] == ("Asia/Shanghai" if publish_first else "America/New_York")
        assert published.json == now


async def test_a_draft_made_while_its_venue_moves_has_the_right_day(
    catalog: Catalog, database_url: str
) -> None:
    """The change waits for the venue's row behind the draft, which was made by the old time zone."""
    venue_id = await catalog.venue()
    show_id = await catalog.show(venue_id=venue_id)
    calls = [
        catalog.post(f"/shows/{show_id}/sessions", session_body(starts_at="2031-05-01T20:00:00Z")),
        catalog.patch(f"/venues/{venue_id}", {"time_zone": "America/New_York"}),
    ]
    made, moved = await held_up(database_url, "SELECT FROM venues FOR UPDATE", calls)
    assert (made.status, moved.status) == (201, 200)
    async with catalog_tables(database_url) as tables:
        assert await tables.fetchval("SELECT local_date FROM sessions") == date(2031, 5, 1)


async def test_no_show_is_made_at_a_venue_that_is_being_deleted(
    catalog: Catalog, database_url: str
) -> None:
    venue_id = await catalog.venue()
    show = {"title": "x", "category": "x", "venue_id": venue_id}
    calls = [
        catalog.call("DELETE", f"/venues/{venue_id}", token=catalog.organizer),
        catalog.post("/shows", show),
    ]
    gone, late = await held_up(database_url, "SELECT FROM venues FOR UPDATE", calls)
    assert (gone.status, late.status) == (204, 400)
    assert late.json["errors"][0]["field"] == "venue_id"
    venue_id = await catalog.venue()
    calls = [
        catalog.post("/shows", show | {"venue_id": venue_id}),
        catalog.call("DELETE", f"/venues/{venue_id}", token=catalog.organizer),
    ]
    made, refused = await held_up(database_url, "SELECT FROM venues FOR UPDATE", calls)
    assert (made.status, refused.code) == (201, "venue-in-use")
