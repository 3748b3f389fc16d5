"""The measuring instrument: what it counts, what it sends, what it calls wrong."""

import asyncio
import io
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from rich.console import Console

from chassis.settings import Settings
from loadtest.bench.cases.plain import CASES, Case
from loadtest.bench.cases.venue import pairs_of
from loadtest.bench.figures import Figures
from loadtest.bench.generators.driver import Run, drive, read
from loadtest.bench.generators.traffic import Call, Heard, Latency, Traffic
from loadtest.bench.measuring import figures
from loadtest.bench.programs import serve_bare as comparators
from loadtest.bench.programs.accounting import kind_of
from loadtest.bench.report import Point, Report, as_json, plot, print_report, ratios
from runtime import serving

ORDER = Call(
    name="order",
    method="POST",
    path="/orders",
    body='{"area":"$1"}',
    expects={201: '"order_id"'},
    with_token=True,
    with_key=True,
    orders=True,
)
PAY = Call(name="pay", method="POST", path="/orders/$order/pay", body="{}", expects={200: "paid"})


def heard(by_call: dict[str, dict[str, int]], wrong: dict[str, int] | None = None) -> Heard:
    return Heard(2.0, 1, by_call, {"all": Latency(1.0, 2.0, 3.0, 4.0)}, wrong or {}, 0)


def case(counted: tuple[tuple[str, str], ...] = ()) -> Case:
    return Case("a_case", "platform", CASES["create_order"].prepare, "held durably", counted)


def figures_of(one: Heard, counted: tuple[tuple[str, str], ...] = ()) -> Figures:
    cpu_s = {"web": 0.01, "generator": 0.001}
    return figures(case(counted), Run(one, 0.001), cpu_s=cpu_s, rss_mb=1.0, connections=64)


def test_turns_are_spread_by_weight() -> None:
    calls = [msgspec.structs.replace(ORDER, weight=3), PAY]
    turns = Traffic(base_url="", calls=calls).turns()
    assert sorted(turns) == [1, 1, 1, 2]
    assert turns != [1, 1, 1, 2]  # the rare call is not left to the end


def test_cpu_is_divided_by_the_answers_that_count() -> None:
    one = figures_of(heard({"order": {"201": 60}, "pay": {"200": 40}}), (("pay", "200"),))
    assert one.per_second == 20.0
    assert one.cpu_us["web"] == 250.0
    assert one.by_status == {"200": 40, "201": 60}


def test_a_wrong_answer_is_not_counted_and_fails_the_case() -> None:
    one = figures_of(heard({"order": {"201": 8, "500": 2}}, {"order 500: oh": 2}))
    assert one.per_second == 4.0
    assert not one.passed


def test_a_ratio_needs_both_cases_of_the_same_run() -> None:
    fast, slow = figures_of(heard({"x": {"200": 100}})), figures_of(heard({"x": {"201": 30}}))
    assert ratios({"bare_echo": fast, "create_order": slow}) == {"create_order/bare_echo": 0.3}
    assert ratios({"create_order": slow}) == {}


def test_the_json_has_the_fields_that_were_promised() -> None:
    report = Report({"cores": 2}, {"a_case": figures_of(heard({"x": {"200": 1}}))}, {}, "clean")
    document = msgspec.json.decode(as_json(report))
    assert {"machine", "cases", "ratios", "audit"} <= set(document)
    assert document["audit"] == "clean"
    promised = {
        "per_second",
        "p50_ms",
        "p95_ms",
        "p99_ms",
        "max_ms",
        "by_status",
        "cpu_us",
        "rss_mb",
    }
    assert promised <= set(document["cases"]["a_case"])


def test_a_broken_invariant_fails_the_run() -> None:
    good = {"a_case": figures_of(heard({"x": {"200": 1}}))}
    assert Report({}, good, {}, "clean").passed
    assert not Report({}, good, {}, "seats_sold_once: seat 7").passed


def test_the_table_names_what_was_wrong() -> None:
    one = figures_of(heard({"order": {"500": 1}}, {"order 500: [oh]": 1}))
    console = Console(width=200, record=True, file=io.StringIO())
    print_report(Report({}, {"a_case": one}, {}, "clean"), console)
    text = console.export_text()
    assert "a_case FAILED" in text
    assert "1 × order 500: [oh]" in text


def test_the_plot_has_both_lines_and_every_step() -> None:
    svg = plot([Point(1, 100.0, 2.0), Point(512, 900.0, 90.0)], "create_order")
    assert svg.count("<polyline") == 2
    assert ">512<" in svg


def test_single_calls_get_percentiles_from_their_buckets() -> None:
    line = (
        b'{"seconds":1,"next":9,"counts":{"a\\t200":100},"buckets":{"a\\t10":98,"a\\t50":1,"a\\t900":1},'
        b'"wrong":{},"errors":0,"latency_us":[1000,1000,5000,90000]}'
    )
    latency = read(line).latency
    assert latency["a"] == Latency(1.0, 1.0, 5.0, 90.0)
    assert latency["all"].max == 90.0


