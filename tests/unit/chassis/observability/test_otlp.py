"""What is sent to an OTLP endpoint, and what an endpoint that misbehaves can do: nothing."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from chassis.observability import logs
from chassis.observability.otlp import CLOSE_S, QUEUE_MAX, SPANS, Lead, Sender
from chassis.spans import CLIENT, SERVER, TEXT_MAX, Part, Span, Trace
from tests.support.collector import Receiver, values
from tests.support.servers import eventually, free_port

SLOW_S = 60.0  # if a test waits as long, it fails


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().running() as running:
        yield running


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Callable[[], list[str]]]:
    """The lines that this process has logged about its exports."""
    logs.configure(tmp_path, log_format="text", console=False)

    def lines() -> list[str]:
        logs.flush()
        path = tmp_path / "otlp.log"
        return path.read_text().splitlines() if path.exists() else []

    yield lines
    logs.configure(None, log_format="text", console=False)


@contextmanager
def sending(endpoint: str, **options: float) -> Iterator[Sender]:
    sender = Sender(endpoint, gather_s=0.01, **options)  # type: ignore[arg-type]
    sender.start("tests")
    try:
        yield sender
    finally:
        sender.close()


def spans(number: int, **changes: Any) -> tuple[Trace, list[Span]]:
    trace = Trace(Sender("http://nowhere"), 0xABC, "req-1", sampled=True)
    now = time.perf_counter()
    fields: dict[str, Any] = {
        "name": "GET /x",
        "kind": SERVER,
        "service": "gateway",
        "span_id": 7,
        "parent_id": 0,
        "began_s": now - 0.25,
        "ended_s": now,
        "attributes": {},
        "error": "",
        "links": (),
    }
    return trace, [Span(**fields | changes)] * number


def dropped(reason: str) -> float:
    labels = {"signal": SPANS, "reason": reason}
    return REGISTRY.get_sample_value("stampede_otlp_dropped_total", labels) or 0.0


def sent() -> float:
    return REGISTRY.get_sample_value("stampede_otlp_sent_total", {"signal": SPANS}) or 0.0


def test_a_span_arrives_as_it_was(receiver: Receiver) -> None:
    trace, _ = spans(0)
    links = ((0xDEF, 9),)
    attributes = {"http.route": "/x", "http.response.status_code": 503}
    with sending(receiver.url) as sender:
        sender.keep(*spans(1, links=links, parent_id=5, attributes=attributes, error="503"))
    (taken,) = receiver.spans()
    assert (taken.service, taken.name, taken.kind) == ("gateway", "GET /x", "server")
    assert (taken.trace_id, taken.span_id, taken.parent_id) == (
        f"{trace.trace_id:032x}",
        f"{7:016x}",
        f"{5:016x}",
    )
    assert taken.attributes == attributes | {
        "stampede.request_id": "req-1",
        "error.type": "503",
    }
    assert taken.links == {(f"{0xDEF:032x}", f"{9:016x}")}
    assert taken.failed
    assert taken.ended_ns - taken.began_ns == pytest.approx(0.25e9, abs=1e6)
    assert taken.ended_ns == pytest.approx(time.time_ns(), abs=60e9)


def test_no_text_of_a_client_is_longer_than_allowed(receiver: Receiver) -> None:
    with sending(receiver.url) as sender:
        sender.keep(*spans(1, name="x" * 5_000, attributes={"http.route": "y" * 5_000}))
    (taken,) = receiver.spans()
    assert taken.name == "x" * TEXT_MAX
    assert taken.attributes["http.route"] == "y" * TEXT_MAX


def test_metrics_arrive_under_their_names(receiver: Receiver) -> None:
    registry = CollectorRegistry()
    counter = Counter("stampede_things_total", "Things.", ["kind"], registry=registry)
    counter.labels("good").inc(3)
    Gauge("stampede_room_bytes", "Room.", registry=registry).set(7.5)
    seconds = Histogram("stampede_wait_seconds", "Waits.", buckets=(0.1, 1.0), registry=registry)
    for value in (0.05, 0.5, 0.6, 30.0):
        seconds.observe(value)
    sender = Sender(receiver.url, metrics_interval_s=0.05)
    sender.start("booking", registry.collect, Lead(None))
    assert eventually(lambda: len(receiver.metrics) > 1)  # again and again
    sender.close()
    first = receiver.metrics[0]
    assert values(first.resource.attributes)["service.name"] == "booking"
    found = {one.name: one for one in first.scope_metrics[0].metrics}
    things = found["stampede_things_total"].sum
    assert things.is_monotonic
    assert things.aggregation_temporality == 2  # cumulative
    assert (things.data_points[0].as_double, values(things.data_points[0].attributes)) == (
        3.0,
        {"kind": "good"},
    )
    assert found["stampede_room_bytes"].gauge.data_points[0].as_double == 7.5
    assert found["stampede_room_bytes"].unit == "By"
    (waits,) = found["stampede_wait_seconds"].histogram.data_points
    assert found["stampede_wait_seconds"].unit == "s"
    assert (waits.count, waits.sum) == (4, pytest.approx(31.15))
    assert (list(waits.bucket_counts), list(waits.explicit_bounds)) == ([1, 2, 1], [0.1, 1.0])
    assert 0 < waits.start_time_unix_nano <= waits.time_unix_nano


def test_of_processes_that_count_together_one_sends_the_sum(tmp_path: Path) -> None:
    first, second = Lead(tmp_path), Lead(tmp_path)
    assert first.take()
    assert not second.take()
    assert first.take()
    first.leave()  # as the kernel does at its death
    assert second.take()
    assert second.since_s == first.since_s  # counters go on from the same beginning


def test_a_queue_that_is_full_drops_and_counts() -> None:
    sender = Sender("http://127.0.0.1:1")  # no thread: nothing leaves
    before = dropped("queue_full")
    trace, many = spans(QUEUE_MAX - 1)
    sender.keep(trace, many)
    trace.lost = 2
    sender.keep(trace, many[:5])
    sender.keep(trace, many[:1])
    assert sender.waiting == QUEUE_MAX
    assert dropped("queue_full") - before == 4 + 1 + 2


class Misbehaving:
    """A server on a real socket that does one thing with each connection: `behave(connection)`."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._behave = behave
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.connections: list[socket.socket] = []

    @contextmanager
    def running(self) -> Iterator["Misbehaving"]:
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            self._listening.close()
            for one in self.connections:
                one.close()

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self._listening.accept()
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()
        except OSError:
            return

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._behave(connection)
        except OSError:
            return


