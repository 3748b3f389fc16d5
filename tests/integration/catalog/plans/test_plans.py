"""Venues keep plans: whose they are, what they may say, and that nobody overwrites what they have not
seen."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from catalog.maps.cached import WAITING_MAX
from catalog.plans.managing import PLANS_A_VENUE_MAX
from tests.support.catalog import PLAN, Catalog, catalog_tables, running_catalog, waiting


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


async def kept_plan(catalog: Catalog) -> tuple[str, Any]:
    """A plan's path, and itself."""
    plan = await catalog.plan(await catalog.venue())
    return f"/plans/{plan['plan_id']}", plan


async def put(catalog: Catalog, path: str, body: Any, tag: str = "*", **how: Any) -> Any:
    how = {"token": catalog.organizer, "headers": {"If-Match": tag}} | how
    return await catalog.call("PUT", path, body, **how)


async def test_a_plan_is_kept_read_and_listed_as_it_was_written(catalog: Catalog) -> None:
    venue_id = await catalog.venue()
    made = await catalog.post(f"/venues/{venue_id}/plans", PLAN)
    assert made.status == 201, made
    plan = made.json
    assert (plan["name"], plan["seats"], plan["revision"]) == ("Small theatre", 28, 1)
    assert plan["venue_id"] == venue_id
    assert plan["document"] == PLAN
    read = await catalog.get(f"/plans/{plan['plan_id']}", token=catalog.organizer)
    assert (read.status, read.json) == (200, plan)
    assert read.headers["ETag"] == made.headers["ETag"] == '"1"'
    assert read.headers["Cache-Control"] == "private, no-cache"
    listed = await catalog.get(f"/venues/{venue_id}/plans", token=catalog.organizer)
    summary = {name: value for name, value in plan.items() if name != "document"}
    assert listed.json == {"plans": [summary], "page": 1, "page_size": 20, "total": 1}
    again = await catalog.post(f"/venues/{venue_id}/plans", read.json["document"])
    assert again.json["document"] == plan["document"]


async def test_whoever_has_seen_an_older_revision_overwrites_nothing(catalog: Catalog) -> None:
    path, _ = await kept_plan(catalog)
    blind = await catalog.call("PUT", path, PLAN, token=catalog.organizer)
    assert (blind.status, blind.code) == (428, "revision-required")
    changed = await put(catalog, path, PLAN | {"name": "Renamed"}, '"1"')
    assert (changed.status, changed.json["revision"], changed.json["name"]) == (200, 2, "Renamed")
    assert changed.headers["ETag"] == '"2"'
    stale = await put(catalog, path, PLAN | {"name": "Lost"}, '"1"')
    assert (stale.status, stale.code, stale.json["revision"]) == (412, "plan-changed", 2)
    deletion = await catalog.call(
        "DELETE", path, token=catalog.organizer, headers={"If-Match": '"1"'}
    )
    assert (deletion.status, deletion.code) == (412, "plan-changed")
    for wrong in ("2", '""', '"two"', '"1", "2"', "'2'", '"99999999999999999999"'):
        refused = await put(catalog, path, PLAN, wrong)
        assert (refused.status, refused.json["errors"][0]["field"]) == (400, "If-Match"), wrong
    read = await catalog.get(path, token=catalog.organizer)
    assert (read.json["name"], read.json["revision"]) == ("Renamed", 2)
    for tag in (
        'W/"2"',
        '"3-hall"',
        "*",
    ):  # as a proxy weakens it, of another form, and whatever it is
        assert (await put(catalog, path, PLAN, tag)).status == 200, tag


async def test_of_two_who_replace_one_revision_one_succeeds(catalog: Catalog) -> None:
    path, _ = await kept_plan(catalog)
    answers = await asyncio.gather(
        *(put(catalog, path, PLAN | {"name": f"Mine {n}"}, '"1"') for n in range(4))
    )
    assert sorted(answer.status for answer in answers) == [200, 412, 412, 412]


