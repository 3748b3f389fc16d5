"""Log events with fields, one line each, written in batches by another thread.

    2026-01-14T15:30:00Z gateway  [abc-123] POST /api/v1/orders status=201 latency=12ms span=1

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
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import msgspec
import structlog

from chassis.context import NO_REQUEST, RequestContext, current
from chassis.masking import MASK, SECRET, SECRET_FIELDS
from chassis.observability.log_files import Outputs
from chassis.observability.log_json import LOUD, RenderLine, flat_line, otel_line

_PLAIN = re.compile(r"[^\s\"'=\x00-\x1f\x7f-\x9f\u2028\u2029\x1b]+")
_WRITER_BATCH_MAX = 1000
_GATHER_S = (
    0.02  # after it was woken the writer sleeps this long, so that it does not compete for the GIL
)
_QUEUE_MAX = 100_000  # lines; beyond it, lines are counted and dropped to save memory

FILES_MAX_BYTES = 400_000_000  # of one service, with its older files


class LogWriter:
    """Writes finished lines in its own thread. Nobody waits for it, and it raises nothing."""

    def __init__(
        self,
        directory: Path | None,
        console: TextIO | None,
        *,
        files_max_bytes: int = FILES_MAX_BYTES,
    ) -> None:
        self._outputs = Outputs(directory, console, max_bytes=files_max_bytes, say_lost=_lost_line)
        self._lines: deque[tuple[str, str]] = deque()
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._flushing: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()
        self._overflown: dict[str, int] = {}
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines lost since the start: the queue was full, or they could not be written."""
        return sum(self._overflown.values()) + self._outputs.dropped

    def write(self, service: str, line: str) -> None:
        if len(self._lines) > _QUEUE_MAX:
            self._overflown[service] = self._overflown.get(service, 0) + 1
            return
        self._lines.append((service, line))
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
                self._outputs.write([self._lines.popleft() for _ in range(most)])
            for written in waiting:
                written.set()


def configure(
    directory: Path | None,
    *,
    log_format: str,
    console: bool = True,
    files_max_bytes: int = FILES_MAX_BYTES,
) -> None:
    """Sets where this process writes its lines, and how: `text`, `json` or `otel`. The composition root
    calls it once."""
    global _writer, _render_line  # noqa: PLW0603  the one place where a process decides its output
    stdout = sys.stdout if console else None
    _writer = LogWriter(directory, stdout, files_max_bytes=files_max_bytes)
    _render_line = _FORMATS[log_format]


def flush() -> None:
    _writer.flush()


def dropped() -> int:
    """How many lines this process has lost."""
    return _writer.dropped


class _Out:
    """The logger that structlog calls with the rendered line."""

    def __init__(self, service: str) -> None:
        self.service = service

    def msg(self, line: str) -> None:
        _writer.write(self.service, line)

    debug = info = warning = error = critical = exception = msg


_stamp = (0, "")


def _now_text() -> str:
    """The current second, formatted once per second."""
    global _stamp  # noqa: PLW0603  a cache of one value
    second = int(time.time())
    if second != _stamp[0]:
        _stamp = (second, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second)))
    return _stamp[1]


def _quoted(value: Any) -> str:
    if isinstance(value, int | UUID):
        return str(value)
    text = value if isinstance(value, str) else str(value)
    if SECRET.search(text):
        text = SECRET.sub(MASK, text)
    if _PLAIN.fullmatch(text):
        return text
    if text.replace(" ", "").isprintable():
        return msgspec.json.encode(text).decode()
    return json.dumps(text)  # escapes everything beyond ASCII, also Unicode's line separators


def _render(logger: Any, level: str, event: MutableMapping[str, Any]) -> str:
    name = event.pop("event")
    if level in LOUD:
        event["level"] = level
    exc_info = event.pop("exc_info", None)
    if exc_info:
        event["error"] = _traceback(exc_info)
    return _render_line(logger.service, level, name, event, current())


def _text_line(
    service: str, _level: str, name: str, event: MutableMapping[str, Any], context: RequestContext
) -> str:
    fields = "".join(
        f" {key}={_quoted(value)}" for key, value in event.items() if key not in SECRET_FIELDS
    )
    if not name.isprintable():
        name = "".join(char if char.isprintable() else "?" for char in name)
    if context.trace is not None:
        fields += f" trace_id={context.trace.trace_hex}"
    return f"{_now_text()} {service:<8} [{context.logged_id}] {name}{fields} span={context.span}\n"


_FORMATS: dict[str, RenderLine] = {"text": _text_line, "json": flat_line, "otel": otel_line}
_render_line: RenderLine = _text_line


def _lost_line(service: str, count: int) -> str:
    event = {"count": count, "level": "warning"}
    return _render_line(service, "warning", "log_lines_dropped", event, NO_REQUEST)


_writer = LogWriter(None, None)  # until configure(): tests and tools without output


def _traceback(exc_info: Any) -> str:
    if isinstance(exc_info, BaseException):
        exc_info = (type(exc_info), exc_info, exc_info.__traceback__)
    elif not isinstance(exc_info, tuple):
        exc_info = sys.exc_info()
    return "".join(traceback.format_exception(*exc_info)).rstrip()


def get(service: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of a service: `log.info("seats_held", session=…, seats=2)`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        _Out(service),
        processors=[_render],
        wrapper_class=structlog.make_filtering_bound_logger("INFO"),
    ).bind()  # once, not for each line
    return logger
