"""Encoded answers with their entity tags."""

import asyncio
import gzip
import hashlib
import zlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from chassis.http.pieces import PIECE_BYTES

GZIP_FROM_BYTES = 4096  # compressing a smaller answer costs more than it saves
GZIP_LEVEL = 5
PACKED_ALONE_FROM_BYTES = 65_536  # longer answers are kept compressed only
READ_BYTES = 1_024  # compressed bytes per step: some tens of kilobytes when decompressed
# with our own caching, well within the delay that `available` may have
SECONDS_OF_BROWSER_CACHE = 1


class Encoded(msgspec.Struct, frozen=True):
    """JSON and its strong entity tag (RFC 9110, 8.8.3): equal bytes have equal tags."""

    body: bytes
    etag: str


def encode(answer: Any) -> Encoded:
    body = msgspec.json.encode(answer)
    return Encoded(body, etag_of(body))


def etag_of(body: bytes) -> str:
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def packed(plain: Encoded) -> Encoded:
    """The gzip form. It is a representation of its own, so it has its own tag."""
    body = gzip.compress(plain.body, GZIP_LEVEL, mtime=0)
    return Encoded(body, f'{plain.etag[:-1]}-gzip"')


class Packed(msgspec.Struct, frozen=True):
    """A long answer, kept compressed only. `plain_etag` and `plain_length` describe the decompressed
    form."""

    gzip: Encoded
    plain_etag: str
    plain_length: int

    async def unpacked(self) -> AsyncIterator[bytes]:
        """For clients without gzip: decompresses as fast as the client reads. It is never in memory as a
        whole."""
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        packed = memoryview(self.gzip.body)
        for start in range(0, len(packed), READ_BYTES):
            left: bytes | memoryview = packed[start : start + READ_BYTES]
            while left:
                yield unpacker.decompress(left, PIECE_BYTES)
                left = unpacker.unconsumed_tail
            await asyncio.sleep(0)  # lets others run, even if the client reads fast
        yield unpacker.flush()


def pack(plain: Encoded) -> Packed:
    return Packed(packed(plain), plain.etag, len(plain.body))
