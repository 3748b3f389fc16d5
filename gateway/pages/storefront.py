"""Serves the storefront's files under versioned paths, so that browsers can cache them.

One hash over all files names a folder: `/v/3f2a9c1b04d7/js/main.js`. Modules import each other by
relative paths, so a page uses one version throughout. Only the names of pictures are rewritten:
they are relative to the page. The page itself and the plain paths stay `no-cache`. All style sheets
are served as one, and so are the words of all languages (gateway.pages.languages).
"""

import hashlib
import re
from collections.abc import Container
from pathlib import Path

from gateway.http.static import IMMUTABLE, REVALIDATE, File, load_files, make_file
from gateway.pages.languages import MODULE, languages_module, spoken_languages, with_texts

VERSIONS = "/v/"
HASH_LENGTH = 12
STYLES = "css/all.css"
_STYLE_LINKS = re.compile(r'(?:[ \t]*<link rel="stylesheet" href="css/[\w-]+\.css">\n)+')
_STYLE = re.compile(r'href="(css/[\w-]+\.css)"')
_REFERENCE = re.compile(r'\b(href|src)="((?:css|js)/[^"]+|[\w-]+\.svg)"')
_PICTURE = re.compile(r'(?<=["`])([\w-]+\.svg)(?=["`#])')


def load_storefront(directory: Path, default_language: str) -> dict[str, File]:
    """Every file by its plain path and by its versioned path, and the page at `/`."""
    files = load_files(directory, "")
    spoken = spoken_languages()
    page = with_texts((directory / "index.html").read_text("utf-8"), spoken, default_language)
    texts = {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if f"/{path.relative_to(directory).as_posix()}" in files and path.name != "index.html"
    }
    texts[MODULE] = languages_module(spoken, default_language)
    files[f"/{MODULE}"] = make_file(texts[MODULE], ".js", REVALIDATE)
    links = _STYLE_LINKS.search(page)
    if links is not None:
        texts[STYLES] = b"\n".join(texts[name] for name in _STYLE.findall(links[0]))
        files[f"/{STYLES}"] = make_file(texts[STYLES], ".css", REVALIDATE)
        page = page.replace(links[0], f'  <link rel="stylesheet" href="{STYLES}">\n')
    version = _hash_of(texts)
    for name, body in texts.items():
        address = f"/{_versioned(name, version)}"
        sent = _with_pictures(body, texts, version) if name.endswith(".js") else body
        files[address] = make_file(sent, Path(name).suffix, IMMUTABLE)
    page = _REFERENCE.sub(lambda found: f'{found[1]}="{_versioned(found[2], version)}"', page)
    files["/"] = files["/index.html"] = make_file(page.encode("utf-8"), ".html", REVALIDATE)
    return files


def plain_address(path: str) -> str | None:
    """The plain path of a versioned path, or None if it is not one. During a roll-out, a page of
    another version asks for its own files: it gets today's file, without caching."""
    if not path.startswith(VERSIONS):
        return None
    version, _, name = path.removeprefix(VERSIONS).partition("/")
    return f"/{name}" if name and len(version) == HASH_LENGTH else None


def _with_pictures(script: bytes, known: Container[str], version: str) -> bytes:
    def versioned(found: re.Match[str]) -> str:
        return _versioned(found[1], version) if found[1] in known else found[1]

    return _PICTURE.sub(versioned, script.decode("utf-8")).encode("utf-8")


def _versioned(name: str, version: str) -> str:
    return f"{VERSIONS[1:]}{version}/{name}"


def _hash_of(texts: dict[str, bytes]) -> str:
    told = hashlib.sha256()
    for name, body in sorted(texts.items()):
        told.update(b"%d %s %d " % (len(name), name.encode(), len(body)))
        told.update(body)
    return told.hexdigest()[:HASH_LENGTH]