def hang(connection: socket.socket) -> None:
    """Reads, and never answers."""
    while connection.recv(65_536):
        pass


def answering(text: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)

    return answer


def endless(connection: socket.socket) -> None:
    """Refuses, and explains itself without end."""
    connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


HEAD = b"Content-Length: 0\r\n\r\n"
MISBEHAVIOURS = {
    "hangs": hang,
    "500": answering(b"HTTP/1.1 500 Internal Server Error\r\n" + HEAD),
    "429": answering(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 86400\r\n" + HEAD),
    "redirects": answering(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n" + HEAD),
    "garbage": answering(b"\x00\xff no HTTP at all\r\n\r\n" * 10),
    "closes": lambda connection: connection.close(),
    "endless": endless,
}


@pytest.mark.parametrize("behave", MISBEHAVIOURS.values(), ids=MISBEHAVIOURS)
def test_an_endpoint_that_misbehaves_costs_dropped_spans_and_one_line(
    behave: Callable[[socket.socket], None], written: Callable[[], list[str]]
) -> None:
    before, taken = dropped("not_taken"), sent()
    with (
        Misbehaving(behave).running() as server,
        sending(server.url, export_s=0.3, queue_max=1_000) as sender,
    ):
        for _ in range(3):  # whoever keeps spans waits for nothing
            sender.keep(*spans(1_000))
        assert sender.waiting <= 1_000
        assert eventually(lambda: dropped("not_taken") > before + 600)  # a second batch too
    (line,) = written()
    assert "otlp_not_taken reason=" in line
    assert "level=warning" in line
    assert sent() == taken


def test_an_endpoint_that_refuses_connections_is_the_same(
    written: Callable[[], list[str]],
) -> None:
    before = dropped("not_taken")
    with sending(f"http://127.0.0.1:{free_port()}", export_s=0.3) as sender:
        sender.keep(*spans(600))
        assert eventually(lambda: dropped("not_taken") >= before + 600)
    assert len(written()) == 1


def test_a_line_a_minute_says_how_many_were_lost(written: Callable[[], list[str]]) -> None:
    before = dropped("not_taken")
    refuses = MISBEHAVIOURS["500"]
    with (
        Misbehaving(refuses).running() as server,
        sending(server.url, export_s=0.3, say_s=0.0) as sender,
    ):
        sender.keep(*spans(600))
        assert eventually(lambda: dropped("not_taken") >= before + 600)
    assert [line.rpartition("dropped=")[2].split()[0] for line in written()] == ["512", "88"]


def test_it_goes_on_when_the_endpoint_is_back(receiver: Receiver) -> None:
    before, taken = dropped("not_taken"), sent()
    receiver.status = 500
    with sending(receiver.url) as sender:
        sender.keep(*spans(1))
        assert eventually(lambda: dropped("not_taken") > before)
        receiver.status = 200
        sender.keep(*spans(1))
        assert eventually(lambda: sent() > taken)


def test_the_end_waits_a_bounded_time_for_an_endpoint_that_hangs() -> None:
    with Misbehaving(hang).running() as server:
        sender = Sender(server.url, export_s=SLOW_S)
        sender.start("tests")
        sender.keep(*spans(1_000))
        assert eventually(lambda: bool(server.connections))
        ended = threading.Event()
        threading.Thread(target=lambda: (sender.close(), ended.set()), daemon=True).start()
        assert ended.wait(CLOSE_S + SLOW_S / 4)  # far from SLOW_S, on a machine with other work


def test_what_waits_is_sent_at_the_end(receiver: Receiver) -> None:
    with sending(receiver.url) as sender:
        sender.keep(*spans(3, kind=CLIENT))
    assert len(receiver.spans()) == 3


def test_a_part_that_ends_late_goes_straight_to_the_sender() -> None:
    sender = Sender("http://127.0.0.1:1")
    trace = Trace(sender, 1, "req", sampled=True)
    trace.kept = True
    Part(trace, "booking").add("late", CLIENT, time.perf_counter())
    assert sender.waiting == 1
