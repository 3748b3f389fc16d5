"""`stampede trace REQUEST_ID`: one request in the logs of all services, as a tree.

Log lines carry a span: a path of numbers below the request's root. The gateway's calls are one level
down, their calls two. Lines of the background process follow at the end.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from chassis.masking import logged_id

_LINE = re.compile(
    r"(?P<time>\S+) (?P<service>\S+) +\[(?P<id>[^\]]+)\] (?P<text>.*?)(?: span=(?P<span>\S+))?$"
)
BACKGROUND = "0"  # every one-digit root: work that the request caused, not the request itself


class Line(msgspec.Struct, frozen=True):
    """One log line of the request."""

    time: str
    service: str
    text: str
    span: str


def read(directory: Path, request_id: str) -> list[Line]:
    """Every line of the request in the logs of `directory`, in each file's order."""
    lines, request_id = [], logged_id(request_id)
    for path in sorted(directory.glob("*.log")):
        with path.open(encoding="utf-8", errors="replace") as file:
            for text in file:
                if request_id in text and (line := _parse(text, request_id)):
                    lines.append(line)
    return lines


def _parse(text: str, request_id: str) -> Line | None:
    if text.startswith("{"):
        return _parse_json(text, request_id)
    found = _LINE.match(text.rstrip("\n"))
    if found is None or found["id"] != request_id:
        return None
    return Line(found["time"], found["service"], found["text"], found["span"] or BACKGROUND)


def _parse_json(text: str, request_id: str) -> Line | None:
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if document.pop("request_id", None) != request_id:
        return None
    time, service = document.pop("time", ""), document.pop("service", "")
    event, span = document.pop("event", ""), document.pop("span", BACKGROUND)
    fields = "".join(f" {key}={value}" for key, value in document.items())
    return Line(time, service, f"{event}{fields}", span)


def _order(span: str) -> list[tuple[int, str]]:
    return [(len(part), part) for part in span.split(".")]


def render(lines: list[Line]) -> Iterator[str]:
    """The tree, one text line each: requests by time, calls below their callers, then background work."""
    requests = [line for line in lines if _is_request(line)]
    roots: dict[str, list[Line]] = {}
    for line in requests:
        roots.setdefault(line.span.split(".")[0], []).append(line)
    for root in sorted(roots, key=lambda one: min(line.time for line in roots[one])):
        yield from _render_request(root, roots[root])
    afterwards = sorted((x for x in lines if not _is_request(x)), key=lambda line: line.time)
    if afterwards:
        yield "afterwards"
        for line in afterwards:
            yield f"  {line.time} {line.service:<12} {line.text}"


def _is_request(line: Line) -> bool:
    return len(line.span.split(".", 1)[0]) > 1


def _render_request(root: str, lines: list[Line]) -> Iterator[str]:
    lines = sorted(lines, key=lambda line: _order(line.span))
    for line in lines:
        depth = line.span.count(".")
        lead = "" if depth == 0 else "   " * (depth - 1) + "└─ "
        yield f"{line.time} {lead}{line.service:<{max(1, 14 - len(lead))}} {line.text}"
