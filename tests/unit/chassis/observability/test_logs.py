"""Log lines: their exact shape, nothing that could forge one, nothing secret."""

import json
import os
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chassis.context import CURRENT, RequestContext
from chassis.observability import logs
from chassis.observability.tracer import Tracer
from chassis.spans import SWITCH, Span, Trace


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Any]:
    """A function that returns all lines so far; each test has a writer of its own."""
    logs.configure(tmp_path, log_format="text", console=False)
    token = CURRENT.set(RequestContext("abc-123"))

    def read(service: str = "booking") -> list[str]:
        logs.flush()
        return (tmp_path / f"{service}.log").read_text(encoding="utf-8").splitlines()

    yield read
    CURRENT.reset(token)
    logs.configure(None, log_format="text", console=False)


def test_a_line_has_the_documented_shape(written: Any) -> None:
    logs.get("booking").info("order_created", user="u1", session="s1", seats=2)
    logs.get("gateway").info("POST /api/v1/orders", status=201, latency="12ms")
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.fullmatch(
        rf"{stamp} booking  \[abc-123\] order_created user=u1 session=s1 seats=2 span=1",
        written()[0],
    )
    assert re.fullmatch(
        rf"{stamp} gateway  \[abc-123\] POST /api/v1/orders status=201 latency=12ms span=1",
        written("gateway")[0],
    )


@pytest.mark.parametrize("attack", ["a\nb", "a\r\nb", "\x1b[31mred", "a b=c", 'quote"d', "\u2028x"])
def test_no_value_can_forge_a_line_or_a_field(written: Any, attack: str) -> None:
    logs.get("booking").info("seen", value=attack)
    (line,) = written()
    assert "\x1b" not in line
    assert re.search(r' value=("(?:[^"\\]|\\.)*") span=1$', line)


@pytest.mark.parametrize("key", ["password", "token", "email", "authorization", "payment_token"])
def test_fields_with_secret_names_are_never_written(written: Any, key: str) -> None:
    logs.get("booking").info("seen", **{key: "canary-value"})
    assert "canary" not in written()[0]


@pytest.mark.parametrize("secret", ["eyJhbGciOiJFZERTQSJ9.e30.abc", "who@example.com", "whsec_abc"])
@pytest.mark.parametrize("as_json", [False, True])
def test_values_that_look_secret_are_redacted(
    written: Any, tmp_path: Path, secret: str, as_json: bool
) -> None:
    logs.configure(tmp_path, log_format="json" if as_json else "text", console=False)
    logs.get("booking").info("seen", why=f"refused {secret} today")
    assert secret not in written()[0]
    assert "[redacted]" in written()[0]


def test_json_lines_carry_the_same(written: Any, tmp_path: Path) -> None:
    logs.configure(tmp_path, log_format="json", console=False)
    logs.get("booking").info("order_created", seats=2)
    document = msgspec.json.decode(written()[0])
    assert document["service"] == "booking"
    assert document["request_id"] == "abc-123"
    assert document["event"] == "order_created"
    assert document["seats"] == 2


def test_an_exception_is_one_line(written: Any) -> None:
    try:
        raise ValueError("boom")
    except ValueError as bug:
        logs.get("booking").error("unexpected_error", exc_info=bug)
    (line,) = written()
    assert "ValueError: boom" in line


def test_an_otel_line_is_a_record_of_opentelemetrys_log_data_model(
    written: Any, tmp_path: Path
) -> None:
    logs.configure(tmp_path, log_format="otel", console=False)
    logs.get("booking").info("order_created", session="s1", seats=2)
    record = msgspec.json.decode(written()[0])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", record.pop("Timestamp"))
    instance = record["Resource"].pop("service.instance.id")
    assert instance.endswith(f":{os.getpid()}")
    assert record == {
        "SeverityText": "INFO",
        "SeverityNumber": 9,
        "Body": "order_created",
        "Attributes": {"request_id": "abc-123", "session": "s1", "seats": 2, "span": "1"},
        "Resource": {"service.name": "booking", "service.namespace": "stampede"},
    }


