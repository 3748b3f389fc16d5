"""Sessions from plans: a copy with prices, which no plan changes any more and which freezes when it is
published."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from contracts.catalog import SeatPlan, SessionTerms
from contracts.halls import Arc
from tests.support.catalog import (
    AREAS,
    PLAN,
    PRICES,
    Catalog,
    catalog_tables,
    running_catalog,
    session_body,
)


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


class Planned:
    """A venue with a plan, and a show there."""

    def __init__(self, catalog: Catalog, show_id: str, plan: Any) -> None:
        self.catalog, self.show_id, self.plan = catalog, show_id, plan
        self.path = f"/shows/{show_id}/sessions"

    def body(self, **changes: Any) -> Any:
        body = session_body(plan_id=self.plan["plan_id"], prices=PRICES) | changes
        body.pop("areas")
        return body | {name: value for name, value in changes.items() if name == "areas"}

    async def session(self, *, publish: bool = False, **changes: Any) -> Any:
        made = await self.catalog.post(self.path, self.body(**changes))
        assert made.status == 201, made
        if publish:
            published = await self.catalog.post(f"/sessions/{made.json['session_id']}/publish")
            assert published.status == 200, published
            return published.json
        return made.json


@pytest.fixture
async def planned(catalog: Catalog) -> Planned:
    venue_id = await catalog.venue()
    show_id = await catalog.show(venue_id=venue_id)
    return Planned(catalog, show_id, await catalog.plan(venue_id))


async def everything(catalog: Catalog, session_id: str) -> list[bytes]:
    """All that anybody reads of a session's seats."""
    return [
        (await catalog.get(path, token=catalog.organizer)).body
        for path in (
            f"/sessions/{session_id}/hall",
            f"/sessions/{session_id}/seat-map",
            f"/sessions/{session_id}",
            f"/internal/sessions/{session_id}/plan",
        )
    ]


async def test_a_session_has_an_area_for_each_section(planned: Planned, catalog: Catalog) -> None:
    session = await planned.session(publish=True, refuse_single_seats=True)
    areas = session["seat_areas"]
    assert [(area["name"], area["kind"], area["price"], area["capacity"]) for area in areas] == [
        ("Balcony middle", "seated", 48_000, 14),
        ("Tables", "seated", 90_000, 4),
        ("Floor", "standing", 28_000, 10),
    ]
    # three seats are blocked or the house's
    assert [area["available"] for area in areas] == [11, 4, 10]
    assert [(area.get("level"), area.get("entrance")) for area in areas] == [
        ("Balcony", "Door 3"),
        (None, None),
        (None, None),
    ]
    assert session["refuse_single_seats"] is True
    terms = await catalog.get(f"/internal/sessions/{session['session_id']}")
    read = msgspec.json.decode(terms.body, type=SessionTerms)
    assert read.refuse_single_seats is True
    assert [(one.first_seat_id, one.last_seat_id) for one in read.areas] == [
        (1, 17),
        (19, 22),
        (24, 33),
    ]


async def test_the_compact_hall_is_the_plans(planned: Planned, catalog: Catalog) -> None:
    session = await planned.session(publish=True)
    path = f"/sessions/{session['session_id']}/hall"
    answer = await catalog.get(path)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    hall = answer.json
    assert (hall["session_id"], hall["version"], hall["seat_count"]) == (
        session["session_id"],
        1,
        28,
    )
    assert (hall["currency"], hall["facing"], hall["stage"]["label"]) == ("CNY", 90.0, "Stage")
    assert hall["levels"] == [{"key": "up", "name": "Balcony"}]
    balcony, tables, floor = hall["areas"]
    assert [area["area_id"] for area in hall["areas"]] == [
        area["area_id"] for area in session["seat_areas"]
    ]
    assert (balcony["level"], balcony["entrance"], balcony["view"]) == (
        "up",
        "Door 3",
        "From above",
    )
    front, back = balcony["rows"]
    assert [
        (one["first_seat_id"], one["first_number"], one["count"]) for one in front["segments"]
    ] == [
        (1, 11, 2),
        (4, 7, 4),
    ]
    assert {one["step"] for one in front["segments"]} == {-2}
    assert front["segments"][0]["course"][0] == "arc"
    assert (front["accessible"], front["companions"]) == ([7], [[6, 7]])
    assert (back["restricted"], back["blocked"]) == ([9], [15, 16, 17])
    assert (tables["rows"][0]["label"], tables["rows"][0]["whole"]) == ("T1", True)
    assert (floor["rows"], floor["first_seat_id"]) == ([], 24)
    known = await catalog.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (known.status, known.body) == (304, b"")