def test_processes_are_told_apart_by_what_they_run() -> None:
    assert kind_of(["python", "-m", "runtime.serving", "everything"], "python") == "web"
    assert kind_of(["python", "-m", "runtime.worker"], "python") == "worker"
    assert kind_of(["/x/postgres", "-D", "d"], "postgres") == "postgres"
    assert kind_of(["/x/valkey-server"], "valkey-server") == "redis"
    assert kind_of(["python", "-m", "stampede", "up"], "python") is None


def test_seat_pairs_never_reach_over_a_rows_end() -> None:
    pairs = pairs_of(100)
    assert pairs[:2] == [(1, 2), (3, 4)]
    assert pairs[25] == (52, 53)  # 51 is the end of the first row
    assert len({seat for pair in pairs for seat in pair}) == 100


def test_comparators_are_served_as_the_platform_is() -> None:
    told: list[tuple[str, dict[str, Any]]] = []

    class Recording:
        def __init__(self, target: str, **options: Any) -> None:
            told.append((target, options))

        def serve(self) -> None:
            return None

    serving.serve("everything", Settings(), kind=Recording)
    comparators.serve("bare_asgi", Settings(), kind=Recording)
    (_, ours), (target, theirs) = told
    assert target == "loadtest.bench.programs.bare_apps:bare_asgi"
    assert theirs == ours


class Server:
    """Answers orders and payments, and remembers what it was sent."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.paid: list[str] = []

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.split(b": ", 1) for line in head.strip().split(b"\r\n")[1:])
                length = int({k.lower(): v for k, v in fields.items()}.get(b"content-length", b"0"))
                body = await reader.readexactly(length)
                self.requests.append(head + body)
                writer.write(self._answer(head))
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        lines = head.decode().split("\r\n")
        path = lines[0].split(" ")[1]
        request_id = next(one for one in lines if one.lower().startswith("x-request-id"))
        if path.endswith("/pay"):
            self.paid.append(path.split("/")[2])
            status, body = "200 OK", '{"status":"paid"}'
        else:
            status, body = "201 Created", f'{{"order_id":"abc-{len(self.requests):x}"}}'
        return f"HTTP/1.1 {status}\r\n{request_id}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


@asynccontextmanager
async def serving_orders() -> AsyncIterator[tuple[Server, str]]:
    server = Server()
    listening = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    try:
        yield server, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


GENERATORS = [
    pytest.param(None, id="built-in"),
    pytest.param(
        shutil.which("wrk"),
        id="wrk",
        marks=pytest.mark.skipif(shutil.which("wrk") is None, reason="no wrk here"),
    ),
]


@pytest.mark.parametrize("wrk", GENERATORS)
async def test_both_generators_send_the_same_and_judge_the_same(
    wrk: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(wrk) if wrk else "/nowhere")
    async with serving_orders() as (server, url):
        traffic = Traffic(
            base_url=url, calls=[ORDER, PAY], rows=[("a1",), ("a2",)], tokens=["t0", "t1", "t2"]
        )
        run = await drive(traffic, seconds=1.0, connections=1)
    assert run.heard.wrong == {}
    assert run.heard.by_call["order"]["201"] > 1
    assert run.heard.by_call["pay"]["200"] > 1
    assert traffic.first >= run.heard.by_call["order"]["201"]
    first = server.requests[0].decode()
    number = int(first.split(f"Idempotency-Key: {traffic.tag}-")[1].split("-")[0])
    assert number in {0, 1}  # wrk asks its script for one request that it never sends
    assert first.startswith("POST /orders HTTP/1.1\r\n")
    assert f"Authorization: Bearer t{number}\r\n" in first
    assert f"X-Forwarded-For: 10.0.0.{number}\r\n" in first
    assert f"X-Request-ID: {traffic.tag}-{number}-1\r\n" in first
    assert first.endswith(f'{{"area":"a{number + 1}"}}')
    assert len(set(server.paid)) == len(server.paid)  # each order is paid once


@pytest.mark.parametrize("wrk", GENERATORS)
async def test_both_generators_notice_an_answer_that_says_something_else(
    wrk: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", os.path.dirname(wrk) if wrk else "/nowhere")
    calls = [msgspec.structs.replace(ORDER, expects={201: '"seats"'}, orders=False)]
    async with serving_orders() as (_, url):
        run = await drive(
            Traffic(base_url=url, calls=calls, tokens=["t"]), seconds=1.0, connections=1
        )
    assert sum(run.heard.wrong.values()) == run.heard.by_call["order"]["201"] > 0


async def test_the_built_in_generator_ends_after_so_many_requests() -> None:
    async with serving_orders() as (server, url):
        traffic = Traffic(base_url=url, calls=[ORDER], tokens=["t"])
        run = await drive(traffic, seconds=30.0, connections=3, count=10)
    assert run.heard.by_call == {"order": {"201": 10}}
    assert len(server.requests) == traffic.first == 10
