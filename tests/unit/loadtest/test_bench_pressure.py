"""The open-loop generator keeps its own time; several runs become one report."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from loadtest.bench.cases.every import CASES
from loadtest.bench.cases.growth import MANY, SHAPES, warm_up_orders
from loadtest.bench.command import together
from loadtest.bench.figures import Figures
from loadtest.bench.generators.driver import drive
from loadtest.bench.generators.traffic import Call, Traffic
from loadtest.bench.report import Report, as_json, as_markdown, round_top

ORDER = Call(
    name="order", method="POST", path="/orders", body="{}", expects={201: "id", 503: "late"}
)


@asynccontextmanager
async def answering(pause_s: float) -> AsyncIterator[str]:
    """Takes so long for each answer; every second one is refused."""
    answered = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n{}")
                await asyncio.sleep(pause_s)
                answered += 1
                status, body = ("201 Created", "id") if answered % 2 else ("503 Busy", "late")
                head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(f"{head}{body}".encode())
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_an_open_loop_sends_when_it_is_due_whatever_the_answers_do() -> None:
    async with answering(0.05) as url:
        run = await drive(
            Traffic(base_url=url, calls=[ORDER]), seconds=0.5, connections=50, rate=100
        )
    statuses = run.heard.by_call["order"]
    assert sum(statuses.values()) == 49  # a closed loop of fifty would have sent hundreds
    assert run.heard.errors == 0
    assert run.heard.wrong == {}
    assert run.heard.latency["order 503"].p50 >= 50


async def test_latency_counts_from_when_a_request_was_due() -> None:
    async with answering(0.1) as url:
        run = await drive(Traffic(base_url=url, calls=[ORDER]), seconds=0.5, connections=1, rate=20)
    assert run.heard.latency["all"].max >= 400  # nine waited for the one connection


def figures(per_second: float, **extra: float) -> Figures:
    return Figures(
        counts="", per_second=per_second, p50_ms=1, p95_ms=2, p99_ms=per_second / 10, max_ms=9,
        by_status={"201": 1}, cpu_us={"web": 1.0}, rss_mb=1, connections=1, seconds=1, errors=0,
        extra=extra,
    )  # fmt: skip


def reports(*rates: float) -> list[Report]:
    return [Report({}, {"a": figures(rate)}, {"a/b": rate}, "clean") for rate in rates]


def test_several_runs_are_told_by_the_median_one_and_their_spread() -> None:
    report = together(reports(30, 10, 20))
    assert report.cases["a"].per_second == 20
    assert report.cases["a"].p99_ms == 2.0
    assert report.spread["a"]["per_second"] == (10, 20, 30)
    assert report.ratios == {"a/b": 20}
    assert [run["a"].per_second for run in report.runs] == [30, 10, 20]
    assert "| `a` | 20 (10–30) |" in as_markdown(report)


def test_a_broken_run_among_good_ones_fails_the_report() -> None:
    good, bad = reports(1, 2)
    broken = msgspec.structs.replace(bad.cases["a"], wrong={"order 500": 1})
    assert not together([good, msgspec.structs.replace(bad, cases={"a": broken})]).passed
    assert not together([good, msgspec.structs.replace(bad, audit="seat 7")]).passed


def test_what_one_case_alone_has_stands_beside_the_rest() -> None:
    report = together([Report({}, {"a": figures(1, last_answer_s=7.5)}, {}, "clean")])
    document = msgspec.json.decode(as_json(report))
    assert document["cases"]["a"]["last_answer_s"] == 7.5
    assert document["runs"][0]["a"]["last_answer_s"] == 7.5
    assert "extra" not in document["cases"]["a"]


def test_axes_end_at_round_numbers_above_what_they_show() -> None:
    assert [round_top(most) for most in (0.0, 4.2, 587.0, 1_500.0, 2_600.0)] == [
        1.0, 5.0, 750.0, 1_500.0, 3_750.0,
    ]  # fmt: skip


def test_the_cases_that_were_asked_for_are_there() -> None:
    assert {"flash_sale", "overload", "login_flood", "worker_lag", "create_order_http"} <= set(
        CASES
    )


def test_warming_up_leaves_room_for_what_is_measured() -> None:
    for shape in (*SHAPES, *MANY):
        if not shape.sold_percent:
            warm = warm_up_orders(shape) // shape.sessions
            assert (warm + shape.orders) * 2 <= shape.seats
            assert warm >= 2
