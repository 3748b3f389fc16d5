"""Log events with fields, one line each, written in batches by another thread.

    2026-01-14T15:30:00Z gateway  [abc-123] POST /api/v1/orders status=201 latency=12ms span=1

Text by default, JSON by setting; to the console and to one file per service in `<data_dir>/logs`. Fields
with names of secrets are never written, nor values that look like tokens or e-mail addresses. Text that
could forge a line is quoted.
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

from chassis.context import current
from chassis.masking import MASK, SECRET

SECRET_FIELDS = frozenset(
    [
        "password",
        "token",
        "access_token",
        "refresh_token",
        "authorization",
        "cookie",
        "secret",
        "email",
        "phone",
        "address",
        "full_name",
        "payment_token",
        "code",
        "signature",
        "ip",
    ]
)
_PLAIN = re.compile(r"[^\s\"'=\x00-\x1f\x7f-\x9f\u2028\u2029\x1b]+")
_WRITER_BATCH_MAX = 1000
_GATHER_S = (
    0.02  # after it was woken the writer sleeps this long, so that it does not compete for the GIL
)
_QUEUE_MAX = 100_000  # lines; beyond it, lines are counted and dropped to save memory

EventDict = dict[str, Any]


class LogWriter:
    """Writes finished lines in its own thread: to the console, and to a file per service."""

    def __init__(self, directory: Path | None, console: TextIO | None) -> None:
        self._directory = directory
        self._console = console
        self._lines: deque[tuple[str, str]] = deque()
        self._wake, self._hurry = threading.Event(), threading.Event()
        self._flushing: queue.SimpleQueue[threading.Event] = queue.SimpleQueue()
        self._files: dict[str, TextIO] = {}
        self.dropped = 0
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    def write(self, service: str, line: str) -> None:
        if len(self._lines) > _QUEUE_MAX:
            self.dropped += 1
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
            while self._lines:
                most = min(len(self._lines), _WRITER_BATCH_MAX)
                self._write_out([self._lines.popleft() for _ in range(most)])
            for written in waiting:
                written.set()

    def _write_out(self, lines: list[tuple[str, str]]) -> None:
        by_service: dict[str, list[str]] = {}
        for service, line in lines:
            by_service.setdefault(service, []).append(line)
        try:
            if self._console is not None and lines:
                self._console.write("".join(line for _, line in lines))
                self._console.flush()
            if self._directory is not None:
                for service, texts in by_service.items():
                    self._file(service).write("".join(texts))
                    self._file(service).flush()
        except (OSError, ValueError):  # a full disk or closed console must not end the service
            self.dropped += len(lines)

    def _file(self, service: str) -> TextIO:
        if service not in self._files:
            assert self._directory is not None
            path = self._directory / f"{service}.log"
            self._files[service] = path.open("a", encoding="utf-8")
        return self._files[service]


_writer = LogWriter(None, None)  # until configure(): tests and tools without output
_as_json = False


def configure(directory: Path | None, *, log_format: str, console: bool = True) -> None:
    """Sets where this process writes its lines. The composition root calls it once."""
    global _writer, _as_json  # noqa: PLW0603  the one place where a process decides its output
    _writer = LogWriter(directory, sys.stdout if console else None)
    _as_json = log_format == "json"


def flush() -> None:
    _writer.flush()


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
    context = current()
    service = logger.service
    name = event.pop("event")
    if level in {"warning", "error", "critical"}:
        event["level"] = level
    exc_info = event.pop("exc_info", None)
    if exc_info:
        event["error"] = _traceback(exc_info)
    if _as_json:
        return _json_line(service, context.logged_id, context.span, name, event)
    fields = "".join(
        f" {key}={_quoted(value)}" for key, value in event.items() if key not in SECRET_FIELDS
    )
    if not name.isprintable():
        name = "".join(char if char.isprintable() else "?" for char in name)
    return f"{_now_text()} {service:<8} [{context.logged_id}] {name}{fields} span={context.span}\n"


def _json_line(
    service: str, request_id: str, span: str, name: str, event: MutableMapping[str, Any]
) -> str:
    document: EventDict = {
        "time": _now_text(),
        "service": service,
        "request_id": request_id,
        "event": name,
    }
    for key, value in event.items():
        if key not in SECRET_FIELDS:
            plain = value if isinstance(value, int | float | bool | None) else str(value)
            if isinstance(plain, str):
                plain = SECRET.sub(MASK, plain)
            document[key] = plain
    document["span"] = span
    return msgspec.json.encode(document).decode() + "\n"


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
