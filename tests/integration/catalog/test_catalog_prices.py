"""Categories, fees and taxes of sessions: as organizers write them, as buyers and booking read them."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from contracts.catalog import SessionTerms
from tests.support.api import Answer
from tests.support.catalog import Catalog, catalog_tables, running_catalog

AREAS = [
    {"name": "Stalls", "kind": "seated", "price": 9_995, "rows": [{"label": "1", "seats": 10}]},
    {"name": "Floor", "kind": "standing", "price": 5_000, "capacity": 20},
]
CATEGORIES: list[dict[str, Any]] = [
    {"key": "adult", "name": "Adult"},
    {"key": "student", "name": "Student", "percent": 50, "proof": "Student card"},
    {"key": "child", "name": "Child", "prices": [{"area": "Stalls", "price": 0}], "max_per_order": 2},
]  # fmt: skip
FEES: list[dict[str, Any]] = [
    {"key": "service", "name": "Service", "per": "ticket", "basis_points": 250},
    {"key": "order", "name": "Order fee", "per": "order", "amount": 300},
    {"key": "sales", "name": "Sales fee", "per": "ticket", "amount": 99, "borne_by": "organizer"},
]
TAXES = [{"name": "VAT", "rate": 700}]
SHEET: dict[str, Any] = {"price_categories": CATEGORIES, "fees": FEES, "taxes": TAXES}


def wrong_fields(answer: Answer) -> set[str]:
    return {error["field"] for error in answer.json["errors"]}


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


async def test_the_whole_price_is_shown_first(catalog: Catalog) -> None:
    show_id = await catalog.show()
    session = await catalog.session(show_id, areas=AREAS, **SHEET)
    stalls, floor = (await catalog.get(f"/sessions/{session['session_id']}")).json["seat_areas"]
    # 2.5% of 9995 is 249.875, of 4998 (half of 9995, halves up) 124.95; and 300 an order
    assert (stalls["price"], stalls["total_price"]) == (9_995, 9_995 + 250 + 300)
    assert stalls["categories"] == [
        {"category": "adult", "price": 9_995, "total_price": 10_545},
        {"category": "student", "price": 4_998, "total_price": 4_998 + 125 + 300},
        {"category": "child", "price": 0, "total_price": 0},
    ]
    assert floor["total_price"] == 5_000 + 125 + 300
    assert [one["category"] for one in floor["categories"]] == ["adult", "student"]
    shows = (await catalog.get("/shows")).json["shows"]
    assert [one["price_from"] for one in shows if one["show_id"] == show_id] == [5_425]
    assert (await catalog.get(f"/shows/{show_id}")).json["price_from"] == 5_425


async def test_what_the_organizer_bears_is_the_organizers_to_see(catalog: Catalog) -> None:
    session = await catalog.session(await catalog.show(), areas=AREAS, **SHEET)
    path = f"/sessions/{session['session_id']}"
    assert [fee["key"] for fee in (await catalog.get(path)).json["fees"]] == ["service", "order"]
    mine = (await catalog.get(path, token=catalog.organizer)).json
    assert (mine["fees"], mine["taxes"]) == (FEES, TAXES)
    student = {"key": "student", "name": "Student", "proof": "Student card"}
    assert mine["price_categories"][1] == student


async def test_booking_reads_prices_by_area(catalog: Catalog) -> None:
    session = await catalog.session(await catalog.show(), areas=AREAS, **SHEET)
    answer = await catalog.get(f"/internal/sessions/{session['session_id']}")
    prices = msgspec.json.decode(answer.body, type=SessionTerms).prices
    assert prices is not None
    assert [one.prices for one in prices.categories] == [[9_995, 5_000], [4_998, 2_500], [0, None]]
    assert [one.refunded for one in prices.fees] == ["with_ticket", "when_cancelled", "with_ticket"]


async def test_a_session_without_them_reads_as_ever(catalog: Catalog) -> None:
    session = await catalog.session(await catalog.show(), areas=AREAS)
    shown = (await catalog.get(f"/sessions/{session['session_id']}")).json
    assert not {"price_categories", "fees", "taxes"} & shown.keys()
    assert [one["total_price"] for one in shown["seat_areas"]] == [9_995, 5_000]
    assert "categories" not in shown["seat_areas"][0]
    answer = await catalog.get(f"/internal/sessions/{session['session_id']}")
    assert msgspec.json.decode(answer.body, type=SessionTerms).prices is None


async def test_a_draft_may_change_in_prices_and_a_published_session_not(catalog: Catalog) -> None:
    session = await catalog.session(await catalog.show(), areas=AREAS, publish=False, **SHEET)
    path = f"/sessions/{session['session_id']}"
    cheaper = [FEES[0] | {"basis_points": 100}]
    changed = await catalog.patch(path, {"fees": cheaper})
    assert changed.json["seat_areas"][0]["total_price"] == 9_995 + 100
    assert len(changed.json["price_categories"]) == 3  # what is left out stays
    renamed = [AREAS[0] | {"name": "Balcony"}, AREAS[1]]
    refused = await catalog.patch(path, {"areas": renamed})
    assert wrong_fields(refused) == {"price_categories.2.prices.0.area"}
    emptied = await catalog.patch(path, {"areas": renamed} | {name: [] for name in SHEET})
    assert "price_categories" not in emptied.json
    assert (await catalog.patch(path, {"fees": cheaper})).status == 200
    assert (await catalog.post(f"{path}/publish")).status == 200
    frozen = await catalog.patch(path, {"fees": [], "price_categories": CATEGORIES[:1]})
    assert (frozen.status, frozen.json["code"]) == (409, "plan-frozen")
    assert wrong_fields(frozen) == {"fees", "price_categories"}
    assert (await catalog.patch(path, {"fees": cheaper})).status == 200  # no change


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE session_prices SET sheet = sheet - 'fees'",
        "UPDATE session_prices SET price_from = 1",
        "DELETE FROM session_prices",
    ],
)
async def test_the_database_itself_refuses_to_change_published_prices(
    catalog: Catalog, database_url: str, change: str
) -> None:
    await catalog.session(await catalog.show(), areas=AREAS, **SHEET)
    trigger = "session_prices_frozen_once_published"
    async with catalog_tables(database_url) as tables:
        with pytest.raises(asyncpg.CheckViolationError, match="published"):
            await tables.execute(change)
        # the control: the same statement goes through once the mechanism is gone
        await tables.execute(f"ALTER TABLE session_prices DISABLE TRIGGER {trigger}")
        assert (await tables.execute(change)).endswith(" 1")


async def test_no_prices_slip_into_a_session_that_is_published_without(
    catalog: Catalog, database_url: str
) -> None:
    session = await catalog.session(await catalog.show(), areas=AREAS)
    insert = "INSERT INTO session_prices (session_id, sheet, price_from) VALUES ($1, '{}', 1)"
    async with catalog_tables(database_url) as tables:
        with pytest.raises(asyncpg.CheckViolationError, match="published"):
            await tables.execute(insert, UUID(session["session_id"]))


def category(**changes: Any) -> dict[str, Any]:
    return {"price_categories": [CATEGORIES[0], CATEGORIES[1] | changes]}


def fee(**changes: Any) -> dict[str, Any]:
    return {"fees": [FEES[0] | changes]}


NONSENSE: tuple[tuple[dict[str, Any], str], ...] = (
    ({"price_categories": [CATEGORIES[1]]}, "price_categories.0.percent"),
    ({"price_categories": [CATEGORIES[0] | {"max_per_order": 1}]}, "price_categories.0.max_per_order"),
    (category(key="adult"), "price_categories.1.key"),
    (category(name="Adult"), "price_categories.1.name"),
    (category(key="Student!"), "price_categories.1.key"),
    (category(percent=None), "price_categories.1.prices"),
    (category(prices=[{"area": "Stalls", "price": 1}]), "price_categories.1.prices"),
    (category(percent=None, prices=[{"area": "Attic", "price": 1}]), "price_categories.1.prices.0.area"),
    (category(percent=None, prices=[{"area": "Floor", "price": 1}] * 2), "price_categories.1.prices.1.area"),
    (category(prices=[{"area": "Floor", "price": 10**10 + 1}]), "price_categories.1.prices.0.price"),
    (category(percent=101), "price_categories.1.percent"),
    (category(proof="a\nb"), "price_categories.1.proof"),
    (fee(amount=5), "fees.0.amount"),
    (fee(basis_points=None), "fees.0.amount"),
    (fee(basis_points=10_001), "fees.0.basis_points"),
    (fee(basis_points=2.5), "fees.0.basis_points"),
    (fee(borne_by="organizer", refunded="with_ticket"), "fees.0.refunded"),
    ({"fees": [FEES[0], FEES[0]]}, "fees.1.key"),
    ({"taxes": [TAXES[0], TAXES[0]]}, "taxes.1.name"),
    ({"taxes": [{"name": "VAT", "rate": -1}]}, "taxes.0.rate"),
    ({"fees": None}, "fees"),
)  # fmt: skip


@pytest.mark.parametrize(("sheet", "field"), NONSENSE)
async def test_nonsense_names_its_field_and_leaves_nothing(
    catalog: Catalog, sheet: dict[str, Any], field: str
) -> None:
    show_id = await catalog.show()
    body = {
        "starts_at": "2030-01-01T12:00:00Z", "sale_opens_at": "2029-01-01T12:00:00Z",
        "sale_closes_at": "2030-01-01T12:00:00Z", "currency": "CNY", "areas": AREAS,
    }  # fmt: skip
    answer = await catalog.post(f"/shows/{show_id}/sessions", body | sheet)
    assert (answer.status, wrong_fields(answer)) == (400, {field})
    mine = await catalog.get(f"/shows/{show_id}", token=catalog.organizer)
    assert mine.json["sessions"] == []


async def test_a_draft_is_deleted_with_its_prices(catalog: Catalog) -> None:
    session = await catalog.session(await catalog.show(), areas=AREAS, publish=False, **SHEET)
    gone = await catalog.call(
        "DELETE", f"/sessions/{session['session_id']}", token=catalog.organizer
    )
    assert gone.status == 204, gone