async def test_booking_learns_where_seats_are_and_what_is_special(
    planned: Planned, catalog: Catalog
) -> None:
    session = await planned.session(publish=True)
    answer = await catalog.get(f"/internal/sessions/{session['session_id']}/plan")
    plan = msgspec.json.decode(answer.body, type=SeatPlan)
    assert (plan.length, plan.focal_point, plan.facing) == (33, (0.0, -2.0), 90.0)
    front, back = plan.areas[0].rows
    assert [(one.first_seat_id, one.first_number, one.step) for one in front.segments] == [
        (1, 11, -2),
        (4, 7, -2),
    ]
    assert isinstance(front.segments[0].course, Arc)
    assert (front.accessible, front.companions) == ([1], [(3, 1)])
    assert (back.restricted, back.blocked, back.house) == ([15], [1, 3], [3, 5])
    assert plan.areas[1].rows[0].whole
    (floor,) = plan.areas[2].rows
    assert (floor.label, floor.segments[0].count, floor.segments[0].course) == ("", 10, None)


async def test_no_change_of_a_plan_touches_a_session(planned: Planned, catalog: Catalog) -> None:
    draft = await planned.session()
    published = await planned.session(publish=True)
    sessions = [draft["session_id"], published["session_id"]]
    before = [await everything(catalog, one) for one in sessions]
    path = f"/plans/{planned.plan['plan_id']}"
    floor = PLAN | {"sections": [PLAN["sections"][2]]}  # type: ignore[index]
    changed = await catalog.call(
        "PUT", path, floor, token=catalog.organizer, headers={"If-Match": "*"}
    )
    assert changed.status == 200, changed
    assert [await everything(catalog, one) for one in sessions] == before
    assert (await catalog.call("DELETE", path, token=catalog.organizer)).status == 204
    # another process, which has cached nothing
    async with running_catalog(catalog.database_url, catalog.signer) as another:
        another.organizer = catalog.organizer
        assert [await everything(another, one) for one in sessions] == before
    later = await catalog.post(f"/sessions/{draft['session_id']}/publish")
    assert (later.status, later.json["seat_areas"][0]["capacity"]) == (200, 14)


async def test_a_draft_takes_a_plan_and_rows_in_turn(planned: Planned, catalog: Catalog) -> None:
    draft = await catalog.session(planned.show_id, publish=False)
    path = f"/sessions/{draft['session_id']}"
    rows = await everything(catalog, draft["session_id"])
    taken = await catalog.patch(path, {"plan_id": planned.plan["plan_id"], "prices": PRICES})
    assert taken.status == 200, taken
    assert [area["name"] for area in taken.json["seat_areas"]] == [
        "Balcony middle",
        "Tables",
        "Floor",
    ]
    hall = (await catalog.get(f"{path}/hall", token=catalog.organizer)).json
    assert hall["stage"]["label"] == "Stage"
    back = await catalog.patch(path, {"areas": AREAS, "refuse_single_seats": True})
    assert (back.status, back.json["refuse_single_seats"]) == (200, True)
    again = await everything(catalog, draft["session_id"])
    assert stripped(again[0]) == stripped(rows[0])


def stripped(body: bytes) -> Any:
    """A hall without the ids of its areas."""
    hall = msgspec.json.decode(body)
    for area in hall["areas"]:
        del area["area_id"]
    return hall


