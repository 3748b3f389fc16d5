"""Reads log lines of any of our formats: text, `json`, `otel`, and a log store's wrapping around them.

A line that is none of ours, or is cut, is no error: it is passed over.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z) (?P<service>[\w.-]+) +"
    r"\[(?P<id>[^\]\s]+)\] (?P<text>.*?)(?: trace_id=[0-9a-f]{32})?(?: span=(?P<span>[0-9a-f.]+))?$"
)
_FIELD = re.compile(r' ([A-Za-z_][\w.-]*)=("(?:[^"\\]|\\.)*"|\S*)')
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_IN_PATH = re.compile(rf"/(order|payment|refund|ticket)s/({_UUID})(?:/|$)")
_SPAN = re.compile(r"[0-9a-f]+(?:\.[0-9a-f]+)*")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)ms")
_OTEL_LEVELS = {"WARN": "warning", "ERROR": "error", "FATAL": "critical"}
# Under which a log store's or container runtime's JSON keeps the line that we wrote.
WRAPPERS = ("log", "message", "MESSAGE", "msg", "line", "_raw")
BACKGROUND = "0"  # every one-digit root: work that the request caused, not the request itself
TEXT_MAX = 4_000  # characters of a line that are shown


class Line(msgspec.Struct, frozen=True):
    """One log line. `text`: the event and its fields. `order`: which line it was of all that were read."""

    time: str
    service: str
    text: str
    span: str
    request_id: str = ""
    fields: dict[str, str] = {}
    order: int = 0

    @property
    def root(self) -> str:
        return self.span.split(".", 1)[0]

    @property
    def is_request(self) -> bool:
        """False for work that a request, or nobody, caused in the background."""
        return len(self.root) > 1

    @property
    def event(self) -> str:
        return self.text.split(" ", 1)[0]

    @property
    def at_s(self) -> float | None:
        """When it was written, by its machine's clock. Whole seconds in the text format."""
        try:
            return datetime.fromisoformat(self.time).astimezone(UTC).timestamp()
        except (ValueError, OverflowError):
            return None

    @property
    def is_exact(self) -> bool:
        return "." in self.time

    @property
    def duration_ms(self) -> float | None:
        for key in ("latency", "duration"):
            found = _DURATION.fullmatch(self.fields.get(key, ""))
            if found:
                return float(found[1])
        return None

    @property
    def things(self) -> dict[str, set[str]]:
        """Orders, payments, refunds and tickets that it names, by kind."""
        named: dict[str, set[str]] = {}
        for kind in ("order", "payment", "refund", "ticket"):
            if value := self.fields.get(kind):
                named.setdefault(kind, set()).add(value)
        if value := self.fields.get("refund_key"):  # which the provider knows it by
            named.setdefault("refund", set()).add(value)
        for kind, value in _IN_PATH.findall(self.text.partition(" status=")[0]):
            named.setdefault(kind, set()).add(value)
        return named


def parse(text: str) -> Line | None:
    """None if it is no line of ours."""
    brace = text.find("{")
    if brace >= 0 and not _LINE.search(text[:brace]):
        found = _parse_json(text[brace:])
        if found is not None:
            return found
    return _parse_text(text)


def _parse_text(text: str) -> Line | None:
    found = _LINE.search(text.rstrip())
    if found is None:
        return None
    return Line(
        found["time"],
        printable(found["service"]),
        printable(found["text"]),
        found["span"] or BACKGROUND,
        found["id"],
        dict(_fields_of(found["text"])),
    )


def _fields_of(text: str) -> Iterator[tuple[str, str]]:
    for key, value in _FIELD.findall(text):
        yield key, value.strip('"')


def _parse_json(text: str) -> Line | None:
    try:
        document = msgspec.json.decode(text.strip())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("Attributes"), dict):
        return _of_otel(document)
    if "request_id" in document:
        return _of_flat(document)
    for key in WRAPPERS:
        inner = document.get(key)
        if isinstance(inner, dict):
            inner = msgspec.json.encode(inner).decode()
        if isinstance(inner, str) and (found := parse(inner)) is not None:
            return found
    return None


def _of_otel(document: dict[str, Any]) -> Line | None:
    fields = dict(document["Attributes"])
    resource = document.get("Resource")
    service = resource.get("service.name", "") if isinstance(resource, dict) else ""
    level = _OTEL_LEVELS.get(str(document.get("SeverityText")))
    if level is not None:
        fields.setdefault("level", level)
    return _line(document.get("Timestamp", ""), service, document.get("Body", ""), fields)


def _of_flat(document: dict[str, Any]) -> Line | None:
    fields = dict(document)
    time, service, name = (fields.pop(key, "") for key in ("time", "service", "event"))
    for key in ("trace_id", "span_id"):  # a collector's; the tree here follows `span`
        fields.pop(key, None)
    return _line(time, service, name, fields)


def _line(time: Any, service: Any, name: Any, fields: dict[str, Any]) -> Line | None:
    request_id, span = fields.pop("request_id", None), str(fields.pop("span", BACKGROUND))
    if not isinstance(request_id, str):
        return None
    texts = {printable(str(key)): printable(str(value)) for key, value in fields.items()}
    told = "".join(f" {key}={value}" for key, value in texts.items())
    return Line(
        printable(str(time)),
        printable(str(service)),
        printable(f"{name}{told}"),
        span if _SPAN.fullmatch(span) else BACKGROUND,
        request_id,
        texts,
    )


def printable(text: str) -> str:
    """Text as a terminal may show it: what could steer one, or turn the reading direction, is escaped."""
    if len(text) > TEXT_MAX:
        text = f"{text[:TEXT_MAX]}… ({len(text) - TEXT_MAX} more characters)"
    if text.replace(" ", "").isprintable():
        return text
    return "".join(
        char if char.isprintable() or char == " " else char.encode("unicode_escape").decode()
        for char in text
    )
