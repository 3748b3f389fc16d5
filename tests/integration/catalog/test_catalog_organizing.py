"""What organizers may do, what is refused, and what can be repeated."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.support.catalog import (
    AREAS,
    Catalog,
    catalog_tables,
    in_days,
    running_catalog,
    session_body,
    waiting,
)

VENUE = {"name": "工人体育场", "city": "北京", "address": "x", "time_zone": "Asia/Shanghai"}


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


async def test_an_organizer_builds_a_show_through_the_api_alone(catalog: Catalog) -> None:
    made = await catalog.post("/venues", VENUE)
    assert (made.status, made.json) == (201, VENUE | {"venue_id": made.json["venue_id"]})
    show = {
        "title": "演出",
        "category": "音乐剧",
        "venue_id": made.json["venue_id"],
        "description": "两行\n文字",
        "poster_url": "https://img.example/海报.jpg?w=1#top",
    }
    shown = await catalog.post("/shows", show)
    assert shown.status == 201, shown
    assert {key: shown.json[key] for key in show} == show
    assert (shown.json["venue"], shown.json["sessions"]) == ("工人体育场", [])
    path = f"/shows/{shown.json['show_id']}/sessions"
    session = await catalog.post(path, session_body())
    assert (session.status, session.json["status"]) == (201, "draft")
    publish = f"/sessions/{session.json['session_id']}/publish"
    for _ in range(2):  # publishing again changes nothing
        published = await catalog.post(publish)
        assert (published.status, published.json["status"]) == (200, "on_sale")
    assert (await catalog.get("/shows")).json["total"] == 1
    listed = await catalog.get("/venues", token=catalog.organizer)
    assert listed.json == {"venues": [made.json], "page": 1, "page_size": 20, "total": 1}


@pytest.mark.parametrize(
    "title", ["演出\n", "演\r出", "演\x85出", "演\u2028出", "演\u2029", "\u202e演出", "演\u2066出"]
)
async def test_what_a_show_or_venue_is_called_stays_on_its_line(
    catalog: Catalog, title: str
) -> None:
    """In calendars, mails, printed tickets, whoever reads them: nothing behind it begins a line."""
    show_id = await catalog.show()
    for method, path, body, field in (
        ("PATCH", f"/shows/{show_id}", {"title": title}, "title"),
        ("PATCH", f"/shows/{show_id}", {"category": title}, "category"),
        ("POST", "/venues", VENUE | {"name": title}, "name"),
        ("POST", "/venues", VENUE | {"city": title}, "city"),
    ):
        answer = await catalog.call(method, path, body, token=catalog.organizer)
        assert answer.status == 400, (path, field)
        assert [error["field"] for error in answer.json["errors"]] == [field]
    assert (await catalog.post("/venues", VENUE | {"name": "\u200fقاعة"})).status == 201


async def test_buyers_and_strangers_organize_nothing(catalog: Catalog) -> None:
    show_id = await catalog.show()
    session = await catalog.session(show_id, publish=False)
    tries = [
        ("POST", "/venues", {}),
        ("POST", "/shows", {}),
        ("PATCH", f"/shows/{show_id}", {}),
        ("POST", f"/shows/{show_id}/sessions", session_body()),
        ("PATCH", f"/sessions/{session['session_id']}", {}),
        ("POST", f"/sessions/{session['session_id']}/publish", None),
        ("GET", "/venues", None),
    ]
    for method, path, body in tries:
        for role in ((), ("staff",)):
            token = catalog.signer.token(*role)
            answer = await catalog.call(method, path, body, token=token)
            assert (answer.status, answer.code) == (403, "forbidden"), path
        assert (await catalog.call(method, path, body)).status == 401


async def test_somebody_elses_show_is_not_there(catalog: Catalog) -> None:
    show_id = await catalog.show()
    draft = await catalog.session(show_id, publish=False)
    public = await catalog.session(show_id)
    foreign = catalog.signer.token("organizer")
    for session in (draft, public):
        path = f"/sessions/{session['session_id']}"
        assert (await catalog.post(f"{path}/publish", token=foreign)).code == "not-found"
        assert (await catalog.patch(path, {}, token=foreign)).code == "not-found"
    assert (await catalog.patch(f"/shows/{show_id}", {"title": "x"}, token=foreign)).status == 404
    path = f"/shows/{show_id}/sessions"
    assert (await catalog.post(path, session_body(), token=foreign)).status == 404
    admin = catalog.signer.token("admin")
    assert (await catalog.post(path, session_body(), token=admin)).status == 201
    answer = await catalog.patch(f"/shows/{show_id}", {"title": "y"}, token=admin)
    assert (answer.status, answer.json["title"]) == (200, "y")
    unknown = UUID(int=7)
    for method, missing in [
        ("PATCH", f"/shows/{unknown}"),
        ("PATCH", f"/sessions/{unknown}"),
        ("POST", f"/sessions/{unknown}/publish"),
    ]:
        body = {} if method == "PATCH" else None
        answer = await catalog.call(method, missing, body, token=catalog.organizer)
        assert (answer.status, answer.code) == (404, "not-found")


async def test_a_patch_changes_what_is_sent_and_search_follows(catalog: Catalog) -> None:
    show_id = await catalog.show(title="旧名", description="旧文", poster_url="http://a.example/p")
    await catalog.session(show_id)
    path = f"/shows/{show_id}"
    before = (await catalog.get(path, token=catalog.organizer)).json
    unchanged = await catalog.patch(path, {})
    assert (unchanged.status, unchanged.json) == (200, before)
    changed = await catalog.patch(path, {"title": "新名", "poster_url": None})
    assert changed.json == before | {"title": "新名", "poster_url": None}
    assert (await catalog.get("/shows?q=%E6%96%B0%E5%90%8D")).json["total"] == 1
    assert (await catalog.get("/shows?q=%E6%97%A7%E5%90%8D")).json["total"] == 0
    for body in ({"title": None}, {"title": ""}, {"organizer_id": str(uuid4())}, {"status": "x"}):
        assert (await catalog.patch(path, body)).status == 400


async def test_a_venue_changes_only_before_there_are_sessions(catalog: Catalog) -> None:
    show_id, elsewhere = await catalog.show(), await catalog.venue(city="广州")
    moved = await catalog.patch(f"/shows/{show_id}", {"venue_id": elsewhere})
    assert (moved.status, moved.json["city"]) == (200, "广州")
    await catalog.session(show_id, publish=False)
    back = await catalog.venue()
    refused = await catalog.patch(f"/shows/{show_id}", {"venue_id": back})
    assert (refused.status, refused.code) == (409, "venue-in-use")
    same = await catalog.patch(f"/shows/{show_id}", {"venue_id": elsewhere})
    assert same.status == 200


def with_area(**changes: Any) -> Any:
    return {"areas": [AREAS[0] | changes]}


def with_row(**changes: Any) -> Any:
    return with_area(rows=[{"label": "1", "seats": 5}, {"label": "2", "seats": 5} | changes])


STANDING = {"name": "站席", "kind": "standing", "price": 1, "capacity": 9}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"starts_at": "2030-01-01T00:00:00"}, "starts_at"),  # no zone
        ({"starts_at": "soon"}, "starts_at"),
        ({"starts_at": "0001-01-01T00:00:00+14:00"}, "starts_at"),
        ({"sale_closes_at": "9999-12-31T23:59:59-12:00"}, "sale_closes_at"),
        ({"sale_opens_at": in_days(9), "sale_closes_at": in_days(8)}, "sale_closes_at"),
        ({"sale_closes_at": in_days(400)}, "sale_closes_at"),
        ({"currency": "XXX"}, "currency"),
        ({"currency": "DEM"}, "currency"),
        ({"currency": "cny"}, "currency"),
        ({"currency": "YUAN"}, "currency"),
        ({"max_tickets_per_user": 0}, "max_tickets_per_user"),
        ({"max_tickets_per_user": 101}, "max_tickets_per_user"),
        ({"max_tickets_per_user": "4"}, "max_tickets_per_user"),
        ({"areas": []}, "areas"),
        ({"status": "published"}, "status"),
        (with_area(kind="sofa"), "areas.0.kind"),
        (with_area(price=-1), "areas.0.price"),
        (with_area(price=10**10 + 1), "areas.0.price"),
        (with_area(price=1.5), "areas.0.price"),
        (with_area(name=""), "areas.0.name"),
        (with_area(name="a\x00b"), "areas.0.name"),
        (with_area(name="two\nlines"), "areas.0.name"),
        (with_area(capacity=10), "areas.0.capacity"),
        (with_area(rows=[]), "areas.0.rows"),
        (with_area(rows=None), "areas.0.rows"),
        ({"areas": [STANDING, STANDING | {"name": "b", "capacity": None}]}, "areas.1.capacity"),
        ({"areas": [STANDING | {"rows": [{"label": "1", "seats": 1}]}]}, "areas.0.rows"),
        ({"areas": [STANDING, STANDING]}, "areas.1.name"),
        ({"areas": [STANDING | {"capacity": 0}]}, "areas.0.capacity"),
        ({"areas": [STANDING | {"capacity": 10**6}]}, "areas.0.capacity"),
        ({"areas": [STANDING | {"capacity": 150_000, "name": n} for n in "ab"]}, "areas"),
        (with_row(seats=0), "areas.0.rows.1.seats"),
        (with_row(seats=501), "areas.0.rows.1.seats"),
        (with_row(seats=True), "areas.0.rows.1.seats"),
        (with_row(label="1"), "areas.0.rows.1.label"),
        (with_row(label=""), "areas.0.rows.1.label"),
        (with_row(aisles=[5]), "areas.0.rows.1.aisles.0"),
        (with_row(aisles=[2, 2]), "areas.0.rows.1.aisles"),
        (with_row(accessible=[1, 6]), "areas.0.rows.1.accessible.1"),
        (with_row(accessible=[1, 1]), "areas.0.rows.1.accessible"),
        (with_row(colour="red"), "areas.0.rows.1.colour"),
    ],
)
async def test_a_wrong_session_names_its_field_and_leaves_nothing(
    catalog: Catalog, changes: dict[str, Any], field: str
) -> None:
    show_id = await catalog.show()
    answer = await catalog.post(f"/shows/{show_id}/sessions", session_body(**changes))
    assert (answer.status, answer.code) == (400, "validation-failed"), answer
    assert answer.json["errors"][0]["field"] == field
    mine = await catalog.get(f"/shows/{show_id}", token=catalog.organizer)
    assert mine.json["sessions"] == []


async def test_all_wrong_fields_are_named_at_once(catalog: Catalog) -> None:
    body = session_body(currency="ABC", **with_row(aisles=[9], accessible=[8]))
    answer = await catalog.post(f"/shows/{await catalog.show()}/sessions", body)
    fields = [error["field"] for error in answer.json["errors"]]
    assert fields == ["currency", "areas.0.rows.1.aisles.0", "areas.0.rows.1.accessible.0"]


@pytest.mark.parametrize(
    ("path", "changes", "field"),
    [
        ("/venues", {"time_zone": "Mars/Olympus"}, "time_zone"),
        ("/venues", {"time_zone": "../etc/passwd"}, "time_zone"),
        ("/venues", {"name": "x" * 201}, "name"),
        ("/venues", {"name": "   "}, "name"),
        ("/venues", {"venue_id": str(uuid4())}, "venue_id"),
        ("/shows", {"title": "x" * 201}, "title"),
        ("/shows", {"title": 5}, "title"),
        ("/shows", {"category": ""}, "category"),
        ("/shows", {"category": "x" * 51}, "category"),
        ("/shows", {"description": "x" * 20_001}, "description"),
        ("/shows", {"description": "\x00"}, "description"),
        ("/shows", {"poster_url": "javascript:alert(1)"}, "poster_url"),
        ("/shows", {"poster_url": "https://"}, "poster_url"),
        ("/shows", {"poster_url": "https://x/\" onerror="}, "poster_url"),
        ("/shows", {"venue_id": "x"}, "venue_id"),
        ("/shows", {"venue_id": str(uuid4())}, "venue_id"),
        ("/shows", {"organizer_id": str(uuid4())}, "organizer_id"),
    ],
)  # fmt: skip
async def test_a_wrong_venue_or_show_names_its_field(
    catalog: Catalog, path: str, changes: dict[str, Any], field: str
) -> None:
    good = {
        "/venues": {"name": "x", "city": "x", "address": "", "time_zone": "Asia/Shanghai"},
        "/shows": {"title": "x", "category": "x", "venue_id": await catalog.venue()},
    }
    assert (await catalog.post(path, good[path])).status == 201
    answer = await catalog.post(path, good[path] | changes)
    assert (answer.status, answer.code) == (400, "validation-failed"), answer
    assert answer.json["errors"][0]["field"] == field


async def test_a_published_session_changes_only_the_end_of_its_sale(catalog: Catalog) -> None:
    session = await catalog.session(await catalog.show(), publish=False)
    path = f"/sessions/{session['session_id']}"
    draft = await catalog.patch(
        path, {"max_tickets_per_user": 2, "sale_opens_at": "2026-01-02T03:04:05Z"}
    )
    assert (draft.status, draft.json["max_tickets_per_user"]) == (200, 2)
    assert draft.json["sale_opens_at"] == "2026-01-02T03:04:05Z"
    bad = await catalog.patch(path, {"sale_closes_at": "2026-01-02T03:04:05Z"})
    assert bad.json["errors"][0]["field"] == "sale_closes_at"
    await catalog.post(f"{path}/publish")
    later = await catalog.patch(path, {"sale_closes_at": "2026-01-03T00:00:00Z"})
    assert (later.status, later.json["status"]) == (200, "closed")
    assert (await catalog.get(path)).json["status"] == "closed"
    for body in ({"max_tickets_per_user": 3}, {"sale_opens_at": "2026-01-01T00:00:00Z"}):
        refused = await catalog.patch(path, body)
        assert (refused.status, refused.code) == (409, "plan-frozen")


FROZEN = [
    "UPDATE areas SET price = 1",
    "UPDATE areas SET plan = '[]' WHERE kind = 'seated'",
    "UPDATE areas SET capacity = 1, first_seat_id = 1, last_seat_id = 1 WHERE place = 1",
    "DELETE FROM areas WHERE place = 1",
    "INSERT INTO areas SELECT gen_random_uuid(), session_id, 9, 'x', kind, price, capacity,"
    " 100, 200, plan FROM areas WHERE place = 1",
    "UPDATE sessions SET status = 'draft', published_at = NULL",
    "UPDATE sessions SET starts_at = now()",
    "UPDATE sessions SET currency = 'USD'",
]


@pytest.mark.parametrize("change", FROZEN)
async def test_the_database_itself_refuses_to_change_a_published_plan(
    catalog: Catalog, database_url: str, change: str
) -> None:
    await catalog.session(await catalog.show())
    async with catalog_tables(database_url) as tables:
        with pytest.raises(asyncpg.CheckViolationError) as refused:
            await tables.execute(change)
        assert str(refused.value.as_dict()["constraint_name"]).endswith("_frozen_once_published")
        # the control: the same statement goes through once the mechanism is gone
        await tables.execute("ALTER TABLE areas DISABLE TRIGGER areas_frozen_once_published")
        await tables.execute("ALTER TABLE sessions DISABLE TRIGGER sessions_frozen_once_published")
        await tables.execute(change)


async def test_no_area_slips_into_a_plan_while_it_is_published(
    catalog: Catalog, database_url: str
) -> None:
    draft = await catalog.session(await catalog.show(), publish=False)
    insert = FROZEN[4]
    async with catalog_tables(database_url) as publisher, catalog_tables(database_url) as intruder:
        async with publisher.transaction():
            await publisher.execute(
                "UPDATE sessions SET status = 'published', published_at = now()"
            )
            task = asyncio.create_task(intruder.execute(insert))
            # until the intruder waits for the publisher, or was let through
            while not task.done() and not await waiting(publisher):
                pass
        with pytest.raises(asyncpg.CheckViolationError):
            await task
    answer = await catalog.get(f"/sessions/{draft['session_id']}")
    assert len(answer.json["seat_areas"]) == 2


async def creations(catalog: Catalog) -> list[tuple[str, Any]]:
    """Every POST that creates, with a body that is good."""
    show = {"title": "x", "category": "x", "venue_id": await catalog.venue()}
    return [
        ("/venues", {"name": "x", "city": "x", "address": "", "time_zone": "Asia/Shanghai"}),
        ("/shows", show),
        (f"/shows/{await catalog.show()}/sessions", session_body()),
    ]


async def test_a_key_replays_its_answer_and_refuses_another_body(catalog: Catalog) -> None:
    for path, body in await creations(catalog):
        headers = {"Idempotency-Key": '"key-1"'}
        first = await catalog.post(path, body, headers=headers)
        again = await catalog.post(path, body, headers=headers)
        assert (first.status, again.status) == (201, 201), first
        assert again.body == first.body
        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first.headers
        changed = body | ({"name": "y"} if "name" in body else {})
        changed |= {"title": "y"} if "title" in body else {}
        changed |= {"currency": "USD"} if "currency" in body else {}
        other = await catalog.post(path, changed, headers=headers)
        assert (other.status, other.code) == (422, "idempotency-key-reused")
        stranger = catalog.signer.token("admin")
        theirs = await catalog.post(path, changed, headers=headers, token=stranger)
        assert theirs.status == 201  # a key is its user's own
        assert theirs.body != first.body
        for bad in ("", "x" * 256, "über"):
            answer = await catalog.post(path, body, headers={"Idempotency-Key": bad})
            assert (answer.status, answer.code) == (400, "validation-failed")


async def test_a_key_knows_its_route_whatever_the_ids_spelling(catalog: Catalog) -> None:
    show_id, headers = await catalog.show(), {"Idempotency-Key": "spelt"}
    body = session_body()
    first = await catalog.post(f"/shows/{show_id}/sessions", body, headers=headers)
    for spelt in (show_id.upper(), show_id.replace("-", "")):
        again = await catalog.post(f"/shows/{spelt}/sessions", body, headers=headers)
        assert (again.status, again.body) == (201, first.body)


async def test_a_key_in_flight_is_said_to_be(catalog: Catalog, database_url: str) -> None:
    show_id = await catalog.show()
    path, headers = f"/shows/{show_id}/sessions", {"Idempotency-Key": "slow"}
    body = session_body()
    async with catalog_tables(database_url) as tables:
        async with tables.transaction():
            await tables.execute("SELECT FROM shows FOR UPDATE")  # holds the first request up
            first = asyncio.create_task(catalog.post(path, body, headers=headers))
            while not await waiting(tables):
                pass
            second = await catalog.post(path, body, headers=headers)
            assert (second.status, second.code) == (409, "idempotency-in-flight")
        made = await first
    assert made.status == 201
    replayed = await catalog.post(path, body, headers=headers)
    assert replayed.body == made.body


async def test_publishing_with_a_key_replays(catalog: Catalog) -> None:
    session = await catalog.session(await catalog.show(), publish=False)
    path, headers = f"/sessions/{session['session_id']}/publish", {"Idempotency-Key": "p"}
    first = await catalog.post(path, headers=headers)
    again = await catalog.post(path, {}, headers=headers)
    assert (first.status, again.status, again.body) == (200, 200, first.body)
    assert (await catalog.post(path, {"status": "draft"})).status == 400


async def test_a_cancelled_session_is_not_published_again(
    catalog: Catalog, database_url: str
) -> None:
    session = await catalog.session(await catalog.show())
    async with catalog_tables(database_url) as tables:
        await tables.execute("UPDATE sessions SET status = 'cancelled'")
    path = f"/sessions/{session['session_id']}"
    assert (await catalog.post(f"{path}/publish")).code == "session-cancelled"
    assert (await catalog.patch(path, {})).code == "session-cancelled"
