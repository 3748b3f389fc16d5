"""The table of cases that have an aim, and whether the machine was ours."""

import pytest

from loadtest.bench import noise
from loadtest.bench.cases.every import CASES
from loadtest.bench.cases.growth import MANY, Cell
from loadtest.bench.command import together
from loadtest.bench.figures import Figures
from loadtest.bench.noise import Machine
from loadtest.bench.report import Report
from loadtest.bench.table import AIMS, SESSIONS, Row, as_markdown, rows
from loadtest.bench.table import CASES as TABLE


def figures(cpu_us: float, **others: object) -> Figures:
    fields: dict[str, object] = {
        "counts": "answers", "per_second": 900.0, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 450.0,
        "max_ms": 4.0, "by_status": {"201": 1}, "cpu_us": {"web": cpu_us}, "rss_mb": 1.0,
        "connections": 64, "seconds": 3.0, "errors": 0,
    }  # fmt: skip
    return Figures(**{**fields, **others})  # type: ignore[arg-type]


def run(order_us: float, sold_out_s: float | None) -> Report:
    cases = {
        "bare_echo": figures(100.0),
        "create_order": figures(order_us, unit_us=50.0),
        "browse": figures(110.0),
        "flash_sale": figures(1.0, extra={"sold_out_s": sold_out_s, "last_answer_s": 4.0}),
        "overload": figures(1.0, extra={"refused_p99_ms": 130.0}),
    }
    return Report({"cores": 2, "python": "CPython 3.13.1"}, cases, {}, "clean")


def test_every_case_of_the_table_is_one() -> None:
    assert set(TABLE) <= set(CASES)
    assert (MANY[0].sessions, MANY[-1].sessions) == (1, SESSIONS)


def test_each_figure_has_its_spread_and_its_aim() -> None:
    cells = [
        Cell(1, sessions, 0, 1, {"web": us, "worker": 9.0, "postgres": 0.0, "redis": 0.0}, {})
        for sessions, us in ((1, 100.0), (SESSIONS, 150.0))
    ]
    report = together([run(150.0, 0.9), run(300.0, 1.1), run(200.0, None)])
    found = {row.name: row for row in rows(report, cells)}
    order = found["`create_order`"]
    assert order.rounds == [3.0, 6.0, 4.0]  # in units of what was measured beside it
    assert (
        order.as_markdown()
        == "| `create_order` | 4.00 | 3.00–6.00 | 3 | missed by 33% | 900 | 450 |"
    )
    assert found["`browse`"].verdict == "met"
    assert found["`flash_sale`, sold_out_s"].median == 1.1
    assert max(found["`flash_sale`, sold_out_s"].rounds) == float(
        "inf"
    )  # once not everything was sold
    assert found["`overload`, p99_ms"].verdict == "met"
    assert found["`overload`, refused_p99_ms"].verdict == "missed by 30%"
    assert found["an order, 1,000 sessions ÷ 1"].rounds == [1.5]
    text = as_markdown(list(found.values()), report.machine)
    assert "CPython 3.13.1" in text
    assert text.count("\n| ") == 1 + len(found)


def test_an_aim_is_met_by_the_median() -> None:
    assert Row("x", [1.0, 9.0, 1.0], AIMS["browse"]).verdict == "met"


def test_cpu_of_others_is_what_is_left_of_the_machines() -> None:
    before, after = Machine(10.0, 1.0, 100.0, cores=2), Machine(16.0, 1.5, 104.0, cores=2)
    assert after.others_since(before, measured_s=4.5) == pytest.approx(1.0 / 8.0)
    assert after.others_since(before, measured_s=9.0) == 0.0  # the kernel counts in ticks
    assert noise.warning("a_case", 0.1) is None
    said = noise.warning("a_case", 0.125)
    assert said is not None
    assert "12% of the machine during a_case" in said


def test_the_kernels_count_goes_on() -> None:
    before = noise.look()
    assert noise.look().at_s >= before.at_s
    assert before.busy_s > 0
