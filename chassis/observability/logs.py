"""Log events with fields, one line each, rendered and written in batches by another thread.

    2026-01-14T15:30:00Z gateway  [abc-123] POST /api/v1/orders status=201 latency=12ms span=1

A request only notes an event with its fields (docs/adr/0073). The writer makes the line from it within
_GATHER_S, which is also what a killed process loses. An event that is loud, or has a field that may still
change, becomes a line at once.

Text by default, JSON by setting (log_json.py); to the console and to one file per service in
`<data_dir>/logs` (log_files.py). Fields with names of secrets are never written, nor values that look like
tokens or e-mail addresses. Text that could forge a line is quoted.
"""

import json
import queue
import re
import sys
import threading
import time
import traceback
from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import msgspec

from chassis.context import NO_REQUEST, current
from chassis.masking import MASK, SECRET, SECRET_FIELDS
from chassis.observability.log_files import Outputs
from chassis.observability.log_json import LOUD, LogEvent, RenderLine, flat_line, otel_line

_PLAIN = re.compile(r"[^\s\"'=\x00-\x1f\x7f-\x9f\u2028\u2029\x1b]+")
_WRITER_BATCH_MAX = 1000
_GATHER_S = (
    0.02  # after it was woken the writer sleeps this long, so that it does not compete for the GIL
)
_QUEUE_MAX = 50_000  # events; beyond it they are counted and dropped to save memory

FILES_MAX_BYTES = 400_000_000  # of one service, with its older files
# Values that stay as they are until the writer reads them.
_UNCHANGING = frozenset({str, int, float, bool, type(None), UUID})
_QUOTED_MAX = 4_096  # short texts that are kept as they are written
_SHORT = 64


