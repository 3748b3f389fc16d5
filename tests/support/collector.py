"""A receiver of OTLP that keeps what it was sent, and a real collector before it."""

import gzip
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from runtime.embedded.spawning import tethered
from tests.support.servers import eventually, free_port

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


class Taken(NamedTuple):
    """A span, as a receiver has it."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    began_ns: int
    ended_ns: int
    attributes: dict[str, Any]
    links: frozenset[tuple[str, str]]
    failed: bool


class Receiver:
    """OTLP over HTTP at `url`. `status`: of its answers; with another one it takes nothing."""

    def __init__(self) -> None:
        self.traces: list[Any] = []
        self.metrics: list[Any] = []
        self.status = 200
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.status != 200:
                    self.send_error(receiver.status)
                    return
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == "/v1/traces":
                    receiver.traces += ExportTraceServiceRequest.FromString(body).resource_spans
                elif self.path == "/v1/metrics":
                    found = ExportMetricsServiceRequest.FromString(body)
                    receiver.metrics += found.resource_metrics
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        return Handler

    @contextmanager
    def running(self) -> Iterator["Receiver"]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def spans(self) -> list[Taken]:
        return [
            _taken(values(resource.resource.attributes)["service.name"], span)
            for resource in list(self.traces)
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def values(attributes: Any) -> dict[str, Any]:
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
        for one in attributes
    }


def _taken(service: str, span: Any) -> Taken:
    return Taken(
        service,
        span.name,
        KINDS[span.kind],
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        values(span.attributes),
        frozenset((one.trace_id.hex(), one.span_id.hex()) for one in span.links),
        span.status.code == 2,
    )


@contextmanager
def collector(directory: Path, receiver: Receiver) -> Iterator[str]:
    """The URL of a collector (rotel, with its own decoder) that sends on to the receiver. Where it cannot
    be installed, the receiver itself: then CI fails, except on Python 3.14, which it has no wheel for."""
    found = importlib.util.find_spec("rotel")
    if found is None or found.origin is None:
        if os.environ.get("CI") and sys.version_info < (3, 14):
            pytest.fail("The package rotel is missing: no real collector takes what we send.")
        yield receiver.url
        return
    directory.mkdir()
    port = free_port()
    command = [
        str(Path(found.origin).with_name("rotel-agent")),
        "start",
        f"--otlp-http-endpoint=127.0.0.1:{port}",
        f"--otlp-grpc-endpoint=127.0.0.1:{free_port()}",
        f"--pid-file={directory / 'pid'}",
        f"--log-file={directory / 'log'}",
        "--batch-timeout=50ms",
        "--exporter=otlp",
        "--otlp-exporter-protocol=http",
        f"--otlp-exporter-endpoint={receiver.url}",
    ]
    with (directory / "console").open("wb") as console:
        process = subprocess.Popen(
            tethered(command, signal.SIGKILL), stdout=console, stderr=console
        )
    try:
        assert eventually(lambda: _is_open(port)), (directory / "console").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def waterfall(spans: list[Taken]) -> str:
    """The spans of some traces as a tree, each with its beginning and duration in milliseconds."""
    zero = min(span.began_ns for span in spans)
    known = {span.span_id for span in spans}
    lines: list[str] = []

    def draw(parent_id: str, depth: int) -> None:
        for span in sorted(spans, key=lambda one: one.began_ns):
            above = span.parent_id if span.parent_id in known else ""
            if above == parent_id:
                begin, lasts = (span.began_ns - zero) / 1e6, (span.ended_ns - span.began_ns) / 1e6
                name = "  " * depth + span.name
                lines.append(f"{begin:8.1f} {lasts:7.1f}  {span.service:<12} {span.kind:<8} {name}")
                draw(span.span_id, depth + 1)

    draw("", 0)
    return "\n".join(lines)


def _is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False
