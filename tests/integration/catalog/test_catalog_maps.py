"""Seat maps are drawn once: published ones by their session, drafts by the session's revision."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest

from catalog.maps.cached import WAITING_MAX, DrawnHalls, drafts_lane, draw
from tests.support.catalog import AREAS, Catalog, running_catalog


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


@contextmanager
def maps_of(catalog: Catalog, drawing: Any, **limits: int) -> Iterator[None]:
    """The app's maps are drawn by `drawing`."""
    parts = catalog.app.state.catalog
    lane = drafts_lane()
    halls = DrawnHalls(parts.pool, lane, draw=drawing, **limits)
    catalog.app.state.catalog = msgspec.structs.replace(parts, drawn_halls=halls)
    try:
        yield
    finally:
        halls.close()
        lane.close()


class Drawing:
    """The sessions whose maps are drawn, in turn; drawing itself goes on as it does."""

    def __init__(self) -> None:
        self.sessions: list[str] = []

    def __call__(self, form: Any, session_id: Any, stored: Any) -> Any:
        self.sessions.append(str(session_id))
        return draw(form, session_id, stored)


@pytest.fixture
def drawn(catalog: Catalog) -> Iterator[list[str]]:
    drawing = Drawing()
    with maps_of(catalog, drawing):
        yield drawing.sessions


async def draft_of(catalog: Catalog) -> tuple[str, str]:
    """A draft's id and the path of its map."""
    draft = await catalog.session(await catalog.show(), publish=False)
    return draft["session_id"], f"/sessions/{draft['session_id']}/seat-map"


async def test_a_drafts_map_is_drawn_once_for_all_who_ask(
    catalog: Catalog, drawn: list[str]
) -> None:
    session_id, path = await draft_of(catalog)
    admin = catalog.signer.token("admin")
    asked = [catalog.get(path, token=token) for token in (catalog.organizer, admin) * 10]
    answers = await asyncio.gather(*asked)
    later = await catalog.get(path, token=catalog.organizer)
    assert {answer.status for answer in (*answers, later)} == {200}
    assert len({answer.body for answer in (*answers, later)}) == 1
    assert drawn == [session_id]


async def test_a_changed_draft_is_drawn_anew_at_once(catalog: Catalog, drawn: list[str]) -> None:
    session_id, path = await draft_of(catalog)
    before = (await catalog.get(path, token=catalog.organizer)).json
    changes: list[dict[str, Any]] = [{"areas": [AREAS[1]]}, {"currency": "USD"}]
    for change in changes:
        answer = await catalog.patch(f"/sessions/{session_id}", change)
        assert answer.status == 200, answer
        now = (await catalog.get(path, token=catalog.organizer)).json
        assert now != before
        before = now
    assert [area["name"] for area in before["areas"]] == [AREAS[1]["name"]]
    assert before["areas"][0]["currency"] == "USD"
    assert drawn == [session_id] * 3


async def test_a_kept_draft_is_still_its_organizers_alone(catalog: Catalog) -> None:
    session_id, path = await draft_of(catalog)
    assert (await catalog.get(path, token=catalog.organizer)).status == 200
    for stranger in (catalog.signer.token("organizer"), catalog.signer.token(), ""):
        answer = await catalog.get(path, token=stranger)
        assert (answer.status, answer.code) == (404, "not-found")
    await catalog.call("DELETE", f"/sessions/{session_id}", token=catalog.organizer)
    assert (await catalog.get(path, token=catalog.organizer)).status == 404


async def test_drafts_that_are_drawn_wait_for_nobody_else_and_not_without_end(
    catalog: Catalog,
) -> None:
    """One at a time, few waiting, the rest is told to come back; a published map is drawn meanwhile."""
    show_id = await catalog.show()
    drafts = [await catalog.session(show_id, publish=False) for _ in range(WAITING_MAX + 2)]
    published = await catalog.session(show_id)
    go, begun = threading.Event(), threading.Event()
    held: list[str] = []
    names = {draft["session_id"] for draft in drafts}

    def held_up(form: Any, session_id: Any, stored: Any) -> Any:
        if str(session_id) in names:
            held.append(str(session_id))
            begun.set()
            assert go.wait(20)
        return draw(form, session_id, stored)

    with maps_of(catalog, held_up):
        asked = [
            asyncio.create_task(
                catalog.get(f"/sessions/{draft['session_id']}/seat-map", token=catalog.organizer)
            )
            for draft in drafts
        ]
        try:
            refused = await next(asyncio.as_completed(asked))
            assert (refused.status, refused.code) == (503, "overloaded")
            assert refused.headers["Retry-After"] == "1"
            assert begun.is_set()
            seen = await catalog.get(f"/sessions/{published['session_id']}/seat-map")
            assert seen.status == 200
            assert len(held) == 1
        finally:
            go.set()
        answers = await asyncio.gather(*asked)
        assert sorted(answer.status for answer in answers) == [200] * (len(drafts) - 1) + [503]


async def test_maps_are_kept_up_to_so_many_bytes(
    catalog: Catalog,
) -> None:
    drawing = Drawing()
    drawn = drawing.sessions
    with maps_of(catalog, drawing, draft_bytes_max=3_000):  # one of 15 seats has about 1,600
        paths = [await draft_of(catalog) for _ in range(3)]
        for _, path in paths:
            await catalog.get(path, token=catalog.organizer)
        drawn.clear()
        await catalog.get(paths[-1][1], token=catalog.organizer)
        assert drawn == []
        await catalog.get(paths[0][1], token=catalog.organizer)
        assert drawn == [paths[0][0]]
