"""A draft is its organizer's clay: everything changes, it is found again, it goes. Then it is published."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from tests.support.catalog import (
    AREAS,
    Catalog,
    catalog_tables,
    in_days,
    running_catalog,
    session_body,
)

OTHER_AREAS = [
    {
        "name": "看台",
        "kind": "seated",
        "price": 9_900,
        "rows": [{"label": "A", "seats": 3, "accessible": [3]}, {"label": "B", "seats": 2}],
    }
]


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


async def a_draft(catalog: Catalog) -> tuple[str, Any]:
    """A draft's path and itself."""
    draft = await catalog.session(await catalog.show(), publish=False)
    return f"/sessions/{draft['session_id']}", draft


async def test_everything_of_a_draft_changes(catalog: Catalog) -> None:
    path, draft = await a_draft(catalog)
    change = {
        "starts_at": "2031-05-01T19:30:00+08:00",
        "sale_opens_at": "2031-01-01T00:00:00Z",
        "sale_closes_at": "2031-04-30T00:00:00Z",
        "currency": "JPY",
        "max_tickets_per_user": 9,
        "areas": OTHER_AREAS,
    }
    answer = await catalog.patch(path, change)
    assert answer.status == 200, answer
    changed = answer.json
    assert (changed["date"], changed["currency"]) == ("2031-05-01T11:30:00Z", "JPY")
    assert (changed["sale_opens_at"], changed["sale_closes_at"]) == (
        "2031-01-01T00:00:00Z",
        "2031-04-30T00:00:00Z",
    )
    assert (changed["max_tickets_per_user"], changed["status"]) == (9, "draft")
    (area,) = changed["seat_areas"]
    assert (area["name"], area["price"], area["currency"]) == ("看台", 9_900, "JPY")
    assert (area["capacity"], area["available"]) == (5, 5)
    assert area["area_id"] not in {one["area_id"] for one in draft["seat_areas"]}
    assert (await catalog.get(path, token=catalog.organizer)).json == changed
    published = await catalog.post(f"{path}/publish")
    assert published.json == changed | {"status": "scheduled"}
    plan = (await catalog.get(f"{path}/seat-map")).json
    seats = [seat for row in plan["areas"][0]["rows"] for seat in row["seats"]]
    assert [(seat["seat_id"], seat["accessible"]) for seat in seats] == [
        *((1, False), (2, False), (3, True), (5, False), (6, False))
    ]


async def test_a_draft_keeps_what_a_change_does_not_name(catalog: Catalog) -> None:
    path, draft = await a_draft(catalog)
    assert (await catalog.patch(path, {})).json == draft
    changed = (await catalog.patch(path, {"currency": "USD"})).json
    assert [area.pop("currency") for area in changed["seat_areas"]] == ["USD", "USD"]
    assert changed["currency"] == "USD"
    assert {area["area_id"] for area in changed["seat_areas"]} == {
        area["area_id"] for area in draft["seat_areas"]
    }


async def test_a_moved_draft_is_found_on_its_new_day(catalog: Catalog) -> None:
    path, _ = await a_draft(catalog)
    await catalog.patch(path, {"starts_at": "2031-05-01T23:30:00Z", **window("2031")})
    await catalog.post(f"{path}/publish")
    for day, found in (("2031-05-01", 0), ("2031-05-02", 1)):  # in Shanghai it is tomorrow
        assert (await catalog.get(f"/shows?from={day}&to={day}")).json["total"] == found


def window(year: str) -> dict[str, str]:
    return {"sale_opens_at": f"{year}-01-01T00:00:00Z", "sale_closes_at": f"{year}-04-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"starts_at": "2031-05-01T19:30:00"}, "starts_at"),
        ({"starts_at": "1969-05-01T19:30:00Z"}, "starts_at"),
        ({"starts_at": "2020-01-01T00:00:00Z"}, "sale_closes_at"),  # sold for years after it
        ({"sale_closes_at": "2020-01-01T00:00:00Z"}, "sale_closes_at"),
        ({"currency": "XXX"}, "currency"),
        ({"currency": None}, "currency"),
        ({"max_tickets_per_user": 0}, "max_tickets_per_user"),
        ({"areas": []}, "areas"),
        ({"areas": None}, "areas"),
        ({"areas": [AREAS[1], AREAS[1]]}, "areas.1.name"),
        ({"areas": [AREAS[1] | {"capacity": None}]}, "areas.0.capacity"),
        ({"areas": [AREAS[1] | {"capacity": 150_000, "name": n} for n in "ab"]}, "areas"),
        ({"areas": [AREAS[0] | {"rows": []}]}, "areas.0.rows"),
        ({"areas": [AREAS[0] | {"area_id": str(UUID(int=1))}]}, "areas.0.area_id"),
        ({"status": "published"}, "status"),
        ({"venue_id": str(UUID(int=1))}, "venue_id"),
    ],
)
async def test_a_wrong_change_names_its_field_and_changes_nothing(
    catalog: Catalog, change: dict[str, Any], field: str
) -> None:
    path, draft = await a_draft(catalog)
    answer = await catalog.patch(path, {"max_tickets_per_user": 9} | change)
    assert (answer.status, answer.code) == (400, "validation-failed"), answer
    assert answer.json["errors"][0]["field"] == field
    assert (await catalog.get(path, token=catalog.organizer)).json == draft


