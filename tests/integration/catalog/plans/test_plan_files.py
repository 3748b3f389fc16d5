"""Plans as CSV, and outlines from SVG: the same rights, revisions and errors as documents have."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.catalog import Catalog, running_catalog

CSV, SVG = "text/csv", "image/svg+xml"
DRAWING = (
    b'<svg xmlns="http://www.w3.org/2000/svg">'
    b'<rect id="floor" x="-18" y="4" width="36" height="16"/></svg>'
)


@pytest.fixture
async def catalog(database_url: str) -> AsyncIterator[Catalog]:
    async with running_catalog(database_url) as running:
        yield running


async def put(
    catalog: Catalog, path: str, body: bytes, kind: str, *, tag: str = "*", token: str = ""
) -> Any:
    headers = {"If-Match": tag, "content-type": kind}
    return await catalog.call("PUT", path, body, token=token or catalog.organizer, headers=headers)


async def test_sections_go_out_as_csv_and_come_back_the_same(catalog: Catalog) -> None:
    plan = await catalog.plan(await catalog.venue())
    path = f"/plans/{plan['plan_id']}"
    hall = (await catalog.get(f"{path}/hall", token=catalog.organizer)).json
    out = await catalog.get(f"{path}/sections", token=catalog.organizer)
    assert (out.status, out.headers["ETag"]) == (200, '"1-csv"')
    assert out.headers["Content-Type"].startswith(CSV)
    back = await put(catalog, f"{path}/sections", out.body, f"{CSV}; charset=utf-8", tag='"1-csv"')
    assert (back.status, back.json["revision"], back.json["seats"]) == (200, 2, 28), back
    again = (await catalog.get(f"{path}/hall", token=catalog.organizer)).json
    for before, after in zip(hall["areas"], again["areas"], strict=True):
        for row, same in zip(before["rows"], after["rows"], strict=True):
            for name in ("label", "accessible", "companions", "restricted", "blocked", "whole"):
                assert row.get(name) == same.get(name)
    stale = await put(catalog, f"{path}/sections", out.body, CSV, tag='"1-csv"')
    assert (stale.status, stale.code) == (412, "plan-changed")


async def test_a_wrong_line_names_its_cell_and_changes_nothing(catalog: Catalog) -> None:
    plan = await catalog.plan(await catalog.venue())
    path = f"/plans/{plan['plan_id']}"
    out = await catalog.get(f"{path}/sections", token=catalog.organizer)
    for body in (
        out.body.replace(b"Door 3", b"\x00"),
        b" ",
        b"\xff\xfe",
        b"section\r\nx\r\n",
        out.body * 2,
    ):
        refused = await put(catalog, f"{path}/sections", body, CSV)
        assert (refused.status, refused.code) == (400, "validation-failed"), body[:80]
        assert refused.json["errors"], refused
    assert (await catalog.get(path, token=catalog.organizer)).json == plan


async def test_outlines_are_taken_from_a_drawing(catalog: Catalog) -> None:
    plan = await catalog.plan(await catalog.venue())
    path = f"/plans/{plan['plan_id']}/outlines"
    drawn = await put(catalog, f"{path}?scale=2", DRAWING, SVG)
    assert drawn.status == 200, drawn
    floor = drawn.json["document"]["sections"][2]
    assert sorted(floor["outline"]) == [[-9, 2], [-9, 10], [9, 2], [9, 10]]
    entity = b'<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg"/>'
    for body in (DRAWING.replace(b"floor", b"attic"), entity, b"<svg", b" ", b"<g>" * 5_000):
        refused = await put(catalog, path, body, SVG)
        assert (refused.status, refused.code) == (400, "validation-failed"), body[:80]
    for scale in ("0", "-1", "nan", "1e9"):
        assert (await put(catalog, f"{path}?scale={scale}", DRAWING, SVG)).status == 400, scale


async def test_files_are_their_owners_and_of_their_kind(catalog: Catalog) -> None:
    plan = await catalog.plan(await catalog.venue())
    path = f"/plans/{plan['plan_id']}"
    stranger = catalog.signer.token("organizer")
    for at, kind in ((f"{path}/sections", CSV), (f"{path}/outlines", SVG)):
        foreign = await put(catalog, at, DRAWING, kind, token=stranger)
        assert (foreign.status, foreign.code) == (404, "not-found")
        buyer = await put(catalog, at, DRAWING, kind, token=catalog.signer.token())
        assert (buyer.status, buyer.code) == (403, "forbidden")
        headers = {"If-Match": "*", "content-type": kind}
        assert (await catalog.call("PUT", at, DRAWING, headers=headers)).status == 401
        blind = await catalog.call(
            "PUT", at, DRAWING, token=catalog.organizer, headers={"content-type": kind}
        )
        assert (blind.status, blind.code) == (428, "revision-required")
        for other in ("application/json", "text/plain", ""):
            refused = await put(catalog, at, DRAWING, other)
            assert (refused.status, refused.code) == (415, "unsupported-media-type"), other
            assert kind in refused.json["detail"]
    document = await put(catalog, path, b"{}", CSV)
    assert (document.status, document.code) == (415, "unsupported-media-type")