class LogWriter:
    """Renders and writes events in its own thread. Nobody waits for it, and it raises nothing."""

    def __init__(
        self,
        directory: Path | None,
        console: TextIO | None,
        *,
        render: RenderLine | None = None,
        files_max_bytes: int = FILES_MAX_BYTES,
    ) -> None:
        self._render = render or _text_line
        self._outputs = Outputs(
            directory, console, max_bytes=files_max_bytes, say_lost=self._lost_line
        )
        self._lines: deque[LogEvent | tuple[str, str]] = deque()
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._flushing: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()
        self._overflown: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines lost since the start: the queue was full, or they could not be written."""
        return sum(self._overflown.values()) + self._outputs.dropped

    def note(self, event: LogEvent) -> None:
        if len(self._lines) > _QUEUE_MAX:
            self._overflown[event.service] = self._overflown.get(event.service, 0) + 1
            return
        if event.level == "info" and _UNCHANGING.issuperset(map(type, event.fields.values())):
            self._lines.append(event)
        else:
            self._lines.append((event.service, self._line(event)))
        if not self._wake.is_set():  # waking a thread costs more than the line: once per batch
            self._wake.set()

    def flush(self) -> None:
        """Returns when every line so far has been written."""
        written = threading.Event()
        self._flushing.put(written)
        self._hurry.set()
        self._wake.set()
        written.wait(timeout=5)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._hurry.wait(_GATHER_S)
            self._hurry.clear()
            self._wake.clear()  # before reading, so that later lines wake us again
            waiting = [self._flushing.get() for _ in range(self._flushing.qsize())]
            overflown, self._overflown = self._overflown, {}
            for service, count in overflown.items():
                self._outputs.lose(service, count)
            while self._lines:
                most = min(len(self._lines), _WRITER_BATCH_MAX)
                batch = [self._lines.popleft() for _ in range(most)]
                self._outputs.write([one for note in batch if (one := self._ready(note))])
            for written in waiting:
                written.set()

    def _ready(self, note: LogEvent | tuple[str, str]) -> tuple[str, str] | None:
        """Service and line. None for what no line can be made of: it is counted as lost."""
        if not isinstance(note, LogEvent):
            return note
        try:
            return note.service, self._line(note)
        except Exception:  # this thread must go on
            self._outputs.lose(note.service, 1)
            return None

    def _line(self, event: LogEvent) -> str:
        fields = event.fields
        if event.level in LOUD:
            fields["level"] = event.level
        exc_info = fields.pop("exc_info", None)
        if exc_info:
            fields["error"] = _traceback(exc_info)
        return self._render(event)

    def _lost_line(self, service: str, count: int) -> str:
        fields = {"count": count, "level": "warning"}
        name = "log_lines_dropped"
        return self._render(
            LogEvent(service, "warning", name, fields, NO_REQUEST, None, time.time())
        )


def configure(
    directory: Path | None,
    *,
    log_format: str,
    console: bool = True,
    files_max_bytes: int = FILES_MAX_BYTES,
) -> None:
    """Sets where this process writes its lines, and how: `text`, `json` or `otel`. The composition root
    calls it once."""
    global _writer  # noqa: PLW0603  the one place where a process decides its output
    stdout = sys.stdout if console else None
    render = _FORMATS[log_format]
    _writer = LogWriter(directory, stdout, render=render, files_max_bytes=files_max_bytes)


def flush() -> None:
    _writer.flush()


def dropped() -> int:
    """How many lines this process has lost."""
    return _writer.dropped


class Logger:
    """The logger of a service. Fields are what a line says: text, numbers, ids."""

    __slots__ = ("_service",)

    def __init__(self, service: str) -> None:
        self._service = service

    def info(self, event: str, /, **fields: Any) -> None:
        self._note("info", event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        self._note("warning", event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        """`exc_info`: an exception, or True for the one that is being handled."""
        self._note("error", event, fields)

    def _note(self, level: str, event: str, fields: dict[str, Any]) -> None:
        context = current()
        _writer.note(
            LogEvent(self._service, level, event, fields, context, context.trace, time.time())
        )


_stamp = (0, "")


def _second_text(at_s: float) -> str:
    """A second of UTC, formatted once."""
    global _stamp  # noqa: PLW0603  a cache of one value
    second, text = int(at_s), _stamp
    if second != text[0]:
        _stamp = text = (second, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second)))
    return text[1]


def _quoted(value: Any) -> str:
    kind = type(value)
    if kind is UUID or kind is int:
        return str(value)
    text = value if kind is str else str(value)
    return _quoted_short(text) if len(text) <= _SHORT else _quoted_text(text)


def _quoted_text(text: str) -> str:
    if SECRET.search(text):
        text = SECRET.sub(MASK, text)
    if _PLAIN.fullmatch(text):
        return text
    if text.replace(" ", "").isprintable():
        return msgspec.json.encode(text).decode()
    return json.dumps(text)  # escapes everything beyond ASCII, also Unicode's line separators


_quoted_short = lru_cache(_QUOTED_MAX)(_quoted_text)


def _text_line(event: LogEvent) -> str:
    name, context = event.name, event.context
    fields = "".join(
        [
            f" {key}={_quoted(value)}"
            for key, value in event.fields.items()
            if key not in SECRET_FIELDS
        ]
    )
    if not name.isprintable():
        name = "".join(char if char.isprintable() else "?" for char in name)
    if event.trace is not None:
        fields += f" trace_id={event.trace.trace_hex}"
    stamp, service = _second_text(event.at_s), event.service
    return f"{stamp} {service:<8} [{context.logged_id}] {name}{fields} span={context.span}\n"


_FORMATS: dict[str, RenderLine] = {"text": _text_line, "json": flat_line, "otel": otel_line}
_writer = LogWriter(None, None)  # until configure(): tests and tools without output


def _traceback(exc_info: Any) -> str:
    if isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    elif not isinstance(exc_info, tuple):
        exc_info = sys.exc_info()
    return "".join(traceback.format_exception(*exc_info)).rstrip()


def get(service: str) -> Logger:
    """The logger of a service: `log.info("seats_held", session=…, seats=2)`."""
    return Logger(service)