async def test_once_published_no_plan_is_taken(planned: Planned, catalog: Catalog) -> None:
    session = await planned.session(publish=True)
    path = f"/sessions/{session['session_id']}"
    before = await everything(catalog, session["session_id"])
    for change, field in (
        ({"plan_id": planned.plan["plan_id"], "prices": PRICES}, "plan_id"),
        ({"areas": AREAS}, "areas"),
        ({"refuse_single_seats": True}, "refuse_single_seats"),
    ):
        refused = await catalog.patch(path, change)
        assert (refused.status, refused.code) == (409, "plan-frozen"), change
        assert [error["field"] for error in refused.json["errors"]] == [field]
    assert (await catalog.patch(path, {"refuse_single_seats": False})).status == 200  # no change
    assert await everything(catalog, session["session_id"]) == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sessions SET hall = '{}' WHERE session_id = $1",
        "UPDATE sessions SET hall = NULL WHERE session_id = $1",
        "UPDATE sessions SET refuse_single_seats = true WHERE session_id = $1",
        "UPDATE areas SET geometry = NULL WHERE session_id = $1",
        "UPDATE areas SET level = 'x' WHERE session_id = $1",
        "UPDATE areas SET entrance = 'x' WHERE session_id = $1",
        "UPDATE areas SET kept = 0 WHERE session_id = $1",
    ],
)
async def test_the_database_refuses_to_change_what_is_on_sale(
    planned: Planned, database_url: str, statement: str
) -> None:
    draft = await planned.session()
    session = await planned.session(publish=True)
    async with catalog_tables(database_url) as tables:
        await tables.execute(statement, UUID(draft["session_id"]))
        with pytest.raises(asyncpg.CheckViolationError, match="published"):
            await tables.execute(statement, UUID(session["session_id"]))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prices": PRICES[1:]}, "prices"),
        ({"prices": []}, "prices"),
        ({"prices": [*PRICES, {"section": "attic", "price": 1}]}, "prices.3.section"),
        ({"prices": [*PRICES, PRICES[0]]}, "prices.3.section"),
        ({"prices": [PRICES[0] | {"price": -1}]}, "prices.0.price"),
        ({"prices": [PRICES[0] | {"price": 10**10 + 1}]}, "prices.0.price"),
        ({"prices": [PRICES[0] | {"currency": "CNY"}]}, "prices.0.currency"),
        ({"areas": AREAS}, "areas"),
        ({"plan_id": str(UUID(int=7))}, "plan_id"),
        ({"plan_id": "mine"}, "plan_id"),
        ({"refuse_single_seats": "yes"}, "refuse_single_seats"),
    ],
)
async def test_wrong_prices_name_their_field(
    planned: Planned, catalog: Catalog, changes: Any, field: str
) -> None:
    draft = await planned.session()
    path = f"/sessions/{draft['session_id']}"
    before = await everything(catalog, draft["session_id"])
    change = {"plan_id": planned.plan["plan_id"], "prices": PRICES} | changes
    for refused in (
        await catalog.post(planned.path, planned.body(**changes)),
        await catalog.patch(path, change),
    ):
        assert (refused.status, refused.code) == (400, "validation-failed"), refused
        assert field in [error["field"] for error in refused.json["errors"]]
    assert await everything(catalog, draft["session_id"]) == before
    assert len((await catalog.get(planned.path, token=catalog.organizer)).json["sessions"]) == 1


async def test_areas_or_a_plan_with_prices_are_needed(planned: Planned, catalog: Catalog) -> None:
    for leave_out, field in (
        (("plan_id", "prices"), "areas"),
        (("plan_id",), "areas"),
        (("prices",), "prices"),
    ):
        body = {name: value for name, value in planned.body().items() if name not in leave_out}
        refused = await catalog.post(planned.path, body)
        assert (refused.status, refused.json["errors"][0]["field"]) == (400, field), leave_out
    draft = await planned.session()
    path = f"/sessions/{draft['session_id']}"
    of_rows = f"/sessions/{(await catalog.session(planned.show_id, publish=False))['session_id']}"
    for at, change in (
        (path, {"plan_id": planned.plan["plan_id"]}),
        (path, {"prices": PRICES, "areas": AREAS}),
        (path, {"prices": PRICES[1:]}),
        (of_rows, {"prices": PRICES}),
    ):
        refused = await catalog.patch(at, change)
        assert (refused.status, refused.json["errors"][0]["field"]) == (400, "prices"), change


