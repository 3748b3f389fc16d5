"""Static files, read into memory at start. Only files found then can be requested, so no path leads
out of their folder."""

import gzip
import hashlib
from pathlib import Path

import msgspec

from gateway.http.exchange import Exchange

Headers = list[tuple[bytes, bytes]]

CONTENT_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".json": b"application/json",
    ".webmanifest": b"application/manifest+json",
    ".svg": b"image/svg+xml",
    ".png": b"image/png",
    ".ico": b"image/x-icon",
    ".woff2": b"font/woff2",
    ".txt": b"text/plain; charset=utf-8",
}
COMPRESSED = frozenset({".html", ".css", ".js", ".json", ".svg", ".txt", ".webmanifest"})
COMPRESS_FROM_BYTES = 1024
REVALIDATE = b"no-cache"  # cached, but checked each time: a 304 is cheap, an old script is not
IMMUTABLE = b"public, max-age=31536000, immutable"  # for paths that contain a version


class File(msgspec.Struct, frozen=True):
    """A file in memory, with its gzip form if that is smaller."""

    content_type: bytes
    cache_control: bytes
    etag: bytes
    body: bytes
    gzipped: bytes | None

    async def answer(self, exchange: Exchange) -> None:
        headers: Headers = [
            (b"content-type", self.content_type),
            (b"cache-control", self.cache_control),
            (b"vary", b"Accept-Encoding"),
        ]
        body, etag = self.body, self.etag
        if self.gzipped is not None and accepts_gzip(exchange):
            body, etag = self.gzipped, self.etag[:-1] + b'-gzip"'
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"etag", etag))
        if matches(exchange.headers.get(b"if-none-match"), etag):
            await exchange.answer(304, [one for one in headers if one[0] != b"content-encoding"])
        else:
            await exchange.answer(200, headers, body)


def make_file(body: bytes, suffix: str, cache_control: bytes = REVALIDATE) -> File:
    gzipped = None
    if suffix in COMPRESSED and len(body) >= COMPRESS_FROM_BYTES:
        gzipped = gzip.compress(body, mtime=0)
    return File(CONTENT_TYPES[suffix], cache_control, etag_of(body), body, gzipped)


def load_files(directory: Path, prefix: str, cache_control: bytes = REVALIDATE) -> dict[str, File]:
    """All files of known types below `directory`, by path. `index.html` also stands for its
    folder."""
    found = {}
    for path in sorted(directory.rglob("*")):
        relative = path.relative_to(directory)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or not path.is_file() or path.suffix not in CONTENT_TYPES:
            continue
        file = make_file(path.read_bytes(), path.suffix, cache_control)
        name = f"{prefix}/{relative.as_posix()}"
        found[name] = file
        if path.name == "index.html":
            found[name.removesuffix("/index.html") or "/"] = file
    return found


def etag_of(body: bytes) -> bytes:
    return b'"%s"' % hashlib.sha256(body).hexdigest()[:32].encode("ascii")


def matches(if_none_match: bytes | None, etag: bytes) -> bool:
    """True if If-None-Match names this tag. Weak comparison (RFC 9110, 13.1.2)."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")]
    return etag in tags or b"*" in tags


def accepts_gzip(exchange: Exchange) -> bool:
    for coding in (exchange.headers.get(b"accept-encoding") or b"").lower().split(b","):
        name, _, quality = coding.strip().partition(b";")
        if name.strip() == b"gzip":
            return quality.replace(b" ", b"") not in {b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"}
    return False