async def test_plans_are_every_organizers_to_read_and_their_venues_owners_to_change(
    catalog: Catalog,
) -> None:
    path, plan = await kept_plan(catalog)
    of_venue = f"/venues/{plan['venue_id']}/plans"
    stranger, admin = catalog.signer.token("organizer"), catalog.signer.token("admin")
    for read in (path, f"{path}/hall", of_venue):
        assert (await catalog.get(read, token=stranger)).status == 200
        assert (await catalog.get(read, token=catalog.signer.token())).status == 403
        assert (await catalog.get(read)).status == 401
    for refused in (
        await catalog.post(of_venue, PLAN, token=stranger),
        await put(catalog, path, PLAN, token=stranger),
        await catalog.call("PUT", path, PLAN, token=stranger),
        await catalog.call("DELETE", path, token=stranger),
    ):
        assert (refused.status, refused.code) == (404, "not-found")
    assert (await put(catalog, path, PLAN, token=admin)).status == 200
    assert (await catalog.post(of_venue, PLAN, token=admin)).status == 201
    assert (await catalog.call("DELETE", path, token=catalog.organizer)).status == 204
    nowhere = UUID(int=7)
    for gone in (path, f"{path}/hall", f"/venues/{nowhere}/plans", f"/plans/{nowhere}"):
        assert (await catalog.get(gone, token=catalog.organizer)).status == 404
    assert (await put(catalog, path, PLAN)).status == 404
    assert (await catalog.call("DELETE", path, token=catalog.organizer)).status == 404
    assert (await catalog.post(f"/venues/{nowhere}/plans", PLAN)).status == 404


async def test_a_plan_is_created_once_per_key(catalog: Catalog) -> None:
    path = f"/venues/{await catalog.venue()}/plans"
    key = {"Idempotency-Key": "plan-1"}
    first = await catalog.post(path, PLAN, headers=key)
    again = await catalog.post(path, PLAN, headers=key)
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await catalog.post(path, PLAN | {"name": "Other"}, headers=key)
    assert (other.status, other.code) == (422, "idempotency-key-reused")
    listed = await catalog.get(path, token=catalog.organizer)
    assert listed.json["total"] == 1


async def test_a_venue_keeps_so_many_plans(catalog: Catalog, database_url: str) -> None:
    venue_id = await catalog.venue()
    plan = await catalog.plan(venue_id)
    async with catalog_tables(database_url) as tables:
        await tables.execute(
            "INSERT INTO plans (plan_id, venue_id, name, seats, document)"
            " SELECT gen_random_uuid(), venue_id, 'copy ' || n, seats, document"
            " FROM plans, generate_series(2, $2::int) AS n WHERE plan_id = $1",
            UUID(plan["plan_id"]),
            PLANS_A_VENUE_MAX - 1,
        )
    path = f"/venues/{venue_id}/plans"
    async with catalog_tables(database_url) as tables:
        async with tables.transaction():  # both have been checked when it ends
            await tables.execute(
                "SELECT FROM venues WHERE venue_id = $1 FOR UPDATE", UUID(venue_id)
            )
            asked = [asyncio.create_task(catalog.post(path, PLAN)) for _ in range(2)]
            while await waiting(tables) < len(asked):
                pass
        two = await asyncio.gather(*asked)
    assert sorted(answer.status for answer in two) == [201, 409]
    assert {answer.code for answer in two if answer.status == 409} == {"too-many-plans"}
    page = (await catalog.get(f"{path}?page=5&page_size=24", token=catalog.organizer)).json
    assert (len(page["plans"]), page["total"]) == (PLANS_A_VENUE_MAX - 96, PLANS_A_VENUE_MAX)
    assert (
        await catalog.call("DELETE", f"/venues/{venue_id}", token=catalog.organizer)
    ).status == 204
    async with catalog_tables(database_url) as tables:
        left = await tables.fetchval(
            "SELECT count(*) FROM plans WHERE venue_id = $1", UUID(venue_id)
        )
    assert left == 0


def wide(rows: int) -> Any:
    """A plan of this many rows of 500."""
    block = {"shape": "straight", "at": [0, 10], "seats": 500}
    sections = [
        {
            "key": str(index),
            "name": str(index),
            "blocks": [block | {"rows": min(100, rows - index * 100), "at": [0, 10 + index * 200]}],
        }
        for index in range((rows + 99) // 100)
    ]
    return PLAN | {"sections": sections}


SECTION = PLAN["sections"][2]  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"version": 2}, "version"),
        ({"name": "two\nlines"}, "name"),
        ({"plan_id": str(UUID(int=1))}, "plan_id"),
        ({"revision": 4}, "revision"),
        ({"sections": []}, "sections"),
        ({"sections": [SECTION, SECTION]}, "sections.1.key"),
        ({"sections": [SECTION, SECTION | {"key": "b"}]}, "sections.1.name"),
        ({"sections": [SECTION | {"level": "nowhere"}]}, "sections.0.level"),
        ({"sections": [SECTION | {"outline": [[0, 0], [9, 9], [9, 0], [0, 9]]}]}, "sections.0.outline"),
        ({"sections": [SECTION | {"name": "\u0000"}]}, "sections.0.name"),
        ({"sections": [SECTION | {"price": 5}]}, "sections.0.price"),
    ],
)  # fmt: skip
async def test_a_wrong_plan_names_its_field_and_changes_nothing(
    catalog: Catalog, change: dict[str, Any], field: str
) -> None:
    path, plan = await kept_plan(catalog)
    for answer in (
        await catalog.post(f"/venues/{plan['venue_id']}/plans", PLAN | change),
        await put(catalog, path, PLAN | change),
    ):
        assert (answer.status, answer.code) == (400, "validation-failed"), answer
        assert answer.json["errors"][0]["field"] == field
    listed = await catalog.get(f"/venues/{plan['venue_id']}/plans", token=catalog.organizer)
    assert (listed.json["total"], listed.json["plans"][0]["revision"]) == (1, 1)


