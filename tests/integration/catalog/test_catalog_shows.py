"""Finding shows: filters, Chinese text, pages, order, and who sees drafts."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from tests.support.catalog import Catalog, catalog_tables, in_days, running_catalog


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


async def found(catalog: Catalog, **query: Any) -> list[str]:
    """The titles that a search finds, in its order."""
    answer = await catalog.get(f"/shows?{urlencode(query)}")
    assert answer.status == 200, answer
    return [show["title"] for show in answer.json["shows"]]


@pytest.fixture
async def shows(catalog: Catalog) -> None:
    """Three published shows in two cities, and a draft."""
    beijing = await catalog.venue(name="国家大剧院", city="北京")
    shanghai = await catalog.venue()
    for title, venue, category, description, days in [
        ("周杰伦 2026 世界巡回演唱会", shanghai, "演唱会", "嘉年华 Carnival", 40),
        ("雷雨", beijing, "话剧", "曹禺经典，100%_原版", 30),
        ("Swan Lake", beijing, "芭蕾", "天鹅湖 by the ＮＡＴＩＯＮＡＬ Ballet", 50),
    ]:
        show_id = await catalog.show(
            title=title, venue_id=venue, category=category, description=description
        )
        await catalog.session(show_id, starts_at=in_days(days), sale_closes_at=in_days(days))
    await catalog.show(title="草稿 Draft", venue_id=beijing)


@pytest.mark.usefixtures("shows")
async def test_shows_come_by_next_date_with_what_a_list_needs(catalog: Catalog) -> None:
    answer = await catalog.get("/shows")
    assert [show["title"] for show in answer.json["shows"]] == [
        "雷雨",
        "周杰伦 2026 世界巡回演唱会",
        "Swan Lake",
    ]
    assert (answer.json["page"], answer.json["page_size"], answer.json["total"]) == (1, 20, 3)
    first = answer.json["shows"][0]
    assert first.keys() >= {"show_id", "date"}
    assert {
        key: first[key]
        for key in ("category", "city", "venue", "price_from", "currency", "on_sale")
    } == {
        "category": "话剧",
        "city": "北京",
        "venue": "国家大剧院",
        "price_from": 68_000,
        "currency": "CNY",
        "on_sale": True,
    }


@pytest.mark.usefixtures("shows")
@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ({"q": "周杰伦"}, ["周杰伦 2026 世界巡回演唱会"]),
        ({"q": "杰伦"}, ["周杰伦 2026 世界巡回演唱会"]),
        ({"q": "雨"}, ["雷雨"]),
        ({"q": "剧院"}, ["雷雨", "Swan Lake"]),  # in the venue's name
        ({"q": "上海"}, ["周杰伦 2026 世界巡回演唱会"]),  # in the city
        ({"q": "swan"}, ["Swan Lake"]),
        ({"q": "LAKE swan"}, ["Swan Lake"]),
        ({"q": "national"}, ["Swan Lake"]),  # full-width in the description
        ({"q": "%"}, ["雷雨"]),
        ({"q": "0%_原"}, ["雷雨"]),
        ({"q": "_"}, ["雷雨"]),
        ({"q": "draft"}, []),
        ({"q": "swan 雷雨"}, []),
        ({"q": "周  "}, ["周杰伦 2026 世界巡回演唱会"]),
        ({"q": "'; DROP TABLE shows; --"}, []),
        ({"city": "北京"}, ["雷雨", "Swan Lake"]),
        ({"city": "北京", "category": "话剧"}, ["雷雨"]),
        ({"city": "北"}, []),
        ({"category": "演唱会", "q": "世界"}, ["周杰伦 2026 世界巡回演唱会"]),
        ({"city": "", "category": "", "q": "", "from": "", "to": "", "page": 1, "page_size": 1},
         ["雷雨"]),
    ],
)  # fmt: skip
async def test_filters_find_by_substring_and_by_equality(
    catalog: Catalog, query: dict[str, Any], titles: list[str]
) -> None:
    assert await found(catalog, **query) == titles


async def test_a_day_is_the_venues_day(catalog: Catalog) -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    day = (datetime.now(UTC) + timedelta(days=20)).date()
    early = datetime(day.year, day.month, day.day, 1, tzinfo=shanghai)  # the day before in UTC
    await catalog.session(await catalog.show(title="Night"), starts_at=early.isoformat())
    before, after = day - timedelta(days=1), day + timedelta(days=1)
    assert await found(catalog, **{"from": day, "to": day}) == ["Night"]
    assert await found(catalog, to=before) == []
    assert await found(catalog, **{"from": after}) == []
    assert await found(catalog, **{"from": early.isoformat(), "to": early.isoformat()}) == ["Night"]
    later = (early + timedelta(seconds=1)).isoformat()
    assert await found(catalog, **{"from": later}) == []


async def test_both_ends_of_a_span_must_hold_one_session(catalog: Catalog) -> None:
    show_id = await catalog.show()
    await catalog.session(show_id, starts_at=in_days(10), sale_closes_at=in_days(10))
    await catalog.session(show_id, starts_at=in_days(30), sale_closes_at=in_days(30))
    assert await found(catalog, **{"from": in_days(15), "to": in_days(25)}) == []
    assert await found(catalog, **{"from": in_days(5), "to": in_days(25)}) == ["测试演出"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=nonsense", "from"),
        ("to=2026-02-30", "to"),
        ("from=2026-12-24&to=2026-12-23", "from"),
        ("page=0", "page"),
        ("page=x", "page"),
        ("page_size=101", "page_size"),
        ("q=%00", "q"),
        ("city=" + "x" * 201, "city"),
    ],
)
async def test_a_bad_query_names_its_field(catalog: Catalog, query: str, field: str) -> None:
    answer = await catalog.get(f"/shows?{query}")
    assert (answer.status, answer.code) == (400, "validation-failed")
    assert answer.json["errors"][0]["field"] == field


async def test_pages_are_stable_and_the_total_is_right_behind_the_last_one(
    catalog: Catalog,
) -> None:
    venue_id = await catalog.venue()
    same_start = in_days(31)
    for number in range(7):
        show_id = await catalog.show(title=f"Show {number % 2}", venue_id=venue_id)
        await catalog.session(show_id, starts_at=same_start)
    seen: list[str] = []
    for page in (1, 2, 3, 4):
        answer = (await catalog.get(f"/shows?page={page}&page_size=3")).json
        assert (answer["page"], answer["page_size"], answer["total"]) == (page, 3, 7)
        seen += [show["show_id"] for show in answer["shows"]]
    assert len(seen) == len(set(seen)) == 7
    whole = (await catalog.get("/shows")).json["shows"]
    assert seen == [show["show_id"] for show in whole]
    assert [show["title"] for show in whole] == ["Show 0"] * 4 + ["Show 1"] * 3


async def test_a_show_whose_sessions_are_over_comes_last_without_a_date(catalog: Catalog) -> None:
    over = await catalog.show(title="A past one")
    past = {"starts_at": in_days(-1), "sale_opens_at": in_days(-9), "sale_closes_at": in_days(-2)}
    await catalog.session(over, **past)
    await catalog.session(await catalog.show(title="The next one"))
    answer = (await catalog.get("/shows")).json
    assert [show["title"] for show in answer["shows"]] == ["The next one", "A past one"]
    assert answer["shows"][1]["date"] is None
    assert answer["shows"][1]["on_sale"] is False
    one = (await catalog.get(f"/shows/{over}")).json
    assert {key: one[key] for key in answer["shows"][1]} == answer["shows"][1]


async def test_a_list_and_a_show_say_the_same(catalog: Catalog) -> None:
    show_id = await catalog.show()
    await catalog.session(show_id, starts_at=in_days(60), sale_closes_at=in_days(60))
    cheap = {"name": "站席", "kind": "standing", "price": 100, "capacity": 1}
    dollars = await catalog.session(show_id, currency="USD", areas=[cheap])
    listed = (await catalog.get("/shows")).json["shows"][0]
    alone = (await catalog.get(f"/shows/{show_id}")).json
    assert {key: alone[key] for key in listed} == listed
    assert (listed["price_from"], listed["currency"]) == (100, "USD")
    assert listed["date"] == dollars["date"]
    assert alone["sessions"][0] == dollars


async def test_drafts_are_their_organizers_and_the_admins(catalog: Catalog) -> None:
    show_id = await catalog.show()
    draft = await catalog.session(show_id, publish=False)
    paths = [
        f"/shows/{show_id}",
        f"/shows/{show_id}/sessions",
        f"/sessions/{draft['session_id']}",
        f"/sessions/{draft['session_id']}/seat-map",
    ]
    strangers = ["", catalog.signer.token(), catalog.signer.token("organizer")]
    for path in paths:
        for token in strangers:
            answer = await catalog.get(path, token=token)
            assert (answer.status, answer.code) == (404, "not-found"), path
        for token in (catalog.organizer, catalog.signer.token("admin")):
            own = await catalog.get(path, token=token)
            assert own.status == 200, own
            assert own.headers["Cache-Control"] == "private, no-cache"
    published = await catalog.session(show_id)
    shown = (await catalog.get(f"/shows/{show_id}")).json["sessions"]
    assert [session["session_id"] for session in shown] == [published["session_id"]]
    mine = (await catalog.get(f"/shows/{show_id}", token=catalog.organizer)).json["sessions"]
    assert {session["status"] for session in mine} == {"draft", "on_sale"}


async def test_organizers_list_their_own_shows_with_drafts(catalog: Catalog) -> None:
    await catalog.show(title="My draft")
    other = catalog.signer.token("organizer")
    assert (await catalog.get("/shows?mine=true", token=other)).json["total"] == 0
    assert (await catalog.get("/shows?mine=true")).status == 401
    mine = (await catalog.get("/shows?mine=true", token=catalog.organizer)).json
    assert [show["title"] for show in mine["shows"]] == ["My draft"]
    assert mine["shows"][0]["date"] is None


async def test_nothing_is_not_found_as_a_problem(catalog: Catalog) -> None:
    unknown = UUID(int=7)
    for path in (f"/shows/{unknown}", f"/shows/{unknown}/sessions", f"/sessions/{unknown}"):
        answer = await catalog.get(path)
        assert (answer.status, answer.code) == (404, "not-found")
    assert (await catalog.get("/shows/no-uuid")).status == 404


async def test_a_cancelled_session_still_answers_but_lists_no_show(
    catalog: Catalog, database_url: str
) -> None:
    show_id = await catalog.show()
    session = await catalog.session(show_id)
    async with catalog_tables(database_url) as tables:
        await tables.execute("UPDATE sessions SET status = 'cancelled'")
    assert await found(catalog) == []
    answer = await catalog.get(f"/sessions/{session['session_id']}")
    assert answer.json["status"] == "cancelled"
    assert (await catalog.get(f"/shows/{show_id}")).status == 200
