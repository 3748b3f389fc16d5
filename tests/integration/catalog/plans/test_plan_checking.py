"""Large plans are checked by a process of their own, small ones are not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import psutil
import pytest

from catalog.halls.checks import effort_of
from catalog.halls.document import PlanDocument
from catalog.plans.checking import PROGRAM
from catalog.plans.documents import CHECKED_HERE_MAX
from tests.support.catalog import PLAN, Catalog, running_catalog

ROW = 500


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


def of_rows(rows: int, **fields: Any) -> Any:
    block = {"shape": "straight", "at": [0, 10], "seats": ROW, "rows": rows} | fields
    return PLAN | {"sections": [{"key": "a", "name": "A", "blocks": [block]}]}


CURVE = {"shape": "curved", "centre": [0, 0], "radius": 98.4, "start": 90, "end": 60, "rows": 2}
FAN = PLAN | {"sections": [{"key": "a", "name": "A", "blocks": [CURVE]}]}
LARGE = of_rows(CHECKED_HERE_MAX // ROW + 1)


def checkers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie
            found += [child] if PROGRAM in child.cmdline() else []
    return found


async def test_only_a_large_plan_starts_the_process_and_it_ends_with_the_service(
    database_url: str,
) -> None:
    async with running_catalog(database_url) as catalog:
        path = f"/venues/{await catalog.venue()}/plans"
        small = await catalog.post(path, of_rows(CHECKED_HERE_MAX // ROW))
        assert (small.status, small.json["seats"], checkers()) == (201, CHECKED_HERE_MAX, [])
        large = await catalog.post(path, LARGE)
        assert (large.status, large.json["seats"]) == (201, CHECKED_HERE_MAX + ROW)
        assert len(checkers()) == 1
    assert checkers() == []


async def test_a_large_plan_is_refused_with_the_same_errors(catalog: Catalog) -> None:
    path = f"/venues/{await catalog.venue()}/plans"
    twice = LARGE["sections"][0] | {"key": "b", "name": "B"}
    refused = await catalog.post(path, LARGE | {"sections": [*LARGE["sections"], twice]})
    assert (refused.status, len(refused.json["errors"])) == (400, 100)
    assert refused.json["errors"][0] == {
        "field": "sections.1.blocks.0",
        "message": 'seat 1 of row "1" in "B" overlaps seat 1 of row "1" in "A"',
    }


async def test_a_check_whose_process_dies_is_made_by_another(catalog: Catalog) -> None:
    path = f"/venues/{await catalog.venue()}/plans"
    assert (await catalog.post(path, LARGE)).status == 201
    (checker,) = checkers()
    checker.suspend()
    asked = asyncio.create_task(catalog.post(path, LARGE))
    await asyncio.sleep(0)
    checker.kill()
    assert (await asked).status == 201
    assert checker.pid not in {one.pid for one in checkers()}


@pytest.mark.parametrize(
    ("plan", "effort"),
    [
        (of_rows(3), 1_500),
        (of_rows(2, seats=[7, 9]), 18),
        (of_rows(2, seats=None, numbers=[[1, 2, 3]]), 6),
        (of_rows(4, seats=None), 0),  # it is refused without a look at a seat
        (FAN, 2 * 53),  # 30 degrees of a circle one row behind the last
    ],
)
def test_the_effort_is_known_without_counting(plan: Any, effort: int) -> None:
    document = msgspec.json.decode(msgspec.json.encode(plan), type=PlanDocument)
    assert effort_of(document) == effort


def test_tables_and_marks_are_an_effort() -> None:
    table = {"label": "1", "shape": "round", "at": [0, 30], "seats": 8}
    marks = [{"rows": ["1"], "seats": [1, 2, 3], "blocked": True}]
    section = {"key": "a", "name": "A", "tables": [table], "properties": marks}
    plan = msgspec.json.encode(PLAN | {"sections": [section]})
    assert effort_of(msgspec.json.decode(plan, type=PlanDocument)) == 11
