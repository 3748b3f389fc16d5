"""Which slot of a cluster a command belongs to, and which node has it.

Source: Redis cluster specification, "Key distribution model" and "Hash tags".
"""

from binascii import crc_hqx
from collections.abc import Sequence
from typing import Any, NamedTuple

from chassis.redis.servers import Address

SLOTS = 16_384

Call = tuple[Any, ...]  # one command: ("EVALSHA", sha, 2, key, key, arg)

_SCRIPTS = frozenset(["EVALSHA", "EVAL"])
_KEYLESS = frozenset(
    [
        *("ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DBSIZE", "DEBUG", "FLUSHALL"),
        *("ECHO", "FLUSHDB", "INFO", "KEYS", "PING", "ROLE", "SCAN", "SCRIPT", "TIME"),
    ]
)


def key_of(call: Call) -> str | bytes | None:
    """The first key of a command of this house; None when any node may answer it."""
    name = call[0]
    if name in _SCRIPTS:
        return call[3] if call[2] else None
    return None if name in _KEYLESS else call[1]


def slot_of(key: str | bytes) -> int:
    """CRC16 of the key, or of what is between its first braces, modulo SLOTS."""
    data = key.encode() if isinstance(key, str) else key
    start = data.find(b"{") + 1
    if start:
        end = data.find(b"}", start)
        if end > start:
            data = data[start:end]
    return crc_hqx(data, 0) & (SLOTS - 1)


class Range(NamedTuple):
    """Slots first to last, both included, and the node that has them."""

    first: int
    last: int
    primary: Address


def parse_ranges(answer: Sequence[Any], asked: Address) -> list[Range]:
    """What `CLUSTER SLOTS` says. A node that does not know its own host is the one that was asked."""
    found = []
    for first, last, primary, *_replicas in answer:
        host = primary[0].decode() if primary[0] else ""
        found.append(
            Range(first, last, Address(host if host not in {"", "?"} else asked.host, primary[1]))
        )
    return found


def missing_slots(ranges: Sequence[Range]) -> int:
    """How many slots no node has."""
    return SLOTS - sum(one.last - one.first + 1 for one in ranges)


def parse_redirection(text: str, asked: Address) -> Address:
    """Where `MOVED 3999 host:port` or `ASK 3999 host:port` points. An empty host is the one asked."""
    host, _, port = text.split(" ")[2].rpartition(":")
    return Address(host if host not in {"", "?"} else asked.host, int(port))
