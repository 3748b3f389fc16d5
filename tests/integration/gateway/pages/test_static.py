"""The storefront's files: kept by browsers for as long as they are the same."""

import re
from collections.abc import AsyncIterator
from html import escape
from pathlib import Path

import msgspec
import pytest

from chassis.languages import HOME, LANGUAGES
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
    before = {name for name in load_storefront(tmp_path, HOME) if name.startswith("/v/")}
    assert before == {name for name in load_storefront(STOREFRONT, HOME) if name.startswith("/v/")}
    with (tmp_path / "js" / "clock.js").open("a") as file:
        file.write("// changed\n")
    assert before.isdisjoint(load_storefront(tmp_path, HOME).keys() - {"/"})


@pytest.mark.parametrize("default", LANGUAGES)
async def test_the_page_and_its_words_are_made_from_the_folders_of_languages(
    redis_url: str, default: str
) -> None:
    async with rig(redis_url, default_language=default) as edge:
        page = (await edge.client.get("/")).body.decode()
        words = (await edge.client.get("/js/languages.js")).body.decode()
    assert f'<html lang="{LANGUAGES[default].tag}">' in page
    assert "{{" not in page
    said = dict(re.findall(r"export const (\w+) = (.*);\n", words))
    assert msgspec.json.decode(said["DEFAULT"]) == default
    spoken = msgspec.json.decode(said["LANGUAGES"])
    assert list(spoken) == list(LANGUAGES)
    for code, language in LANGUAGES.items():
        assert (spoken[code]["name"], spoken[code]["tag"]) == (language.name, language.tag)
        for word in ("page.description", "page.noscript"):
            assert escape(spoken[code]["words"][word]) in page
    assert page.index(escape(spoken[default]["words"]["page.description"])) == min(
        page.index(escape(each["words"]["page.description"])) for each in spoken.values()
    )


def test_an_address_changes_when_a_word_does() -> None:
    versions = [
        {name for name in load_storefront(STOREFRONT, code) if name.startswith("/v/")}
        for code in LANGUAGES
    ]
    assert versions[0].isdisjoint(versions[1])
    assert all(any(name.endswith("/js/languages.js") for name in each) for each in versions)


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
