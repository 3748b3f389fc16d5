"""Seat maps are drawn once: published ones by their session, drafts by the session's revision."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from catalog import seat_maps
from tests.support.catalog import AREAS, Catalog, running_catalog


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sessions whose maps are drawn, in turn; drawing itself goes on as it does."""
    sessions: list[str] = []
    really = seat_maps.draw

    def draw(session_id: Any, *rest: Any) -> Any:
        sessions.append(str(session_id))
        return really(session_id, *rest)

    monkeypatch.setattr(seat_maps, "draw", draw)
    return sessions


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
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One at a time, few waiting, the rest is told to come back; a published map is drawn meanwhile."""
    show_id = await catalog.show()
    drafts = [
        await catalog.session(show_id, publish=False) for _ in range(seat_maps.WAITING_MAX + 2)
    ]
    published = await catalog.session(show_id)
    go, begun = threading.Event(), threading.Event()
    held: list[str] = []
    names = {draft["session_id"] for draft in drafts}
    really = seat_maps.draw

    def draw(session_id: Any, *rest: Any) -> Any:
        if str(session_id) in names:
            held.append(str(session_id))
            begun.set()
            assert go.wait(20)
        return really(session_id, *rest)

    monkeypatch.setattr(seat_maps, "draw", draw)
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
    database_url: str, monkeypatch: pytest.MonkeyPatch, drawn: list[str]
) -> None:
    monkeypatch.setattr(seat_maps, "DRAFT_BYTES_MAX", 3_000)  # one of 15 seats has about 1,600
    async with running_catalog(database_url) as catalog:
        paths = [await draft_of(catalog) for _ in range(3)]
        for _, path in paths:
            await catalog.get(path, token=catalog.organizer)
        drawn.clear()
        await catalog.get(paths[-1][1], token=catalog.organizer)
        assert drawn == []
        await catalog.get(paths[0][1], token=catalog.organizer)
        assert drawn == [paths[0][0]]