@pytest.mark.parametrize(
    "change",
    [
        {"starts_at": in_days(40)},
        {"currency": "USD"},
        {"areas": AREAS},
        {"max_tickets_per_user": 9},
        {"sale_opens_at": in_days(-2)},
    ],
)
async def test_what_is_frozen_says_so_and_the_rest_still_changes(
    catalog: Catalog, change: dict[str, Any]
) -> None:
    session = await catalog.session(await catalog.show())
    path = f"/sessions/{session['session_id']}"
    refused = await catalog.patch(path, change | {"sale_closes_at": in_days(9)})
    assert (refused.status, refused.code) == (409, "plan-frozen")
    assert [error["field"] for error in refused.json["errors"]] == list(change)
    assert (await catalog.get(path)).json == session
    same = await catalog.patch(path, {"currency": session["currency"], "max_tickets_per_user": 4})
    assert (same.status, same.json) == (200, session)
    later = await catalog.patch(path, {"sale_closes_at": "2031-01-01T00:00:00Z"})
    assert later.json["errors"][0]["field"] == "sale_closes_at"
    sooner = await catalog.patch(path, {"sale_closes_at": in_days(20)})
    assert sooner.status == 200


async def test_a_draft_is_deleted_and_a_published_session_is_not(catalog: Catalog) -> None:
    path, draft = await a_draft(catalog)
    sister = await catalog.session(draft["show_id"])
    gone = await catalog.call("DELETE", path, token=catalog.organizer)
    assert (gone.status, gone.body) == (204, b"")
    for method in ("GET", "DELETE", "PATCH"):
        body = {} if method == "PATCH" else None
        answer = await catalog.call(method, path, body, token=catalog.organizer)
        assert (answer.status, answer.code) == (404, "not-found"), method
    assert (await catalog.post(f"{path}/publish")).status == 404
    assert (await catalog.get(f"/internal{path}")).status == 404
    kept = await catalog.call(
        "DELETE", f"/sessions/{sister['session_id']}", token=catalog.organizer
    )
    assert (kept.status, kept.code) == (409, "session-published")
    listed = await catalog.get(f"/shows/{draft['show_id']}/sessions", token=catalog.organizer)
    assert listed.json["sessions"] == [sister]


async def test_a_show_goes_with_its_drafts_but_not_with_a_published_session(
    catalog: Catalog, database_url: str
) -> None:
    path, draft = await a_draft(catalog)
    show = f"/shows/{draft['show_id']}"
    other = await catalog.session(await catalog.show())
    for _ in range(2):
        await catalog.session(draft["show_id"], publish=False)
    assert (await catalog.call("DELETE", show, token=catalog.organizer)).status == 204
    for gone in (show, f"{show}/sessions", path):
        assert (await catalog.get(gone, token=catalog.organizer)).status == 404
    assert (await catalog.call("DELETE", show, token=catalog.organizer)).status == 404
    assert (await catalog.post(f"{show}/sessions", session_body())).status == 404
    kept = f"/shows/{other['show_id']}"
    await catalog.session(other["show_id"], publish=False)
    async with catalog_tables(database_url) as tables:
        for status in ("published", "cancelled"):
            await tables.execute("UPDATE sessions SET status = $1 WHERE status <> 'draft'", status)
            refused = await catalog.call("DELETE", kept, token=catalog.organizer)
            assert (refused.status, refused.code) == (409, "show-published")
            refused = await catalog.call(
                "DELETE", f"/sessions/{other['session_id']}", token=catalog.organizer
            )
            assert (refused.status, refused.code) == (409, "session-published")
    listed = await catalog.get(kept, token=catalog.organizer)
    assert len(listed.json["sessions"]) == 2


async def test_nobody_deletes_what_is_somebody_elses(catalog: Catalog) -> None:
    path, draft = await a_draft(catalog)
    show = f"/shows/{draft['show_id']}"
    foreign = catalog.signer.token("organizer")
    for target in (path, show, f"/venues/{await catalog.venue()}"):
        answer = await catalog.call("DELETE", target, token=foreign)
        assert (answer.status, answer.code) == (404, "not-found")
        for token in (catalog.signer.token(), catalog.signer.token("staff")):
            assert (await catalog.call("DELETE", target, token=token)).status == 403
        assert (await catalog.call("DELETE", target)).status == 401
    assert (await catalog.patch(path, {"areas": AREAS}, token=foreign)).status == 404
    admin = catalog.signer.token("admin")
    assert (await catalog.call("DELETE", show, token=admin)).status == 204


async def test_an_organizer_finds_their_drafts_again(catalog: Catalog) -> None:
    path, draft = await a_draft(catalog)
    mine = await catalog.get("/shows?mine=true", token=catalog.organizer)
    assert [show["show_id"] for show in mine.json["shows"]] == [draft["show_id"]]
    for place in (f"/shows/{draft['show_id']}", f"/shows/{draft['show_id']}/sessions"):
        found = await catalog.get(place, token=catalog.organizer)
        assert found.json["sessions"] == [draft]
        for stranger in ("", catalog.signer.token("organizer")):
            answer = await catalog.get(place, token=stranger)
            assert answer.status == 404 or answer.json["sessions"] == []
    assert (await catalog.get(path, token=catalog.organizer)).json == draft