def test_an_otel_line_says_how_severe_it_is_and_keeps_the_traceback(
    written: Any, tmp_path: Path
) -> None:
    logs.configure(tmp_path, log_format="otel", console=False)
    try:
        raise ValueError("boom of who@example.com")
    except ValueError as bug:
        logs.get("booking").error("unexpected_error", exc_info=bug, token="canary")
    logs.get("booking").warning("away")
    first, second = map(msgspec.json.decode, written())
    assert (first["SeverityText"], first["SeverityNumber"]) == ("ERROR", 17)
    assert "ValueError: boom of [redacted]" in first["Attributes"]["error"]
    assert set(first["Attributes"]) == {"request_id", "error", "span"}
    assert (second["SeverityText"], second["SeverityNumber"]) == ("WARN", 13)


@pytest.mark.parametrize("log_format", ["text", "json", "otel"])
def test_a_line_of_a_traced_request_bears_its_ids_and_no_other_line_does(
    tmp_path: Path, log_format: str
) -> None:
    logs.configure(tmp_path, log_format=log_format, console=False)
    context = RequestContext("abc-123", "8c1f.1")
    token = CURRENT.set(context)
    try:
        logs.get("booking").info("before")
        Tracer(Unkept(), share=1.0).begin(context, "booking", [])
        logs.get("booking").info("after", seats=2)
    finally:
        CURRENT.reset(token)
        SWITCH.on = False
        logs.flush()
        logs.configure(None, log_format="text", console=False)
    part = context.trace
    assert part is not None
    before, after = (tmp_path / "booking.log").read_text().splitlines()
    trace_id, span_id = part.trace_hex, f"{part.span_id:016x}"
    assert "trace" not in before.lower()
    if log_format == "text":
        assert after.endswith(f" after seats=2 trace_id={trace_id} span=8c1f.1")
    elif log_format == "json":
        found = json.loads(after)
        assert (found["trace_id"], found["span_id"]) == (trace_id, span_id)
    else:
        found = json.loads(after)
        assert (found["TraceId"], found["SpanId"]) == (trace_id, span_id)


def test_a_line_says_what_was_so_when_it_was_logged(written: Any) -> None:
    """The writer makes it later: until then nothing in it may change."""
    seats, context = [1, 2], CURRENT.get()
    logs.get("booking").info("held", seats=seats, problem=ValueError("one"))
    seats.append(3)
    logs.get("booking").info("sold")
    context.trace = None
    before, after = written()
    assert 'seats="[1, 2]" problem=one span=1' in before
    assert after.endswith(" sold span=1")


def test_the_writer_makes_the_line_unless_it_is_loud_or_may_change(tmp_path: Path) -> None:
    makers: dict[str, str] = {}

    def render(event: logs.LogEvent) -> str:
        makers[event.name] = threading.current_thread().name
        return event.name

    writer = logs.LogWriter(tmp_path, None, render=render)
    for level, name, fields in (
        ("info", "plain", {"seats": 2, "order_no": "A1"}),
        ("info", "changing", {"seats": [1]}),
        ("warning", "loud", {}),
    ):
        writer.note(logs.LogEvent("booking", level, name, fields, logs.NO_REQUEST, None, 0.0))
    writer.flush()
    mine = threading.current_thread().name
    assert makers == {"plain": "log-writer", "changing": mine, "loud": mine}


def test_a_line_that_cannot_be_made_costs_no_other_line(tmp_path: Path) -> None:
    def render(event: logs.LogEvent) -> str:
        if event.name == "bad":
            raise ValueError("too many digits")
        return event.name + "\n"

    writer = logs.LogWriter(tmp_path, None, render=render)
    for name in ("bad", "good"):
        fields: dict[str, Any] = {}
        writer.note(logs.LogEvent("booking", "info", name, fields, logs.NO_REQUEST, None, 0.0))
        writer.flush()
    assert "good" in (tmp_path / "booking.log").read_text()
    assert writer.dropped == 1


class Unkept:
    def keep(self, trace: Trace, spans: Sequence[Span]) -> None: ...
