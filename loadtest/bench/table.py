"""`stampede bench --table`: the cases that have an aim, beside it, as Markdown (docs/benchmarks.md)."""

import math
import statistics
from collections.abc import Sequence

import msgspec

from loadtest.bench.cases.growth import Cell
from loadtest.bench.figures import Figures
from loadtest.bench.report import UNIT, Report, costs

# Of each case, the CPU of an answer over all processes in units of the empty server's: "Half the cost of an
# order" asked for these.
AIMS = {
    "create_order": 3.0,
    "create_order_http": 4.5,
    "refusal_sold_out": 1.2,
    "refusal_rate_limited": 0.8,
    "purchase": 12.0,
    "callbacks": 2.5,
    "browse": 1.2,
    "seat_map": 1.2,
}
CASES = (UNIT, *AIMS, "flash_sale", "overload")
SESSIONS = 1_000
SESSIONS_AIM = 1.3  # an order of one session among so many ÷ an order of the only one


class Row(msgspec.Struct, frozen=True):
    """A figure in each round. `aim`: at most."""

    name: str
    rounds: list[float]
    aim: float
    unit: str = ""
    per_second: float | None = None
    p99_ms: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def verdict(self) -> str:
        if self.median <= self.aim:
            return "met"
        return f"missed by {self.median / self.aim - 1:.0%}"

    def as_markdown(self) -> str:
        aim, median = f"{self.aim:g}{self.unit}", f"{self.median:.2f}{self.unit}"
        spread = f"{min(self.rounds):.2f}–{max(self.rounds):.2f}"
        others = ("" if one is None else f"{one:,.0f}" for one in (self.per_second, self.p99_ms))
        cells = [self.name, median, spread, aim, self.verdict, *others]
        return f"| {' | '.join(cells)} |"


def rows(report: Report, cells: Sequence[Cell]) -> list[Row]:
    """cells: of one session and of many."""
    found = [
        Row(
            f"`{name}`",
            each,
            AIMS[name],
            per_second=report.cases[name].per_second,
            p99_ms=report.cases[name].p99_ms,
        )
        for name, each in costs(report.runs).items()
        if name in AIMS
    ]
    for name, what, aim in (
        ("flash_sale", "sold_out_s", 1.0),
        ("flash_sale", "last_answer_s", 5.0),
        ("overload", "p99_ms", 500.0),
        ("overload", "refused_p99_ms", 100.0),
    ):
        if name in report.cases:
            each = [_figure(run[name], what) for run in report.runs]
            found.append(Row(f"`{name}`, {what}", each, aim))
    if cells:
        ratio = cells[-1].without_worker / cells[0].without_worker
        found.append(Row(f"an order, {SESSIONS:,} sessions ÷ 1", [ratio], SESSIONS_AIM))
    return found


def _figure(one: Figures, what: str) -> float:
    """Infinite where it never came to it: not everything was sold."""
    value = one.extra[what] if what in one.extra else getattr(one, what)
    return math.inf if value is None else float(value)


def as_markdown(found: Sequence[Row], machine: dict[str, str | int | float]) -> str:
    """The table, below a line that names the machine and its interpreter."""
    where = ", ".join(
        str(machine[what]) for what in ("processor", "python", "python_build") if what in machine
    )
    head = [
        f"{machine.get('cores')} cores, {where}, load {machine.get('load_before')} at the start.",
        "",
        f"| case | CPU of an answer ÷ {UNIT}'s, median | least–most | aim | | /s | p99 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*head, *(row.as_markdown() for row in found)])
