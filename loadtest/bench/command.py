"""`stampede bench`: runs the chosen cases on the programs, one after the other, and reports."""

import asyncio
import contextlib
import platform as machine_platform
import signal
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import psutil
from rich.console import Console

from loadtest.bench import saving, table
from loadtest.bench.budget.command import measure_budget
from loadtest.bench.case import Case
from loadtest.bench.cases.every import CASES
from loadtest.bench.cases.growth import MANY, SHAPES, Cell, Shape, grow
from loadtest.bench.figures import Figures
from loadtest.bench.generators.driver import GeneratorError, name_of_generator
from loadtest.bench.measuring import WARM_UP_MAX_S, measure, warm_up, window
from loadtest.bench.noise import warning
from loadtest.bench.programs import programs as stacks
from loadtest.bench.programs.programs import Stack, StackError
from loadtest.bench.report import (
    UNIT,
    Point,
    Report,
    costs,
    plot,
    print_growth,
    print_report,
    ratios,
)
from loadtest.bench.report import as_json as report_as_json
from loadtest.bench.unit import Unit, standing
from loadtest.flash_sale import allow_many_files
from planning.costs import NEEDED
from runtime.interpreter import describe_build, name_of, this_python
from runtime.operations.auditing import audit_all
from runtime.starting import StartError

Say = Callable[[str], None]

CONCURRENCY = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
COMPARED = ("per_second", "p50_ms", "p95_ms", "p99_ms", "max_ms", "rss_mb")


class Wanted(msgspec.Struct, frozen=True):
    """The options of the command line."""

    only: tuple[str, ...] = ()
    seconds: float = 8.0
    connections: int = 64
    workers: int = 2
    repeat: int = 1
    save: Path | None = None  # the file of costs that `stampede plan` reads
    on_a_cluster: bool = False  # six Valkey nodes instead of one
    changed: dict[str, str] = {}  # settings of the platform beside the default ones


class UnknownCase(StartError):
    """There is no such case. The message lists the cases."""


def bench(wanted: Wanted, *, as_json: bool, what: str, plot_path: Path | None) -> bool:
    """Runs and prints what was chosen. True if every answer was right, the audit found nothing, and no stage
    exceeded its budget. what: a key of _PRINTERS."""
    unknown = [name for name in wanted.only if name not in CASES]
    if unknown:
        raise UnknownCase(f"No case {', '.join(unknown)}; there are {', '.join(CASES)}.")
    if wanted.save is not None:
        saving.check(wanted.only)
    allow_many_files()
    signal.signal(signal.SIGTERM, _stop)
    err = Console(stderr=True)

    def say(line: str) -> None:
        err.print(line, highlight=False, markup=False)

    python, load = this_python(), psutil.getloadavg()[0]
    say(f"Python {name_of(python)}, built {describe_build(python)}; load average {load:.1f}")
    try:
        if plot_path is not None:
            points = run_plot(wanted, say)
            plot_path.write_text(plot(points, "create_order"), encoding="utf-8")
            return True
        return _PRINTERS[what](wanted, say, as_json)
    except (StackError, GeneratorError) as trouble:
        raise StartError(str(trouble)) from trouble


def _print_cases(wanted: Wanted, say: Say, as_json: bool) -> bool:
    report = run_benches(wanted, say)
    if wanted.save is not None:
        saving.save(wanted.save, report)
        say(f"saved {wanted.save}")
    if as_json:
        print(report_as_json(report))
    else:
        print_report(report, Console(width=None if sys.stdout.isatty() else 160))
    return report.passed


def _print_growth(wanted: Wanted, say: Say, as_json: bool) -> bool:
    cells, audit = run_growth((*SHAPES, *MANY), wanted, say)
    if as_json:
        _print_json({"growth": cells, "audit": audit})
    else:
        print_growth(cells, Console(width=None if sys.stdout.isatty() else 160))
    return audit == "clean" and not any(cell.wrong for cell in cells)


