"""`stampede bench --against REV` and `--with SETTINGS`: several sides, measured in turns.

A machine's speed changes from minute to minute, so a side's figures mean little beside those of an hour ago.
Here every round runs every side, each second round in the opposite order, and each run of a side has an
empty server (`bare_echo`) of its own. Another commit runs in an environment of its own, where its packages
are not those of this one. What is compared is the CPU of an answer over all processes, the load
generator's included, in units of that empty server's.
"""

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from chassis import settings
from loadtest.bench.environment import python_for
from loadtest.bench.noise import warning
from loadtest.bench.report import UNIT, cost
from runtime.starting import StartError

ROOT = Path(__file__).resolve().parents[2]
HERE = "this tree"
PREFIX = "STAMPEDE_"
RUN_MAX_S = 1_800.0
GIT_MAX_S = 60.0


class Side(msgspec.Struct, frozen=True):
    """`tree`: whose code runs. `settings`: of its platform, beside the default ones. `python`: runs it."""

    name: str
    tree: Path
    settings: dict[str, str] = {}
    python: str = sys.executable


class Costs(msgspec.Struct, frozen=True):
    """What a case costs in each round, in units of that run's empty server."""

    case: str
    side: str
    rounds: list[float]
    per_second: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)


class _Figures(msgspec.Struct):
    """What is read of a side's document, which may be another version's."""

    per_second: float
    cpu_us: dict[str, float]
    unit_us: float = 0.0
    others: float = 0.0


class Document(msgspec.Struct):
    cases: dict[str, _Figures]
    audit: str
    machine: dict[str, str | int | float] = {}


Measure = Callable[[Side], Document]
Say = Callable[[str], object]


def settings_of(text: str) -> dict[str, str]:
    """`STAMPEDE_A=1,STAMPEDE_B=x`; none in an empty text. Raises StartError for what is none."""
    found = {}
    for one in text.split(",") if text else ():
        name, equals, value = one.strip().partition("=")
        if not equals or not name.startswith(PREFIX):
            raise StartError(f"{one.strip()!r} is no setting: write {PREFIX}NAME=VALUE.")
        found[name] = value
    return found


@contextmanager
def sides(
    root: Path, against: str | None, variants: Sequence[str], say: Say = str
) -> Iterator[list[Side]]:
    """This tree, another commit's in a temporary folder, and this one with other settings. Raises
    StartError if git does not know the commit."""
    with tempfile.TemporaryDirectory(prefix="stampede-bench-") as folder:
        found = [Side(HERE, root)]
        if against is not None:
            tree = _checked_out(root, against, Path(folder) / "tree")
            found.insert(0, Side(against, tree, python=python_for(tree, Path(folder), say)))
        found += [Side(text, root, settings_of(text)) for text in variants]
        yield found


def _checked_out(root: Path, revision: str, folder: Path) -> Path:
    archive = subprocess.run(
        ["git", "-C", str(root), "archive", "--format=tar", revision, "--"],
        capture_output=True,
        timeout=GIT_MAX_S,
        check=False,
    )
    if archive.returncode:
        raise StartError(
            f"{revision} cannot be measured: {archive.stderr.decode(errors='replace').strip()}"
        )
    folder.mkdir()
    subprocess.run(
        ["tar", "-x", "-C", str(folder)], input=archive.stdout, timeout=GIT_MAX_S, check=True
    )
    return folder


def by_program(options: Sequence[str]) -> Measure:
    """Runs a side's own bench as a program of its own, with these options."""

    def run(side: Side) -> Document:
        words = list(options)
        if side.settings:
            words += [
                "--settings",
                ",".join(f"{name}={text}" for name, text in side.settings.items()),
            ]
        done = subprocess.run(
            [side.python, "-m", "stampede", "bench", "--json", *words],
            cwd=side.tree,
            env=settings.inherited_environ() | {"PYTHONPATH": str(side.tree)},
            stdout=subprocess.PIPE,
            timeout=RUN_MAX_S,
            check=False,
        )
        try:
            return msgspec.json.decode(done.stdout, type=Document)
        except msgspec.DecodeError:
            raise StartError(
                f"The bench of {side.name} printed no figures (exit code {done.returncode})."
            ) from None

    return run


def measure_in_turns(found: Sequence[Side], rounds: int, measure: Measure, say: Say) -> list[Costs]:
    """Says so if others used the machine meanwhile. Raises StartError if a side's audit found something."""
    documents: dict[str, list[Document]] = {side.name: [] for side in found}
    for number in range(rounds):
        for side in found if number % 2 == 0 else list(reversed(found)):
            say(f"round {number + 1} of {rounds}: {side.name}")
            document = measure(side)
            if document.audit != "clean":
                raise StartError(f"The audit of {side.name} found {document.audit}.")
            for name, one in document.cases.items():
                if line := warning(name, one.others):
                    say(line)
            documents[side.name].append(document)
    names = [name for name in documents[found[0].name][0].cases if name != UNIT]
    return [
        Costs(
            case,
            side.name,
            [round(cost(one.cases[case], one.cases[UNIT]), 3) for one in documents[side.name]],
            [one.cases[case].per_second for one in documents[side.name]],
        )
        for case in names
        for side in found
        if all(case in one.cases for one in documents[side.name])
    ]


def bench_in_turns(
    against: str | None,
    variants: Sequence[str],
    *,
    rounds: int,
    options: Mapping[str, object],
    as_json: bool,
) -> None:
    """Measures and prints. `options`: of `stampede bench`, for every side. Raises StartError."""
    err = Console(stderr=True)
    only = str(options["only"] or "")
    asked = dict(options) | {"only": f"{only},{UNIT}" if only and UNIT not in only else only}
    words = [word for name, value in asked.items() if value for word in (f"--{name}", str(value))]

    def say(line: str) -> None:
        err.print(line, highlight=False, markup=False)

    with sides(ROOT, against, variants, say) as found:
        costs = measure_in_turns(found, rounds, by_program(words), say)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(costs)).decode())
    else:
        print_turns(costs, Console(width=None if sys.stdout.isatty() else 160))


def print_turns(costs: Sequence[Costs], console: Console) -> None:
    table = Table(box=SIMPLE, title=f"CPU of an answer ÷ {UNIT}'s in the same run")
    for name in ("case", "side", "median", "least–most", "÷ first side", "/s"):
        table.add_column(name, justify="left" if name in {"case", "side"} else "right")
    first: dict[str, float] = {}
    for one in costs:
        base = first.setdefault(one.case, one.median)
        table.add_row(
            one.case,
            one.side,
            f"{one.median:.2f}",
            f"{min(one.rounds):.2f}–{max(one.rounds):.2f}",
            f"{one.median / base:.2f}",
            f"{statistics.median(one.per_second):,.0f}",
        )
    console.print(table)
