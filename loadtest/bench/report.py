"""The output of a run: a table, a JSON document, and a plot with two lines."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from loadtest.bench.cases.growth import Cell
from loadtest.bench.figures import Figures
from loadtest.bench.noise import warning

UNIT = "bare_echo"  # what a request costs that does nothing
KINDS = ("web", "worker", "postgres", "redis", "generator")
WIDTH, HEIGHT, MARGIN = 720, 400, 60


class Point(msgspec.Struct, frozen=True):
    """One step of the plot."""

    connections: int
    per_second: float
    p99_ms: float


def as_json(report: "Report") -> str:
    """The document that docs/benchmarks.md describes. Figures of a single case stand beside the
    others."""
    document = msgspec.to_builtins(report)
    for cases in (document["cases"], *document["runs"]):
        for figures in cases.values():
            figures.update(figures.pop("extra"))
    return msgspec.json.format(msgspec.json.encode(document)).decode()


def print_report(report: "Report", console: Console) -> None:
    table = Table(box=SIMPLE, title="CPU in µs per answer counted")
    for name in ("case", "/s", "p50", "p95", "p99", "max ms", *KINDS, "÷ echo", "MB", "by status"):
        table.add_column(name, justify="left" if name in {"case", "by status"} else "right")
    for name, one in report.cases.items():
        table.add_row(*_row(name, one, report.costs.get(name)))
    console.print(table)
    for name, one in report.cases.items():
        console.print(f"  {name}: {one.counts}", highlight=False)
        for what, count in list(one.wrong.items())[:3]:
            console.print(f"    WRONG {count} × {what}", markup=False, highlight=False)
        if noise := warning(name, one.others):
            console.print(f"  {noise}", highlight=False)
        if one.errors:
            console.print(f"    ERRORS {one.errors} without an answer", highlight=False)
        if one.outbox is not None:
            console.print(f"    outbox: {_outbox(one)}", highlight=False)
        for what, value in one.extra.items():
            console.print(f"    {what} = {value}", markup=False, highlight=False)
    if len(report.runs) > 1:
        console.print(as_markdown(report), markup=False, highlight=False, soft_wrap=True)
    for name, costs in report.costs.items():
        if len(costs) > 1:
            console.print(
                f"  {name} costs {statistics.median(costs):.2f} × {UNIT}"
                f" ({min(costs):.2f}–{max(costs):.2f})",
                highlight=False,
            )
    for name, ratio in report.ratios.items():
        console.print(f"  {name} = {ratio}", highlight=False)
    console.print(f"  audit: {report.audit}", markup=False, highlight=False)


def _row(name: str, one: Figures, costs: list[float] | None) -> list[str]:
    times = [f"{ms:,.1f}" for ms in (one.p50_ms, one.p95_ms, one.p99_ms, one.max_ms)]
    cpu = [f"{one.cpu_us.get(kind, 0.0):,.0f}" for kind in KINDS]
    statuses = " ".join(f"{status}:{count:,}" for status, count in one.by_status.items())
    label = name if one.passed else f"{name} FAILED"
    echoes = "" if costs is None else f"{statistics.median(costs):.2f}"
    return [label, f"{one.per_second:,.0f}", *times, *cpu, echoes, f"{one.rss_mb:,.0f}", statuses]


def _outbox(one: Figures) -> str:
    assert one.outbox is not None
    if not one.outbox.rows:
        return "empty when the window ended"
    rows = f"{one.outbox.rows:,}" + ("+" if one.outbox.rows >= 10_000 else "")
    end = (
        "not drained"
        if one.outbox.drained_in_s is None
        else f"gone {one.outbox.drained_in_s} s later"
    )
    return f"{rows} events, the oldest {one.outbox.age_s} s old; {end}"


def as_markdown(report: "Report") -> str:
    """For docs/benchmarks.md: the median of the runs, with the lowest and highest of figures that
    vary."""
    lines = [
        "| case | /s (least–most) | p50 ms | p95 | p99 (least–most) | max"
        " | web µs | worker | postgres | redis | generator | MB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, one in report.cases.items():
        cells = [
            f"`{name}`",
            f"{one.per_second:,.0f} {_spread(report, name, 'per_second', 0)}",
            f"{one.p50_ms:,.1f}",
            f"{one.p95_ms:,.1f}",
            f"{one.p99_ms:,.1f} {_spread(report, name, 'p99_ms', 1)}",
            f"{one.max_ms:,.0f}",
            *(f"{one.cpu_us.get(kind, 0.0):,.0f}" for kind in KINDS),
            f"{one.rss_mb:,.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(report: "Report", name: str, what: str, digits: int) -> str:
    least, _, most = report.spread[name][what]
    return f"({least:,.{digits}f}–{most:,.{digits}f})"


def print_growth(cells: Sequence["Cell"], console: Console) -> None:
    table = Table(box=SIMPLE, title="create_order: CPU in µs per order")
    for name in (
        "seats",
        "sessions",
        "% sold",
        "orders",
        "web",
        "worker",
        "postgres",
        "redis",
        "sum",
    ):
        table.add_column(name, justify="right")
    for cell in cells:
        spent = [cell.cpu_us[kind] for kind in ("web", "worker", "postgres", "redis")]
        numbers = (cell.seats, cell.sessions, cell.sold_percent, cell.orders)
        row = [
            *(f"{n:,}" for n in numbers),
            *(f"{us:,.0f}" for us in (*spent, cell.without_worker)),
        ]
        table.add_row(*row)
    console.print(table)
    console.print("  sum: without the worker, whose work lags behind the orders", highlight=False)


def round_top(most: float) -> float:
    """The top of an axis with five equal steps that are easy to read: 587 → 750, 2,600 → 3,750."""
    step = max(most, 1.0) / 5
    unit = 10.0 ** math.floor(math.log10(step))
    return 5 * unit * next(one for one in (1, 1.5, 2, 3, 4, 5, 7.5, 10) if one * unit >= step)


def plot(points: Sequence[Point], title: str) -> str:
    """An SVG: answers per second (left axis) and p99 (right axis) by connections, one step each."""
    most_rate = round_top(max(point.per_second for point in points))
    most_ms = round_top(max(point.p99_ms for point in points))
    step = (WIDTH - 2 * MARGIN) / max(1, len(points) - 1)
    high = HEIGHT - 2 * MARGIN

    def line(values: Sequence[float], most: float, colour: str) -> str:
        dots = [
            f"{MARGIN + at * step:.1f},{HEIGHT - MARGIN - value / most * high:.1f}"
            for at, value in enumerate(values)
        ]
        return (
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(dots)}"/>'
        )

    def text(x: float, y: float, said: str, colour: str = "#333", anchor: str = "middle") -> str:
        return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{said}</text>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        text(WIDTH / 2, 24, title),
        text(MARGIN, 42, "answers a second", "#1d6fb8"),
        text(WIDTH - MARGIN, 42, "p99", "#c2452d"),
        *(
            f'<path d="M{MARGIN},{HEIGHT - MARGIN - fifth / 5 * high:.1f}h{WIDTH - 2 * MARGIN}"'
            ' stroke="#e4e4e4"/>'
            for fifth in range(6)
        ),
        line([point.per_second for point in points], most_rate, "#1d6fb8"),
        line([point.p99_ms for point in points], most_ms, "#c2452d"),
        text(WIDTH / 2, HEIGHT - 14, "connections"),
    ]
    for at, point in enumerate(points):
        parts.append(text(MARGIN + at * step, HEIGHT - MARGIN + 18, str(point.connections)))
    for tenth in range(0, 11, 2):
        y = HEIGHT - MARGIN - tenth / 10 * high + 4
        parts.append(text(MARGIN - 8, y, f"{most_rate * tenth / 10:,.0f}/s", "#1d6fb8", "end"))
        parts.append(
            text(WIDTH - MARGIN + 8, y, f"{most_ms * tenth / 10:,.0f} ms", "#c2452d", "start")
        )
    return "\n".join([*parts, "</svg>", ""])


RATIOS = (
    ("create_order", "bare_echo"),
    ("create_order_exact", "bare_echo"),
    ("create_order_standing", "bare_echo"),
    ("purchase", "bare_echo"),
    ("create_order_http", "create_order"),
    ("refusal_sold_out", "bare_asgi"),
    ("refusal_rate_limited", "bare_asgi"),
    ("browse", "bare_asgi"),
)


class Report(msgspec.Struct, frozen=True):
    """The JSON of a bench. `audit`: "clean", or the broken invariants.

    cases: each case's figures; with several runs, those of the median run by `per_second`.
    runs: every run's cases. spread: lowest, median and highest over the runs of compared figures.
    costs: CPU of an answer over all processes in units of the empty server's beside it, by run.
    """

    machine: dict[str, str | int | float]
    cases: dict[str, Figures]
    ratios: dict[str, float]
    audit: str
    runs: list[dict[str, Figures]] = []
    spread: dict[str, dict[str, tuple[float, float, float]]] = {}
    costs: dict[str, list[float]] = {}

    @property
    def passed(self) -> bool:
        every = (one for cases in (self.cases, *self.runs) for one in cases.values())
        return self.audit == "clean" and all(one.passed for one in every)


def ratios(done: dict[str, Figures]) -> dict[str, float]:
    """Answers per second of one case divided by those of another, where the run has both."""
    return {
        f"{case}/{other}": round(done[case].per_second / done[other].per_second, 3)
        for case, other in RATIOS
        if case in done and other in done and done[other].per_second
    }


class Counted(Protocol):
    """What a cost is made of: a line of this bench's document, or of another version's."""

    @property
    def cpu_us(self) -> dict[str, float]: ...
    @property
    def unit_us(self) -> float: ...


def cost(one: Counted, empty: Counted) -> float:
    """How many answers of the empty server cost as much, everything counted on both sides. Those measured
    beside the case count, else those of the run."""
    return sum(one.cpu_us.values()) / (one.unit_us or sum(empty.cpu_us.values()))


def costs(runs: Sequence[Mapping[str, Figures]]) -> dict[str, list[float]]:
    """By case, one a run, where the runs have the empty server."""
    return {
        case: [round(cost(run[case], run[UNIT]), 3) for run in runs]
        for case in runs[0]
        if case != UNIT and all(UNIT in run for run in runs)
    }
