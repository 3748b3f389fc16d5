"""Identifiers: UUIDv7 (RFC 9562, section 5.7), so that rows created together are stored together."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """A new id: 48 bits of Unix milliseconds, then 74 random bits.

    The time in it keeps indexes compact and shows which rows are old enough to delete. It decides nothing
    else.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80
    value |= 0x7000 << 64 | (random >> 68 & 0x0FFF) << 64
    value |= 0b10 << 62 | random & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=value)


def eldest_since(moment_s: float) -> UUID:
    """The smallest uuid7 that is not older than this time, in seconds since 1970."""
    return UUID(int=int(moment_s * 1000) << 80)
