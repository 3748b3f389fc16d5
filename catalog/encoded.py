"""Answers ready to be sent: encoded once, with the tag that says when they have changed."""

import gzip
import hashlib
from typing import Any

import msgspec

GZIP_FROM_BYTES = 4096  # below it, packing costs more than it saves
GZIP_LEVEL = 5
SECONDS_OF_BROWSER_CACHE = 1  # with our own caching well within what `available` may lag


class Encoded(msgspec.Struct, frozen=True):
    """JSON and its strong entity tag (RFC 9110, 8.8.3): equal bytes, equal tag."""

    body: bytes
    etag: str


def encode(answer: Any) -> Encoded:
    body = msgspec.json.encode(answer)
    return Encoded(body, etag_of(body))


def etag_of(body: bytes) -> str:
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def packed(plain: Encoded) -> Encoded:
    """The gzip form, a representation of its own and so with a tag of its own."""
    body = gzip.compress(plain.body, GZIP_LEVEL, mtime=0)
    return Encoded(body, f'{plain.etag[:-1]}-gzip"')