def _print_table(wanted: Wanted, say: Say, as_json: bool) -> bool:
    """The cases in rounds, and once the cost of an order of one session and of one among many."""
    report = run_benches(msgspec.structs.replace(wanted, only=table.CASES), say)
    cells, audit = run_growth((MANY[0], MANY[-1]), wanted, say)
    passed = report.passed and audit == "clean" and not any(cell.wrong for cell in cells)
    found = table.rows(report, cells)
    if as_json:
        _print_json({"machine": report.machine, "table": found, "passed": passed})
    else:
        print(table.as_markdown(found, report.machine))
    for name, one in report.cases.items():
        for wrong, count in one.wrong.items():
            say(f"WRONG {name}: {count} × {wrong}")
    say(f"audit: {report.audit}, {audit}")
    return passed


def _print_budget(wanted: Wanted, say: Say, as_json: bool) -> bool:
    found = measure_budget(
        rounds=wanted.repeat,
        seconds=wanted.seconds,
        connections=wanted.connections,
        workers=wanted.workers,
        say=say,
    )
    if as_json:
        _print_json(found)
    else:
        print(found.as_markdown())
    for stage in found.exceeded:
        say(f"OVER ITS BUDGET: {stage}")
    for wrong, count in found.wrong.items():
        say(f"WRONG {count} × {wrong}")
    return found.passed


def _print_json(document: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(document)).decode())


_PRINTERS: dict[str, Callable[[Wanted, Say, bool], bool]] = {
    "cases": _print_cases,
    "growth": _print_growth,
    "table": _print_table,
    "budget": _print_budget,
}


def measure_costs(path: Path, *, seconds: float) -> None:
    """Measures what a plan needs and saves it. Raises StartError or CostsError."""
    allow_many_files()
    signal.signal(signal.SIGTERM, _stop)

    def say(line: str) -> None:
        Console(stderr=True).print(line, highlight=False, markup=False)

    try:
        report = run_benches(Wanted(NEEDED, seconds), say)
    except (StackError, GeneratorError) as trouble:
        raise StartError(str(trouble)) from trouble
    saving.save(path, report)
    say(f"saved {path}")


def _stop(number: int, _: object) -> None:
    """A request to stop also ends the programs that were started."""
    sys.exit(128 + number)


def run_benches(wanted: Wanted, say: Say) -> Report:
    """All runs, one after the other, as one report."""
    reports = []
    for number in range(1, wanted.repeat + 1):
        if wanted.repeat > 1:
            say(f"run {number} of {wanted.repeat}")
        reports.append(run_bench(wanted, say))
    return together(reports)


def together(reports: Sequence[Report]) -> Report:
    """Several runs as one report."""
    runs = [report.cases for report in reports]
    return Report(
        machine=reports[0].machine,
        cases={name: _median([run[name] for run in runs]) for name in runs[0]},
        ratios={
            name: statistics.median(report.ratios[name] for report in reports)
            for name in reports[0].ratios
            if all(name in report.ratios for report in reports)
        },
        audit=next((one.audit for one in reports if one.audit != "clean"), "clean"),
        costs=costs(runs),
        runs=runs,
        spread={
            name: {
                what: _spread([float(getattr(run[name], what)) for run in runs])
                for what in COMPARED
            }
            for name in runs[0]
        },
    )


