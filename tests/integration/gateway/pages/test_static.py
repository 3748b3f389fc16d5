"""The storefront's files: kept by browsers for as long as they are the same."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.pages.operations import STOREFRONT
from gateway.pages.storefront import load_storefront
from tests.support.gateway import Rig, rig

IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture
async def edge(redis_url: str) -> AsyncIterator[Rig]:
    async with rig(redis_url) as running:
        yield running


async def test_the_page_names_files_that_may_be_kept_for_good(edge: Rig) -> None:
    page = await edge.client.get("/")
    assert page.header("cache-control") == "no-cache"
    named = re.findall(r'(?:href|src)="([^"#]+)"', page.body.decode())
    assert len(named) > 10
    for name in named:
        answer = await edge.client.get(f"/{name}", [("Accept-Encoding", "gzip")])
        assert answer.status == 200, name
        assert answer.header("cache-control") == IMMUTABLE, name
        if int(answer.header("content-length") or "") > 1_024:
            assert answer.header("content-encoding") == "gzip", name


async def test_every_import_of_a_kept_module_is_one_too(edge: Rig) -> None:
    page = (await edge.client.get("/")).body.decode()
    (main,) = re.findall(r'<script type="module" src="([^"]+)"', page)
    waiting, seen = [f"/{main}"], set()
    while waiting:
        address = waiting.pop()
        if address in seen:
            continue
        seen.add(address)
        answer = await edge.client.get(address)
        assert answer.header("cache-control") == IMMUTABLE, address
        folder = Path(address).parent
        for name in re.findall(r'(?:from|import)\s*\(?"(\.[^"]+)"', answer.body.decode()):
            waiting.append("/" + (folder / name).resolve().relative_to("/").as_posix())
    assert len(seen) > 40


async def test_a_page_of_another_version_gets_files_that_are_not_kept(edge: Rig) -> None:
    """During a roll-out, or from a tab that stayed open."""
    for name in ("js/main.js", "css/all.css", "icons.svg"):
        other = await edge.client.get(f"/v/0123456789ab/{name}")
        assert (other.status, other.header("cache-control")) == (200, "no-cache"), name
    for path in ("/v/0123456789ab/js/none.js", "/v/short/js/main.js", "/v/0123456789ab/"):
        assert (await edge.client.get(path)).status == 404


def test_an_address_changes_when_a_file_does(tmp_path: Path) -> None:
    for path in STOREFRONT.rglob("*.*"):
        copy = tmp_path / path.relative_to(STOREFRONT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    before = {name for name in load_storefront(tmp_path) if name.startswith("/v/")}
    assert before == {name for name in load_storefront(STOREFRONT) if name.startswith("/v/")}
    with (tmp_path / "js" / "clock.js").open("a") as file:
        file.write("// changed\n")
    assert before.isdisjoint(load_storefront(tmp_path).keys() - {"/"})


async def test_a_kept_file_has_a_tag_for_each_form_and_says_what_it_depends_on(edge: Rig) -> None:
    page = (await edge.client.get("/")).body.decode()
    (main,) = re.findall(r'<script type="module" src="([^"]+)"', page)
    tags = set()
    for coding in ("gzip", "identity"):
        accepted = ("Accept-Encoding", coding)
        answer = await edge.client.get(f"/{main}", [accepted])
        assert answer.header("vary") == "Accept-Encoding", coding
        tag = answer.header("etag")
        assert tag is not None
        tags.add(tag)
        for asked in (tag, f'W/{tag}, "other"', "*"):
            again = await edge.client.get(f"/{main}", [accepted, ("If-None-Match", asked)])
            assert (again.status, again.body, again.header("etag")) == (304, b"", tag)
            assert again.header("vary") == "Accept-Encoding"
            assert again.header("cache-control") == IMMUTABLE
        stale = await edge.client.get(f"/{main}", [accepted, ("If-None-Match", '"other"')])
        assert stale.status == 200
    assert len(tags) == 2
