"""Answers ready to be sent: encoded once, with the tag that says when they have changed."""

import asyncio
import gzip
import hashlib
import zlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from chassis.http.pieces import PIECE_BYTES

GZIP_FROM_BYTES = 4096  # below it, packing costs more than it saves
GZIP_LEVEL = 5
PACKED_ALONE_FROM_BYTES = 65_536  # what is longer is kept packed and in no other form
READ_BYTES = 1_024  # of what is packed, at once: some tens of kilobytes when unpacked
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


class Packed(msgspec.Struct, frozen=True):
    """A long answer that is kept in gzip alone. `plain_etag`, `plain_length`: of what is in it."""

    gzip: Encoded
    plain_etag: str
    plain_length: int

    async def unpacked(self) -> AsyncIterator[bytes]:
        """For who takes no gzip: unpacked as fast as they take it, and never there as a whole."""
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        packed = memoryview(self.gzip.body)
        for start in range(0, len(packed), READ_BYTES):
            left: bytes | memoryview = packed[start : start + READ_BYTES]
            while left:
                yield unpacker.decompress(left, PIECE_BYTES)
                left = unpacker.unconsumed_tail
            await asyncio.sleep(0)  # a fast taker is not the only one
        yield unpacker.flush()


def pack(plain: Encoded) -> Packed:
    return Packed(packed(plain), plain.etag, len(plain.body))