async def test_prices_alone_change_those_of_the_copy(planned: Planned, catalog: Catalog) -> None:
    draft, other = await planned.session(), await planned.session()
    path = f"/sessions/{draft['session_id']}"
    before = (await catalog.get(f"{path}/hall", token=catalog.organizer)).json
    gone = await catalog.call(
        "DELETE", f"/plans/{planned.plan['plan_id']}", token=catalog.organizer
    )
    assert gone.status == 204
    dearer = [one | {"price": one["price"] + index} for index, one in enumerate(PRICES, 1)]
    changed = await catalog.patch(path, {"prices": dearer})
    assert changed.status == 200, changed
    assert [area["price"] for area in changed.json["seat_areas"]] == [48_001, 90_002, 28_003]
    after = (await catalog.get(f"{path}/hall", token=catalog.organizer)).json
    for area, price in zip(before["areas"], (48_001, 90_002, 28_003), strict=True):
        area["price"] = price
    assert after == before
    kept = await catalog.get(f"/sessions/{other['session_id']}", token=catalog.organizer)
    assert [area["price"] for area in kept.json["seat_areas"]] == [48_000, 90_000, 28_000]
    assert (await catalog.post(f"{path}/publish")).status == 200
    frozen = await catalog.patch(path, {"prices": PRICES})
    assert (frozen.status, frozen.code) == (409, "plan-frozen")
    assert [error["field"] for error in frozen.json["errors"]] == ["prices"]


async def test_a_plan_of_another_venue_is_refused(planned: Planned, catalog: Catalog) -> None:
    elsewhere = await catalog.plan(await catalog.venue())
    refused = await catalog.post(planned.path, planned.body(plan_id=elsewhere["plan_id"]))
    assert (refused.status, refused.json["errors"][0]["field"]) == (400, "plan_id")


async def test_another_organizer_holds_a_show_by_the_venues_plan(
    planned: Planned, catalog: Catalog
) -> None:
    """As every venue, its plans are everybody's to use."""
    guest = catalog.signer.token("organizer")
    show = {"title": "Guest", "category": "Play", "venue_id": planned.plan["venue_id"]}
    made = await catalog.post("/shows", show, token=guest)
    session = await catalog.post(
        f"/shows/{made.json['show_id']}/sessions", planned.body(), token=guest
    )
    assert session.status == 201, session
    refused = await catalog.post(planned.path, planned.body(), token=guest)
    assert refused.status == 404


async def test_a_replay_answers_though_the_plan_is_gone(planned: Planned, catalog: Catalog) -> None:
    key = {"Idempotency-Key": "session-1"}
    body = planned.body()
    first = await catalog.post(planned.path, body, headers=key)
    assert first.status == 201, first
    path = f"/plans/{planned.plan['plan_id']}"
    assert (await catalog.call("DELETE", path, token=catalog.organizer)).status == 204
    again = await catalog.post(planned.path, body, headers=key)
    assert (again.status, again.body) == (201, first.body)
    assert (await catalog.post(planned.path, body)).status == 400


async def test_a_plan_that_names_its_sections_alike_in_every_way_but_one(
    planned: Planned, catalog: Catalog
) -> None:
    """Keys, not names, connect prices with sections."""
    floor = PLAN["sections"][2]  # type: ignore[index]
    other = floor | {"key": "Floor", "name": "floor ", "outline": [[20, 2], [30, 2], [30, 10]]}
    plan = await catalog.plan(planned.plan["venue_id"], sections=[floor, other])
    prices = [{"section": "Floor", "price": 2}, {"section": "floor", "price": 1}]
    made = await catalog.post(planned.path, planned.body(plan_id=plan["plan_id"], prices=prices))
    assert made.status == 201, made
    areas = [(area["name"], area["price"]) for area in made.json["seat_areas"]]
    assert areas == [("Floor", 1), ("floor ", 2)]
