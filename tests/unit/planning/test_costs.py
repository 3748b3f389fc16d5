"""The file of costs: written by the bench, read by the planner, refused where it is wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from loadtest.bench import saving
from loadtest.bench.figures import Figures
from loadtest.bench.report import Report
from planning import costs
from planning.costs import NEEDED, CostsError
from planning.demand import Sale
from planning.plan import make_plan
from planning.report import as_json, as_text, figures_line
from planning.work import Work
from stampede.cli.main import stampede

VERSION = "0.1.0"
QUESTION = ["plan", "--people", "10000", "--seats", "100"]


def words(output: str) -> str:
    """What was said, without the frame around an error and its line breaks."""
    return " ".join(output.replace("│", " ").split())


def document() -> dict[str, Any]:
    found = msgspec.to_builtins(costs.shipped())
    assert isinstance(found, dict)
    return found


def written(path: Path, found: dict[str, Any]) -> Path:
    path.write_bytes(msgspec.json.encode(found))
    return path


def case(name: str) -> Figures:
    one = costs.shipped().cases[name]
    return Figures(
        counts="answers", per_second=one.per_second, p50_ms=1, p95_ms=2, p99_ms=3, max_ms=4,
        by_status=one.by_status, cpu_us=one.cpu_us, rss_mb=one.rss_mb, connections=64, seconds=3,
        errors=0, volumes={"wal": 4_000},
    )  # fmt: skip


def report(audit: str = "clean") -> Report:
    return Report({"cores": 2}, {name: case(name) for name in NEEDED}, {}, audit)


def test_what_the_bench_saves_is_what_the_planner_reads(tmp_path: Path) -> None:
    path = tmp_path / "new" / costs.NAME
    saving.save(path, report())
    read = costs.load(path, VERSION)
    assert read.cases.keys() == set(NEEDED)
    assert read.cases["create_order"].volumes == {"wal": 4_000}
    assert [one.name for one in path.parent.iterdir()] == [costs.NAME]


def test_a_run_that_went_wrong_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(CostsError, match="not saved"):
        saving.save(tmp_path / costs.NAME, report(audit="seats_sold_once: seat 7"))
    assert list(tmp_path.iterdir()) == []


def test_too_few_cases_are_named_before_anything_is_measured() -> None:
    ran = CliRunner().invoke(stampede, ["bench", "--save", "--only", "create_order"])
    assert ran.exit_code == 1
    assert "--save needs the cases" in words(ran.output)


def changed(**changes: Any) -> dict[str, Any]:
    return {**document(), **changes}


def without_a_case() -> dict[str, Any]:
    found = document()
    del found["cases"]["login"]
    return found


def with_a_cost(cost: float) -> dict[str, Any]:
    found = document()
    found["cases"]["browse"]["cpu_us"]["web"] = cost
    return found


def with_a_log(size: float) -> dict[str, Any]:
    found = document()
    found["cases"]["browse"]["volumes"] = {"wal": size}
    return found


def without_a_kind() -> dict[str, Any]:
    found = document()
    del found["cases"]["browse"]["cpu_us"]["redis"]
    return found


def test_a_file_that_cannot_be_used_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    bad = {
        "format 2": changed(format=2),
        "Stampede 9": changed(version="9.0"),
        "no case login": without_a_case(),
        "browse has no usable figure for web": with_a_cost(-1.0),
        "browse has no usable figure for wal": with_a_log(1e13),
        "browse has no usable figure for redis": without_a_kind(),
        "browse costs its web process nothing": with_a_cost(0.0),
        "no zone": changed(measured_at="2026-08-01T00:00:00"),
        "is broken": changed(more=1),
    }
    for says, found in bad.items():
        path = written(tmp_path / "costs.json", found)
        with pytest.raises(CostsError, match=says) as trouble:
            costs.load(path, VERSION)
        assert str(path) in str(trouble.value)
        assert "stampede plan --measure" in str(trouble.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b'{"format": "one"}', b"null"])
def test_broken_json_is_one_sentence(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "costs.json"
    path.write_bytes(text)
    ran = CliRunner().invoke(stampede, [*QUESTION, "--costs", str(path)])
    assert ran.exit_code == 1
    assert "is broken" in words(ran.output)
    assert "Traceback" not in ran.output
    assert isinstance(ran.exception, SystemExit)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--people", "0", "--seats", "5"], "--people must be"),
        (["--people", "10", "--seats", "5", "--minutes", "-1"], "--minutes must be"),
        (["--people", "10", "--seats", "900000"], "--seats must be"),
        (["--people", "10"], "Say --people and --seats"),
        (["--people", "9", "--seats", "9", "--costs", "/nowhere/c.json"], "There is no costs file"),
        (["--people", "9", "--seats", "9", "--costs", "/"], "cannot be read"),
    ],
)
def test_bad_options_are_one_sentence(options: list[str], says: str) -> None:
    ran = CliRunner().invoke(stampede, ["plan", *options])
    assert ran.exit_code == 1
    assert says in words(ran.output)
    assert isinstance(ran.exception, SystemExit)


def test_without_a_file_the_plan_says_that_its_figures_are_another_machines(tmp_path: Path) -> None:
    ran = CliRunner().invoke(stampede, [*QUESTION, "--data-dir", str(tmp_path)])
    assert ran.exit_code == 0
    assert "another machine's" in ran.output
    for word in (
        "Machines",
        "Connections",
        "Redis",
        "PostgreSQL",
        "Network",
        "Mails",
        "What passes it",
    ):
        assert word in ran.output


def test_with_a_file_the_plan_names_it_and_its_age(tmp_path: Path) -> None:
    saving.save(tmp_path / costs.NAME, report())
    ran = CliRunner().invoke(stampede, [*QUESTION, "--json", "--data-dir", str(tmp_path)])
    assert ran.exit_code == 0
    plan = msgspec.json.decode(ran.output)
    assert plan["figures"]["path"] == str(tmp_path / costs.NAME)
    assert plan["figures"]["age_days"] == 0
    assert {"layout", "walls", "outcome", "sale"} <= plan.keys()


def test_old_figures_are_called_old() -> None:
    found, path = costs.shipped(), Path("costs.json")
    sale = Sale(people=100, seats=10, minutes=0.5)
    made = make_plan(sale, found, path=path, now=found.measured_at + timedelta(days=40))
    assert "40 days old, measure again" in figures_line(made.figures)


def test_a_plan_is_the_same_in_words_and_as_json_each_time() -> None:
    sale, now = Sale(people=20_000, seats=500), datetime(2026, 12, 1, tzinfo=UTC)
    once, again = (make_plan(sale, costs.shipped(), path=None, now=now) for _ in range(2))
    assert list(as_text(once)) == list(as_text(again))
    assert as_json(once) == as_json(again)


def test_a_refusal_costs_what_the_overload_leaves_of_its_orders() -> None:
    work = Work.of(costs.shipped())
    assert work.refused.web == pytest.approx((1_782 - 535) * 786 / (5_019 - 786), rel=0.01)


def test_a_payment_costs_what_a_purchase_costs_without_its_order() -> None:
    pay = Work.of(costs.shipped()).pay
    assert (pay.web, pay.postgres, pay.redis) == (2_011 - 535, 1_114 - 202, 398 - 136)


def test_the_shipped_figures_are_those_of_the_benchmarks() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "benchmarks.md"
    lines = page.read_text(encoding="utf-8").splitlines()
    for name, one in costs.shipped().cases.items():
        begins = f"| `{name}` | {one.per_second:,.0f} ("
        (row,) = [line for line in lines if line.startswith(begins)]
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        told = [float(cell.replace(",", "")) for cell in cells[6:10]]
        assert told == [one.cpu_us[kind] for kind in costs.KINDS], name
