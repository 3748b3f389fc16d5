"""Venues change: name and address at once and everywhere, the time zone until tickets tell it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from catalog.venues import VENUES_AN_ORGANIZER_MAX
from tests.support.catalog import Catalog, catalog_tables, running_catalog, waiting

VENUE = {"name": "N", "city": "C", "address": "A", "time_zone": "Asia/Shanghai"}


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


async def test_a_renamed_venue_is_so_on_every_page_and_in_search(catalog: Catalog) -> None:
    venue_id = await catalog.venue()
    show_id = await catalog.show(venue_id=venue_id, description="第一行\n第二行 Zeile")
    session = await catalog.session(show_id)
    changed = await catalog.patch(
        f"/venues/{venue_id}", {"name": "Ｎew Hall", "city": "Äachen", "address": "1 Road\nfloor 2"}
    )
    assert (changed.status, changed.json) == (
        200,
        {
            "venue_id": venue_id,
            "name": "Ｎew Hall",
            "city": "Äachen",
            "address": "1 Road\nfloor 2",
            "time_zone": "Asia/Shanghai",
        },
    )
    shown = (await catalog.get(f"/shows/{show_id}", token=catalog.organizer)).json
    assert (shown["venue"], shown["city"], shown["address"]) == (
        "Ｎew Hall",
        "Äachen",
        "1 Road\nfloor 2",
    )
    terms = (await catalog.get(f"/internal/sessions/{session['session_id']}")).json
    assert (terms["venue"], terms["city"]) == ("Ｎew Hall", "Äachen")  # new orders say so
    for query, found in (
        ("q=new%20hall", 1),
        ("q=zeile", 1),
        ("q=%E7%AC%AC%E4%B8%80%E8%A1%8C", 1),
        ("q=%E6%B5%8B%E8%AF%95", 1),  # its title
        ("city=%C3%A4ACHEN", 1),
        ("q=%E4%B8%8A%E6%B5%B7", 0),  # where it was
        ("city=%E4%B8%8A%E6%B5%B7", 0),
    ):
        assert (await catalog.get(f"/shows?{query}")).json["total"] == found, query


async def test_what_a_change_leaves_out_stays(catalog: Catalog) -> None:
    venue_id = await catalog.venue()
    before = (await catalog.get("/venues", token=catalog.organizer)).json["venues"][0]
    assert (await catalog.patch(f"/venues/{venue_id}", {})).json == before
    changed = await catalog.patch(f"/venues/{venue_id}", {"address": ""})
    assert changed.json == before | {"address": ""}
    for body, field in (
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"name": ""}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"created_by": "x"}, "created_by"),
    ):
        answer = await catalog.patch(f"/venues/{venue_id}", body)
        assert (answer.status, answer.json["errors"][0]["field"]) == (400, field)


async def test_a_time_zone_moves_the_days_of_drafts_and_is_fixed_by_publishing(
    catalog: Catalog, database_url: str
) -> None:
    venue_id = await catalog.venue()
    show_id = await catalog.show(venue_id=venue_id)
    draft = await catalog.session(show_id, publish=False, starts_at="2031-05-01T20:00:00Z")
    elsewhere = await catalog.session(await catalog.show(), starts_at="2031-05-01T20:00:00Z")
    path = f"/venues/{venue_id}"
    moved = await catalog.patch(path, {"time_zone": "America/New_York"})
    assert moved.status == 200, moved
    async with catalog_tables(database_url) as tables:
        days = dict(await tables.fetch("SELECT session_id::text, local_date FROM sessions"))
    assert days == {
        draft["session_id"]: date(2031, 5, 1),
        elsewhere["session_id"]: date(2031, 5, 2),
    }
    seen = (await catalog.get(f"/sessions/{draft['session_id']}", token=catalog.organizer)).json
    assert (seen["date"], seen["time_zone"]) == ("2031-05-01T20:00:00Z", "America/New_York")
    await catalog.post(f"/sessions/{draft['session_id']}/publish")
    refused = await catalog.patch(path, {"time_zone": "Asia/Shanghai", "name": "x"})
    assert (refused.status, refused.code) == (409, "time-zone-frozen")
    same: dict[str, Any] = {"time_zone": "America/New_York", "name": "大剧院"}
    assert (await catalog.patch(path, same)).json["name"] == "大剧院"


async def test_a_venue_is_its_makers_to_change(catalog: Catalog) -> None:
    path = f"/venues/{await catalog.venue()}"
    foreign = catalog.signer.token("organizer")
    answer = await catalog.patch(path, {"name": "x"}, token=foreign)
    assert (answer.status, answer.code) == (404, "not-found")
    for token in (catalog.signer.token(), catalog.signer.token("staff")):
        assert (await catalog.patch(path, {"name": "x"}, token=token)).status == 403
    assert (await catalog.call("PATCH", path, {"name": "x"})).status == 401
    admin = await catalog.patch(path, {"name": "x"}, token=catalog.signer.token("admin"))
    assert (admin.status, admin.json["name"]) == (200, "x")
    unknown = path[:-12] + "0" * 12
    assert (await catalog.patch(unknown, {"name": "x"})).status == 404


async def test_a_venue_goes_while_no_show_names_it(catalog: Catalog) -> None:
    venue_id = await catalog.venue()
    show_id = await catalog.show(venue_id=venue_id)
    path = f"/venues/{venue_id}"
    refused = await catalog.call("DELETE", path, token=catalog.organizer)
    assert (refused.status, refused.code) == (409, "venue-in-use")
    await catalog.call("DELETE", f"/shows/{show_id}", token=catalog.organizer)
    assert (await catalog.call("DELETE", path, token=catalog.organizer)).status == 204
    assert (await catalog.call("DELETE", path, token=catalog.organizer)).status == 404
    assert (await catalog.get("/venues", token=catalog.organizer)).json["total"] == 0
    late = await catalog.post("/shows", {"title": "x", "category": "x", "venue_id": venue_id})
    assert late.json["errors"][0]["field"] == "venue_id"


async def test_an_organizer_has_so_many_venues(catalog: Catalog, database_url: str) -> None:
    first = await catalog.venue()
    async with catalog_tables(database_url) as tables:
        await tables.execute(
            "INSERT INTO venues (venue_id, name, city, address, time_zone, created_by)"
            " SELECT gen_random_uuid(), name || n, city, address, time_zone, created_by"
            " FROM venues, generate_series(2, $2::int) AS n WHERE venue_id = $1",
            UUID(first),
            VENUES_AN_ORGANIZER_MAX - 1,
        )
        async with tables.transaction():
            await tables.execute("LOCK TABLE venues IN SHARE MODE")  # nobody adds one yet
            asked = [asyncio.create_task(catalog.post("/venues", VENUE)) for _ in range(2)]
            while await waiting(tables) < len(asked):
                pass
    two = await asyncio.gather(*asked)
    assert sorted(answer.status for answer in two) == [201, 409]
    assert {answer.code for answer in two if answer.status == 409} == {"too-many-venues"}
    other = catalog.signer.token("organizer")
    assert (await catalog.post("/venues", VENUE, token=other)).status == 201
