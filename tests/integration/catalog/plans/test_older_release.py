"""A process of the release before plans runs beside this one, and its sessions go on selling (ADR 55, 90)."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from booking.clients.plans import seating_of
from catalog.domain.plan import Row
from chassis.ids import uuid7
from chassis.postgres.pool import load_queries
from contracts.catalog import SeatPlan
from tests.support.catalog import PRICES, Catalog, catalog_tables, running_catalog, session_body

older = load_queries(Path(__file__).parents[3] / "support" / "older_catalog.sql")

ROWS = [{"label": "1", "seats": 6, "aisles": [2], "accessible": [1, 6]}, {"label": "2", "seats": 4}]
IDS = [1, 2, 4, 5, 6, 7, 9, 10, 11, 12]


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


@pytest.fixture
async def tables(database_url: str) -> AsyncIterator[Any]:
    async with catalog_tables(database_url) as connection:
        yield connection


async def insert_areas(tables: Any, session_id: UUID) -> None:
    await older.insert_areas(
        tables,
        session_id=session_id,
        area_ids=[uuid7(), uuid7()],
        names=["Stalls", "Floor"],
        kinds=["seated", "standing"],
        prices=[128_000, 68_000],
        capacities=[10, 5],
        first_seat_ids=[1, 14],
        last_seat_ids=[12, 18],
        plans=[msgspec.json.encode(ROWS).decode(), None],
    )


async def older_session(catalog: Catalog, tables: Any) -> UUID:
    """A session that the older release created and published."""
    session_id, now = uuid7(), datetime.now(UTC)
    await older.insert_session(
        tables,
        session_id=session_id,
        show_id=UUID(await catalog.show()),
        starts_at=now + timedelta(days=9),
        local_date=now.date(),
        sale_opens_at=now - timedelta(days=1),
        sale_closes_at=now + timedelta(days=8),
        currency="CNY",
        max_tickets_per_user=4,
    )
    await insert_areas(tables, session_id)
    await older.publish_session(tables, session_id=session_id)
    return session_id


async def test_a_session_stored_before_plans_is_drawn_and_sold(
    catalog: Catalog, tables: Any
) -> None:
    session_id = await older_session(catalog, tables)
    session = (await catalog.get(f"/sessions/{session_id}")).json
    assert (session["status"], session["refuse_single_seats"]) == ("on_sale", False)
    assert [area["available"] for area in session["seat_areas"]] == [10, 5]
    seat_map = (await catalog.get(f"/sessions/{session_id}/seat-map")).json
    seats = [seat for area in seat_map["areas"] for row in area["rows"] for seat in row["seats"]]
    assert [seat["seat_id"] for seat in seats] == [*IDS, 14, 15, 16, 17, 18]
    assert [seat["number"] for seat in seats[:10]] == [1, 2, 3, 4, 5, 6, 1, 2, 3, 4]
    hall = (await catalog.get(f"/sessions/{session_id}/hall")).json
    front, _ = hall["areas"][0]["rows"]
    runs = [(one["first_seat_id"], one["first_number"], one["count"]) for one in front["segments"]]
    assert (runs, front["accessible"]) == ([(1, 1, 2), (4, 3, 4)], [1, 7])
    answer = await catalog.get(f"/internal/sessions/{session_id}/plan")
    plan = msgspec.json.decode(answer.body, type=SeatPlan)
    assert all(one.course for row in plan.areas[0].rows for one in row.segments)
    assert seating_of(plan).layout == b":./...:|....|....."
    closing = (datetime.now(UTC) + timedelta(days=7)).isoformat()
    changed = await catalog.patch(
        f"/sessions/{session_id}", {"sale_closes_at": closing}, token=catalog.signer.token("admin")
    )
    assert changed.status == 200, changed


async def planned_draft(catalog: Catalog) -> tuple[UUID, UUID]:
    """A draft from a plan, and its venue."""
    venue_id = await catalog.venue()
    plan = await catalog.plan(venue_id)
    body = session_body(plan_id=plan["plan_id"], prices=PRICES)
    del body["areas"]
    show_id = await catalog.show(venue_id=venue_id)
    made = await catalog.post(f"/shows/{show_id}/sessions", body)
    assert made.status == 201, made
    return UUID(made.json["session_id"]), UUID(venue_id)


async def test_the_older_release_reads_the_same_positions_of_a_session_from_a_plan(
    catalog: Catalog, tables: Any
) -> None:
    session_id, _ = await planned_draft(catalog)
    found = [row async for row in older.plan_of_session(tables, session_id=session_id)]
    balcony, table, floor = (
        row["plan"] and msgspec.json.decode(row["plan"], type=list[Row]) for row in found
    )
    assert balcony == [Row("A", 6, (2,), (6,)), Row("B", 8, (2,))]  # the sixth is number 1
    assert (table, floor) == ([Row("T1", 4)], None)
    ranges = [(row["first_seat_id"], row["last_seat_id"], row["capacity"]) for row in found]
    assert ranges == [(1, 17, 14), (19, 22, 4), (24, 33, 10)]


async def test_areas_that_the_older_release_replaces_are_laid_out_from_their_rows(
    catalog: Catalog, tables: Any
) -> None:
    session_id, venue_id = await planned_draft(catalog)
    path = f"/sessions/{session_id}/hall"
    assert (await catalog.get(path, token=catalog.organizer)).json["stage"]["label"] == "Stage"
    now = datetime.now(UTC)
    async with tables.transaction():
        await older.delete_areas(tables, session_ids=[session_id])
        await insert_areas(tables, session_id)
        await older.update_session(
            tables,
            session_id=session_id,
            status="draft",
            starts_at=now + timedelta(days=9),
            local_date=now.date(),
            sale_opens_at=now,
            sale_closes_at=now + timedelta(days=8),
            currency="CNY",
            max_tickets_per_user=4,
        )
    hall = (await catalog.get(path, token=catalog.organizer)).json
    assert (hall["stage"]["label"], hall["levels"], hall["seat_count"]) == (None, [], 15)
    assert [area["name"] for area in hall["areas"]] == ["Stalls", "Floor"]
    plan = await catalog.get(f"/internal/sessions/{session_id}/plan")
    assert plan.json["length"] == 18
    await older.delete_areas(tables, session_ids=[session_id])
    await older.delete_drafts(tables, session_ids=[session_id])
    await tables.execute("DELETE FROM shows WHERE venue_id = $1", venue_id)
    await older.delete_venue(tables, venue_id=venue_id)
    assert await tables.fetchval("SELECT count(*) FROM plans WHERE venue_id = $1", venue_id) == 0