async def test_seats_beyond_the_most_are_refused_and_the_most_are_kept(catalog: Catalog) -> None:
    path = f"/venues/{await catalog.venue()}/plans"
    one_more = wide(400)
    one_more["sections"].append(SECTION | {"capacity": 1, "outline": [[-9, 0], [-8, 0], [-8, 4]]})
    refused = await catalog.post(path, one_more)
    assert (refused.status, refused.json["errors"][0]["field"]) == (400, "sections"), refused
    made = await catalog.post(path, wide(400))
    assert made.status == 201, made
    assert made.json["seats"] == 200_000
    hall = await catalog.get(f"/plans/{made.json['plan_id']}/hall", token=catalog.organizer)
    assert hall.json["seat_count"] == 200_000


HOSTILE = {
    "deep": b"[" * 100_000,
    "deep in it": b'{"version":1,"name":"x","sections":' + b'[{"blocks":' * 20_000,
    "long number": b'{"version":1' + b"0" * 400 + b"}",
    "infinite": b'{"version":1,"name":"x","focal_point":[1e999,0],"sections":[]}',
    "not a number": b'{"version":1,"name":"x","focal_point":[NaN,0],"sections":[]}',
    "no text": b"\xff\xfe\x00",
    "empty": b"{}",
    "nothing": b"null",
    "marks": b'{"version":1,"name":"a' + "\u0301".encode() * 60 + b'","sections":[]}',
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_bodies_are_refused(catalog: Catalog, name: str) -> None:
    path = f"/venues/{await catalog.venue()}/plans"
    answer = await catalog.post(path, HOSTILE[name])
    assert (answer.status, answer.code) == (400, "validation-failed"), answer


async def test_a_body_beyond_the_limit_of_the_edge_is_refused(catalog: Catalog) -> None:
    path = f"/venues/{await catalog.venue()}/plans"
    answer = await catalog.post(path, b" " * 30_000_000)
    assert (answer.status, answer.code) == (413, "payload-too-large")


async def test_a_preview_shows_the_hall_that_a_session_would_have(catalog: Catalog) -> None:
    path, plan = await kept_plan(catalog)
    answer = await catalog.get(f"{path}/hall", token=catalog.organizer)
    assert (answer.status, answer.headers["ETag"]) == (200, '"1-hall"')
    hall = answer.json
    assert (hall["plan_id"], hall["revision"], hall["seat_count"]) == (plan["plan_id"], 1, 28)
    assert [area["key"] for area in hall["areas"]] == ["balcony", "tables", "floor"]
    assert [area["first_seat_id"] for area in hall["areas"]] == [1, 19, 24]
    known = {"If-None-Match": '"1-hall"'}
    again = await catalog.get(f"{path}/hall", token=catalog.organizer, headers=known)
    assert (again.status, again.body) == (304, b"")
    await put(catalog, path, PLAN | {"sections": [SECTION]})
    changed = await catalog.get(f"{path}/hall", token=catalog.organizer, headers=known)
    assert (changed.status, changed.json["seat_count"]) == (200, 10)


async def test_plans_are_checked_one_at_a_time_and_delay_no_buyer(catalog: Catalog) -> None:
    """In the lane of drafts: few wait, the rest is told to come back, and buyers are served meanwhile."""
    session = await catalog.session(await catalog.show())
    of_venue = f"/venues/{await catalog.venue()}/plans"
    go = threading.Event()
    documents = catalog.app.state.catalog.documents
    ahead = [
        asyncio.create_task(documents.run(lambda: go.wait(20))) for _ in range(1 + WAITING_MAX)
    ]
    await asyncio.sleep(0)  # now the lane is full
    try:
        refused = await catalog.post(of_venue, PLAN)
        assert (refused.status, refused.code) == (503, "overloaded")
        assert refused.headers["Retry-After"] == "1"
        seen = await catalog.get(f"/sessions/{session['session_id']}/hall")
        assert seen.status == 200
    finally:
        go.set()
    assert await asyncio.gather(*ahead) == [True] * len(ahead)
    assert (await catalog.post(of_venue, PLAN)).status == 201
