"""The budget of an order: where CPU is counted, and when a stage costs too much."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loadtest.bench.budget import page, samples
from loadtest.bench.budget.samples import Sample
from loadtest.bench.budget.stages import SERVER, STAGES, by_stage, stage_of

COALESCER, LIMITS = "chassis/concurrency/coalescer.py", "limits and admission"
BURNING = """
import os, time

def burn():
    end = time.process_time() + 0.3
    while time.process_time() < end:
        sum(range(1000))

if __name__ == "__main__":
    if not os.fork():
        burn()
        os._exit(0)
    os.wait()
"""


@pytest.mark.parametrize(
    ("stack", "stage"),
    [
        ([("json/encoder.py", "encode"), ("booking/orders/placing.py", "place")], "order"),
        ([("booking/orders/placing_store.py", "_columns"), (COALESCER, "_travel")], "statement, asked"),
        ([("asyncpg/connection.py", "fetch"), (COALESCER, "_travel")], "statement, asked"),
        ([("booking/orders/wire.py", "order_answer"), ("booking/orders/placing.py", "place")], "answer"),
        ([("gateway/protection/gate.py", "enter"), ("gateway/edge.py", "_let_in")], LIMITS),
        ([("chassis/clock.py", "now"), ("gateway/edge.py", "handle")], "gateway"),
        ([("granian/_futures.py", "run")], SERVER),
        ([], SERVER),
    ],
)  # fmt: skip
def test_cpu_goes_to_the_innermost_code_that_belongs_to_a_stage(
    stack: list[tuple[str, str]], stage: str
) -> None:
    assert stage_of(stack) == stage


def test_stages_sum_up_to_all_cpu() -> None:
    """What the web processes ran beside what was sampled is the server's."""
    cpu_us = {"web": 300.0, "worker": 50.0, "postgres": 120.0, "redis": 70.0, "generator": 30.0}
    order = Sample(1.0, 0.02, (("booking/orders/placing.py", "place"),))
    found = by_stage(cpu_us, [order, Sample(1.1, 0.004, ())], answers=100)
    assert found["order"] == pytest.approx(200.0)
    assert found[SERVER] == pytest.approx(100.0)
    assert found["statement, in PostgreSQL"] == 120.0
    assert sum(found.values()) == pytest.approx(sum(cpu_us.values()))


@pytest.mark.skipif(sys.platform != "linux", reason="SIGPROF's clock")
def test_the_sampler_finds_what_burns_in_processes_forked_from_a_web_server(tmp_path: Path) -> None:
    room = tmp_path / "tree" / "runtime"
    room.mkdir(parents=True)
    for name in ("serving", "worker"):
        (room / f"{name}.py").write_text(BURNING)
    samples.install(tmp_path)
    tree = tmp_path / "tree"
    path = os.pathsep.join([str(tmp_path), str(tree)])
    since_s = time.monotonic()
    for name in ("serving", "worker"):  # the worker is not sampled
        command = [sys.executable, "-m", f"runtime.{name}"]
        subprocess.run(command, cwd=tree, env={"PYTHONPATH": path}, timeout=60, check=True)
    found = samples.read(tmp_path, tree, since_s=since_s, until_s=time.monotonic())
    assert len(list(tmp_path.glob("*.samples"))) == 1
    burnt = [one for one in found if ("runtime/serving.py", "burn") in one.stack]
    assert sum(one.cpu_s for one in burnt) == pytest.approx(0.3, abs=0.1)
    assert samples.read(tmp_path, tree, since_s=0.0, until_s=since_s) == []


def test_a_stage_is_over_its_budget_beyond_both_tolerances() -> None:
    allowed = {"large": 1.0, "small": 0.1}
    assert page.exceeded({"large": [1.2, 9.0, 1.2], "small": [0.14]}, allowed) == []
    assert page.exceeded({"large": [1.3], "small": [0.16]}, allowed) == ["large", "small"]


def test_what_is_printed_is_the_table_of_the_page() -> None:
    costs = {stage.name: [0.5, 0.25, 1.0] for stage in STAGES}
    allowed = dict.fromkeys(costs, 0.75)
    printed = page.as_markdown(costs, allowed, unit_us=200.0)
    assert "| order | 0.75 | 0.50 (0.25–1.00) | 100 |" in printed
    assert f"| **all** | **{0.75 * len(STAGES):.2f}** |" in printed
    assert page.budgets(f"# Page{page.HEADING}\n{printed}\n\n## Next\n") == allowed
    with pytest.raises(LookupError):
        page.budgets("# Page without a table")