def _median(runs: list[Figures]) -> Figures:
    """The whole median run, so that its figures belong together."""
    return sorted(runs, key=lambda one: one.per_second)[(len(runs) - 1) // 2]


def _spread(values: list[float]) -> tuple[float, float, float]:
    return min(values), round(statistics.median(values), 3), max(values)


def run_bench(wanted: Wanted, say: Say) -> Report:
    """Runs the cases, program by program, and the empty server before and after each, if it is one of them.
    Raises StackError or GeneratorError."""
    chosen = [CASES[name] for name in (wanted.only or CASES)]
    done: dict[str, Figures] = {}
    audits: list[str] = []
    with contextlib.ExitStack() as programs:
        unit = None
        if UNIT in {case.name for case in chosen}:
            unit = programs.enter_context(standing(wanted.workers, wanted.connections))
        for where in dict.fromkeys(case.where for case in chosen):
            with _program(where, wanted, unit) as stack:
                if unit is not None:
                    unit.last_us = 0.0  # some time ago
                for case in (one for one in chosen if one.where == where):
                    done[case.name] = _measured(case, stack, wanted, unit, say)
                if stack.loaded.database_url is not None:
                    say("audit ...")
                    audits.append(asyncio.run(_audit(stack)))
    return Report(
        machine=describe_machine(wanted),
        cases={case.name: done[case.name] for case in chosen},
        ratios=ratios(done),
        audit=next((one for one in audits if one != "clean"), "clean"),
    )


def _measured(case: Case, stack: Stack, wanted: Wanted, unit: Unit | None, say: Say) -> Figures:
    """A case's figures, with the cost of an empty answer around it."""
    say(f"{case.name} ...")
    beside = None if unit is None or unit.stack is stack else unit
    before_us = beside.last_us or asyncio.run(beside.look()) if beside else 0.0
    found = asyncio.run(
        measure(case, stack, seconds=wanted.seconds, connections=wanted.connections)
    )
    after_us = asyncio.run(beside.look()) if beside else 0.0
    found = msgspec.structs.replace(found, unit_us=round((before_us + after_us) / 2, 1))
    say(f"  {found.per_second:,.0f}/s, p99 {found.p99_ms:,.1f} ms")
    if line := warning(case.name, found.others):
        say(line)
    return found


def run_growth(shapes: Sequence[Shape], wanted: Wanted, say: Say) -> tuple[list[Cell], str]:
    """A cell of each shape, on one platform, and the audit."""
    with stacks.platform(wanted.workers, on_a_cluster=wanted.on_a_cluster) as stack:
        cells = []
        for shape in shapes:
            say(f"{shape.sessions:,} × {shape.seats:,} seats, {shape.sold_percent}% sold ...")
            cells.append(asyncio.run(grow(stack, shape)))
            say(f"  {cells[-1].without_worker:,.0f} µs an order")
        say("audit ...")
        return cells, asyncio.run(_audit(stack))


def run_plot(wanted: Wanted, say: Say) -> list[Point]:
    """create_order at every concurrency, on one platform."""
    case = CASES["create_order"]

    async def steps(stack: Stack) -> list[Point]:
        room_s = WARM_UP_MAX_S + wanted.seconds * len(CONCURRENCY)
        traffic = await case.prepare(stack, room_s)
        await warm_up(traffic, wanted.connections)
        points = []
        for connections in CONCURRENCY:
            say(f"{connections} connections ...")
            one = await window(
                case, stack, traffic, seconds=wanted.seconds, connections=connections
            )
            points.append(Point(connections, one.per_second, one.p99_ms))
        return points

    with stacks.platform(wanted.workers, on_a_cluster=wanted.on_a_cluster) as stack:
        return asyncio.run(steps(stack))


def describe_machine(wanted: Wanted) -> dict[str, str | int | float]:
    return {
        "cores": psutil.cpu_count() or 0,
        "processor": _processor(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{machine_platform.system()} {machine_platform.release()}",
        "python": f"{machine_platform.python_implementation()} {machine_platform.python_version()}",
        "python_build": describe_build(this_python()),
        "generator": name_of_generator(),
        "connections": wanted.connections,
        "workers": wanted.workers,
        "redis": "cluster" if wanted.on_a_cluster else "one",
        "load_before": round(psutil.getloadavg()[0], 2),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return machine_platform.processor() or machine_platform.machine()


@contextlib.contextmanager
def _program(where: str, wanted: Wanted, unit: Unit | None) -> Iterator[Stack]:
    if where == UNIT and unit is not None:
        yield unit.stack
        return
    if where == "platform":
        program = stacks.platform(
            wanted.workers, on_a_cluster=wanted.on_a_cluster, changed=wanted.changed
        )
    elif where == "services apart":
        program = stacks.services_apart(1, on_a_cluster=wanted.on_a_cluster, changed=wanted.changed)
    else:
        program = stacks.comparator(where, wanted.workers)
    with program as stack:
        yield stack


async def _audit(stack: Stack) -> str:
    broken: Sequence[str] = [
        f"{one.name}: {'; '.join(one.details)}"
        for one in await audit_all(stack.loaded)
        if not one.ok
    ]
    return "; ".join(broken) or "clean"
