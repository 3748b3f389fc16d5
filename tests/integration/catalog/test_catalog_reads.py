"""Sessions, seat maps, conditional requests, and what booking asks."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest

from booking.clients.plans import seating_of
from contracts.catalog import SeatPlan, SessionTerms, TermsFound
from tests.support.catalog import Catalog, catalog_tables, in_days, running_catalog, waiting


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


def seats_of(seat_map: Any) -> list[Any]:
    return [seat for area in seat_map["areas"] for row in area["rows"] for seat in row["seats"]]


async def test_every_read_has_a_tag_and_knows_it_again(catalog: Catalog) -> None:
    show_id = await catalog.show()
    session = await catalog.session(show_id)
    for path in (
        "/shows",
        f"/shows/{show_id}",
        f"/shows/{show_id}/sessions",
        f"/sessions/{session['session_id']}",
        f"/sessions/{session['session_id']}/seat-map",
        f"/sessions/{session['session_id']}/hall",
    ):
        first = await catalog.get(path)
        tag = first.headers["ETag"]
        assert first.headers["Cache-Control"].startswith("public, max-age=")
        for sent in (tag, f"W/{tag}", f'"other", W/{tag}', "*"):
            again = await catalog.get(path, headers={"If-None-Match": sent})
            assert (again.status, again.body) == (304, b""), (path, sent)
            for name in ("ETag", "Cache-Control", "Vary"):
                assert again.headers[name] == first.headers[name]
            assert again.headers.get("Content-Length", "0") == "0"
        for sent in ('"other"', "W/", tag.strip('"')):
            assert (await catalog.get(path, headers={"If-None-Match": sent})).status == 200


async def test_a_tag_changes_with_the_answer(catalog: Catalog) -> None:
    show_id = await catalog.show()
    await catalog.session(show_id)
    before = await catalog.get(f"/shows/{show_id}")
    await catalog.patch(f"/shows/{show_id}", {"title": "新名字"})
    answer = await catalog.get(
        f"/shows/{show_id}", headers={"If-None-Match": before.headers["ETag"]}
    )
    assert (answer.status, answer.json["title"]) == (200, "新名字")


@pytest.mark.parametrize(
    ("opens", "closes", "status"),
    [(1, 2, "scheduled"), (-1, 1, "on_sale"), (-2, -1, "closed")],
)
async def test_a_sessions_status_is_by_the_databases_clock(
    catalog: Catalog, opens: float, closes: float, status: str
) -> None:
    show_id = await catalog.show()
    window = {"sale_opens_at": in_days(opens), "sale_closes_at": in_days(closes)}
    session = await catalog.session(show_id, **window)
    assert session["status"] == status
    listed = (await catalog.get("/shows")).json["shows"][0]
    assert listed["on_sale"] == (status == "on_sale")


async def test_a_session_has_what_the_contract_says(catalog: Catalog) -> None:
    show_id = await catalog.show()
    session = await catalog.session(show_id, starts_at="2030-01-02T19:30:00+08:00")
    assert (session["date"], session["time_zone"]) == ("2030-01-02T11:30:00Z", "Asia/Shanghai")
    assert session["sale_opens_at"].endswith("Z")
    assert len(session["sale_opens_at"]) == len("2030-01-02T11:30:00Z")
    assert session["max_tickets_per_user"] == 4
    vip, standing = session["seat_areas"]
    assert (vip["name"], vip["kind"], vip["price"], vip["capacity"], vip["available"]) == (
        "VIP A区",
        "seated",
        128_000,
        10,
        10,
    )
    assert (standing["kind"], standing["capacity"], standing["available"]) == ("standing", 5, 5)
    listed = (await catalog.get(f"/shows/{show_id}/sessions")).json
    assert listed == {"sessions": [session]}


async def test_a_map_lists_every_seat_in_seat_id_order(catalog: Catalog) -> None:
    session = await catalog.session(await catalog.show())
    answer = await catalog.get(f"/sessions/{session['session_id']}/seat-map")
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    drawn = answer.json
    ids = [seat["seat_id"] for seat in seats_of(drawn)]
    # rows of 6 (aisle after 2) and 4, then 5 standing places
    assert ids == [1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17, 18]
    assert drawn["seat_count"] == len(ids)
    vip, standing = drawn["areas"]
    first_row = vip["rows"][0]
    assert first_row["label"] == "1"
    assert [seat["number"] for seat in first_row["seats"]] == [1, 2, 3, 4, 5, 6]
    assert [seat["number"] for seat in first_row["seats"] if seat["accessible"]] == [1, 6]
    assert [row["label"] for row in standing["rows"]] == [""]
    assert len({(seat["x"], seat["y"]) for seat in seats_of(drawn)}) == len(ids)


@pytest.mark.parametrize("form", ["seat-map", "hall"])
async def test_a_large_map_travels_packed_to_who_takes_it(catalog: Catalog, form: str) -> None:
    rows = [{"label": str(n), "seats": 50, "aisles": [10, 40]} for n in range(250)]
    area = {"name": "看台", "kind": "seated", "price": 1, "rows": rows}
    session = await catalog.session(await catalog.show(), areas=[area])
    path = f"/sessions/{session['session_id']}/{form}"
    plain = await catalog.get(path)
    packed = await catalog.get(path, headers={"Accept-Encoding": "br;q=1.0, gzip;q=0.8"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert packed.headers["ETag"] != plain.headers["ETag"]  # strong tags: two representations
    for refusal in ("gzip;q=0", "identity", "br"):
        answer = await catalog.get(path, headers={"Accept-Encoding": refusal})
        assert "Content-Encoding" not in answer.headers


async def test_a_drafts_map_is_not_kept(catalog: Catalog) -> None:
    draft = await catalog.session(await catalog.show(), publish=False)
    path = f"/sessions/{draft['session_id']}/seat-map"
    answer = await catalog.get(path, token=catalog.organizer)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert (await catalog.get(path)).status == 404
    await catalog.post(f"/sessions/{draft['session_id']}/publish")
    published = await catalog.get(path)
    assert (published.status, published.body) == (200, answer.body)


async def test_booking_learns_terms_and_plan(catalog: Catalog) -> None:
    show_id = await catalog.show()
    session = await catalog.session(show_id)
    path = f"/internal/sessions/{session['session_id']}"
    terms = msgspec.json.decode((await catalog.get(path)).body, type=SessionTerms)
    assert (terms.show_id, terms.status, terms.title) == (UUID(show_id), "published", "测试演出")
    assert (terms.venue, terms.city, terms.time_zone) == ("上海体育场", "上海", "Asia/Shanghai")
    ranges = [(area.first_seat_id, area.last_seat_id, area.capacity) for area in terms.areas]
    assert ranges == [(1, 12, 10), (14, 18, 5)]
    plan = msgspec.json.decode((await catalog.get(f"{path}/plan")).body, type=SeatPlan)
    assert plan.length == 18
    drawn = (await catalog.get(f"/sessions/{session['session_id']}/seat-map")).json
    seats = [
        (segment.first_seat_id + step, row.label, segment.first_number + step)
        for area in plan.areas
        for row in area.rows
        for segment in row.segments
        for step in range(segment.count)
    ]
    assert seats == [(seat["seat_id"], seat["row"], seat["number"]) for seat in seats_of(drawn)]
    seating = seating_of(plan)
    assert seating.layout == b":./...:|....|....."
    found = [seating.seat(seat["seat_id"]) for seat in seats_of(drawn)]
    assert [seat is not None and seat.accessible for seat in found] == [
        seat["accessible"] for seat in seats_of(drawn)
    ]
    missing = f"/internal/sessions/{UUID(int=7)}"
    assert (await catalog.get(missing)).status == 404
    assert (await catalog.get(f"{missing}/plan")).status == 404


async def test_booking_learns_that_a_session_is_still_a_draft(catalog: Catalog) -> None:
    draft = await catalog.session(await catalog.show(), publish=False)
    path = f"/internal/sessions/{draft['session_id']}"
    assert (await catalog.get(path)).json["status"] == "draft"
    assert (await catalog.get(f"{path}/plan")).json["length"] == 18
    await catalog.post(f"/sessions/{draft['session_id']}/publish")
    assert (await catalog.get(path)).json["status"] == "published"


async def test_one_question_is_asked_for_all_who_read_the_same(
    catalog: Catalog, database_url: str
) -> None:
    show_id = await catalog.show()
    session = await catalog.session(show_id)
    paths = ["/shows", f"/shows/{show_id}", f"/sessions/{session['session_id']}"]
    async with catalog_tables(database_url) as tables:
        async with tables.transaction():
            await tables.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
            readers = [asyncio.create_task(catalog.get(path)) for path in paths * 10]
            while await waiting(tables) < len(paths):
                pass
            for _ in range(100):  # time enough for a fourth question, were there one
                assert await waiting(tables) == len(paths)
        answers = await asyncio.gather(*readers)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == len(paths)


@pytest.mark.parametrize("form", ["seat-map", "hall"])
async def test_a_map_is_answered_without_asking_the_database(
    catalog: Catalog, database_url: str, form: str
) -> None:
    session = await catalog.session(await catalog.show())
    path = f"/sessions/{session['session_id']}/{form}"
    first = await catalog.get(path)
    async with catalog_tables(database_url) as tables, tables.transaction():
        await tables.execute("LOCK TABLE sessions, areas IN ACCESS EXCLUSIVE MODE")
        again = await catalog.get(path)
        known = await catalog.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (200, first.body)
    assert known.status == 304


async def test_a_hall_of_a_hundred_thousand_seats(catalog: Catalog) -> None:
    blocks = [
        {
            "name": f"看台 {block}区",
            "kind": "seated",
            "price": 58_000,
            "rows": [{"label": str(row), "seats": 100, "aisles": [50]} for row in range(1, 51)],
        }
        for block in range(101, 120)
    ]
    field = {"name": "内场站席", "kind": "standing", "price": 88_000, "capacity": 5_000}
    session = await catalog.session(await catalog.show(), areas=[*blocks, field])
    path = f"/sessions/{session['session_id']}/seat-map"
    drawn = (await catalog.get(path)).json
    ids = [seat["seat_id"] for seat in seats_of(drawn)]
    assert len(ids) == drawn["seat_count"] == 100_000
    assert ids == sorted(set(ids))
    plan = await catalog.get(f"/internal/sessions/{session['session_id']}/plan")
    assert plan.json["length"] == ids[-1]
    packed = await catalog.get(path, headers={"Accept-Encoding": "gzip"})
    assert len(packed.body) < 1_500_000
    hall = await catalog.get(
        f"/sessions/{session['session_id']}/hall", headers={"Accept-Encoding": "gzip"}
    )
    print(f"100,000 seats of 950 rows laid out on the fly: {len(hall.body)} bytes compressed")
    assert len(hall.body) < 60_000


async def test_booking_asks_for_the_terms_of_many_at_once(catalog: Catalog) -> None:
    show_id = await catalog.show()
    asked = [(await catalog.session(show_id))["session_id"] for _ in range(3)]
    asked.insert(1, str(UUID(int=7)))
    lookups = [{"session_id": one, "request_id": "r-1", "span": "1.2"} for one in asked]
    path = "/internal/sessions/lookup"
    answer = await catalog.call("POST", path, {"lookups": lookups})
    found = msgspec.json.decode(answer.body, type=TermsFound).sessions
    assert [str(one.session_id) if one else None for one in found] == [
        *(asked[0], None, asked[2], asked[3])
    ]
    alone = await catalog.get(f"/internal/sessions/{asked[0]}")
    assert msgspec.json.decode(alone.body, type=SessionTerms) == found[0]
