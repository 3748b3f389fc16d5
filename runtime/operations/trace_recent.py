"""Requests that failed or were slow lately, from the ends of the gateway's log files: `trace --recent`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from chassis.http.streams import is_stream
from chassis.masking import MASK, SECRET
from runtime.operations.trace_files import newest
from runtime.operations.trace_lines import Line, parse

TAIL_BYTES = 4 << 20  # of a file: about 25,000 requests
FILES_MAX = 4  # the newest
RECENT_MAX = 50
GATEWAY = "gateway"


class Recent(msgspec.Struct, frozen=True, kw_only=True):
    """A request. `name`: its method and path. `at`: when it was answered, by its machine's clock."""

    request_id: str
    at: str
    name: str
    status: str
    duration_ms: float


def recent_of(names: Sequence[str | Path], *, slow_ms: int) -> list[Recent]:
    """The newest first. `slow_ms`: from how long on one is slow; 0: none is. Raises TraceError."""
    found: list[Recent] = []
    for path in newest(names, GATEWAY, most=FILES_MAX):
        found += [one for line in _last_lines(path) if (one := _told(line, slow_ms)) is not None]
    return sorted(found, key=lambda one: one.at, reverse=True)[:RECENT_MAX]


def _last_lines(path: Path) -> Iterator[Line]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read(TAIL_BYTES).decode("utf-8", "replace")
    except OSError:  # rotated away meanwhile: what is in the others is told
        return
    for one in text.splitlines():
        if (line := parse(one)) is not None:
            yield line


def _told(line: Line, slow_ms: int) -> Recent | None:
    status, took_ms = line.fields.get("status", ""), line.duration_ms
    if line.service != GATEWAY or took_ms is None or not status:
        return None
    method_and_path = line.text.partition(" status=")[0]
    slow = slow_ms and took_ms >= slow_ms and not is_stream(method_and_path.partition("?")[0])
    if not (status.startswith("5") or slow):
        return None
    return Recent(
        request_id=line.request_id,
        at=line.time,
        name=SECRET.sub(MASK, method_and_path[:1_000])[:200],
        status=status,
        duration_ms=took_ms,
    )
