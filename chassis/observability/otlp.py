"""Sends kept spans, and the metrics of this machine, to an OTLP endpoint (HTTP, protobuf), from a thread.

Nobody waits for the endpoint. Spans wait in a queue of QUEUE_MAX. Beyond it they are dropped and counted, and
so is a batch that the endpoint has not taken within EXPORT_S. After a failure the next try waits, longer each
time. One log line a minute says so. At the end, `close` waits CLOSE_S at most.

The exporters are OpenTelemetry's own, and heed its environment (OTEL_EXPORTER_OTLP_HEADERS, _CERTIFICATE,
_COMPRESSION …). The thread imports them, so a process that exports nothing never loads them.
"""

import fcntl
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import Counter, Metric

from chassis.observability import logs
from chassis.spans import Span, Trace

QUEUE_MAX = 8_192  # spans; about 8 MB
BATCH_MAX = 512
GATHER_S = 1.0
EXPORT_S = 5.0  # for a batch, with the exporter's own repetitions
PAUSE_MOST_S = 30.0
SAY_S = 60.0
CLOSE_S = 2.0
SPANS, METRICS = "spans", "metrics"
LIBRARY = "opentelemetry"  # its loggers begin so

SENT = Counter(
    "stampede_otlp_sent_total",
    "Spans, and sets of metrics, that the OTLP endpoint took.",
    ["signal"],
)
DROPPED = Counter(
    "stampede_otlp_dropped_total",
    "Spans, and sets of metrics, that were not sent: the queue was full, or the endpoint did not take them.",
    ["signal", "reason"],
)

log = logs.get("otlp")
Collect = Callable[[], Iterable[Metric]]


class Lead:
    """Of processes that count together, one exports the sum: the first to lock a file in their directory.
    The kernel gives the lock back at its death. `since_s`: when the first of them began."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._held = -1
        self.since_s = time.time()

    @property
    def name(self) -> str:
        """The same for all of them, and for nobody else on this host."""
        return self._directory.name if self._directory is not None else str(os.getpid())

    def take(self) -> bool:
        if self._directory is None or self._held >= 0:
            return True
        held = os.open(self._directory / "otlp.lock", os.O_RDONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            return False
        self._held, self.since_s = held, os.fstat(held).st_mtime
        return True

    def leave(self) -> None:
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


class Sender:
    """`keep(trace, spans)` takes spans at any time; `start` and `close` the thread.

    metrics_interval_s: 0 sends none.  process: `service.name` of the metrics.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        metrics_interval_s: float = 0.0,
        queue_max: int = QUEUE_MAX,
        gather_s: float = GATHER_S,
        export_s: float = EXPORT_S,
        say_s: float = SAY_S,
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._metrics_interval_s = metrics_interval_s
        self._queue_max, self._gather_s = queue_max, gather_s
        self._export_s, self._say_s = export_s, say_s
        self._queue: deque[tuple[Trace, Span]] = deque()
        self._wake, self._ending = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._overflown = DROPPED.labels(SPANS, "queue_full")
        self._unsent = {one: DROPPED.labels(one, "not_taken") for one in (SPANS, METRICS)}
        self._sent = {one: SENT.labels(one) for one in (SPANS, METRICS)}
        self._said_at, self._lost = float("-inf"), 0
        self._failures = 0

    @property
    def waiting(self) -> int:
        """Spans that have not left."""
        return len(self._queue)

    def keep(self, trace: Trace, spans: Sequence[Span]) -> None:
        room = self._queue_max - len(self._queue)
        self._queue.extend((trace, span) for span in spans[: max(0, room)])
        lost = max(0, len(spans) - room) + trace.lost
        if lost:
            trace.lost = 0
            self._overflown.inc(lost)
            self._lost += lost
        if len(self._queue) >= BATCH_MAX and not self._wake.is_set():
            self._wake.set()

    def start(self, process: str, collect: Collect | None = None, lead: Lead | None = None) -> None:
        """`collect`: the metrics, of all processes for which `lead` decides who sends them."""
        self._thread = threading.Thread(
            target=self._run, args=(process, collect, lead), name="otlp", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Sends what waits, for CLOSE_S at most."""
        self._ending.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _run(self, process: str, collect: Collect | None, lead: Lead | None) -> None:
        from chassis.observability.otlp_encoding import Exporters  # noqa: PLC0415  0.2 s, and 15 MB

        reasons = _Reasons()
        instance = lead.name if lead is not None else str(os.getpid())
        exporters = Exporters(self._endpoint, process, instance, timeout_s=self._export_s)
        measuring = collect is not None and lead is not None and self._metrics_interval_s > 0
        due = time.monotonic() if measuring else float("inf")
        while not self._ending.is_set():
            self._wake.wait(min(self._gather_s, max(0.0, due - time.monotonic())))
            self._wake.clear()
            while self._queue and not self._ending.is_set():
                self._send_spans(exporters, reasons)
            if collect is not None and lead is not None and time.monotonic() >= due:
                due = time.monotonic() + self._metrics_interval_s
                if lead.take():
                    self._send_metrics(exporters, reasons, collect, lead)
        while self._queue and not self._failures:
            self._send_spans(exporters, reasons)
        if lead is not None:
            lead.leave()

    def _send_spans(self, exporters: Any, reasons: "_Reasons") -> None:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]
        self._note(SPANS, len(batch), reasons, sent=exporters.send_spans(batch))

    def _send_metrics(
        self, exporters: Any, reasons: "_Reasons", collect: Collect, lead: Lead
    ) -> None:
        sent = exporters.send_metrics(collect(), since_s=lead.since_s)
        self._note(METRICS, 1, reasons, sent=sent)

    def _note(self, signal: str, count: int, reasons: "_Reasons", *, sent: bool) -> None:
        if sent:
            self._sent[signal].inc(count)
            self._failures = 0
            return
        self._unsent[signal].inc(count)
        self._failures += 1
        self._lost += count
        if time.monotonic() - self._said_at >= self._say_s:
            self._said_at = time.monotonic()
            lost, self._lost = self._lost, 0
            log.warning("otlp_not_taken", reason=reasons.last, dropped=lost)
        self._ending.wait(min(PAUSE_MOST_S, 2.0 ** min(self._failures - 1, 5)))


class _Reasons(logging.Handler):
    """What OpenTelemetry logs of a failure: kept for our own line, and shown nowhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.last = "unknown"
        library = logging.getLogger(LIBRARY)
        library.handlers = [self]
        library.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        self.last = record.getMessage()[:200]
