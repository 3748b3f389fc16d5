"""`stampede bench --budget`: what each stage of an order costs, beside its budget in docs/order-way.md."""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from loadtest.bench import noise
from loadtest.bench.budget import page, samples
from loadtest.bench.budget.stages import by_stage
from loadtest.bench.cases.plain import CASES
from loadtest.bench.generators.driver import drive
from loadtest.bench.generators.traffic import Traffic
from loadtest.bench.measuring import SETTLE_S, WARM_UP_MAX_S, drained, figures, quiet, warm_up
from loadtest.bench.programs import programs
from loadtest.bench.programs.programs import ROOT, Stack
from loadtest.bench.unit import Unit, standing

ORDER = CASES["create_order"]
Say = Callable[[str], None]


class Budget(msgspec.Struct, frozen=True):
    """costs: by stage and round, in units of an empty answer, which took `unit_us` beside each round.
    budgets: of docs/order-way.md. exceeded: stages that cost more than that. wrong: unexpected answers."""

    costs: dict[str, list[float]]
    unit_us: list[float]
    budgets: dict[str, float]
    exceeded: list[str]
    wrong: dict[str, int]

    @property
    def passed(self) -> bool:
        return not self.exceeded and not self.wrong

    def as_markdown(self) -> str:
        return page.as_markdown(self.costs, self.budgets, statistics.median(self.unit_us))


def measure_budget(
    *, rounds: int, seconds: float, connections: int, workers: int, say: Say
) -> Budget:
    """Measures orders and empty answers in turns, both programs running all along. Raises StackError,
    GeneratorError, or LookupError if the page has no budgets."""
    budgets = page.budgets(page.PAGE.read_text(encoding="utf-8"))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stampede-bench-")))
        samples.install(folder)
        unit = stack.enter_context(standing(workers, connections))
        path = {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
        platform = stack.enter_context(programs.platform(workers, changed=path))
        turns = _Turns(folder, unit, platform, seconds, connections, say)
        return asyncio.run(turns.run(rounds, budgets))


class _Turns:
    """Rounds of orders between windows of empty answers."""

    def __init__(  # noqa: PLR0917
        self, folder: Path, unit: Unit, platform: Stack, seconds: float, connections: int, say: Say
    ) -> None:
        self._folder = folder
        self._unit = unit
        self._platform = platform
        self._seconds = seconds
        self._connections = connections
        self._say = say
        self._wrong: dict[str, int] = {}

    async def run(self, rounds: int, budgets: dict[str, float]) -> Budget:
        room_s = WARM_UP_MAX_S + rounds * self._seconds
        traffic = await ORDER.prepare(self._platform, room_s)
        await warm_up(traffic, self._connections)
        costs: dict[str, list[float]] = {}
        units: list[float] = []
        before_us = await self._unit.look()
        for number in range(rounds):
            spent_us = await self._orders(traffic)
            after_us = await self._unit.look()
            units.append((before_us + after_us) / 2)
            before_us = after_us
            for stage, us in spent_us.items():
                costs.setdefault(stage, []).append(us / units[-1])
            cost = sum(spent_us.values()) / units[-1]
            self._say(f"round {number + 1} of {rounds}: an order costs {cost:.2f} empty answers")
        exceeded = page.exceeded(costs, budgets)
        return Budget(costs, units, budgets, exceeded, self._wrong)

    async def _orders(self, traffic: Traffic) -> dict[str, float]:
        """µs an order by stage, in one window."""
        await asyncio.sleep(SETTLE_S)
        accounts = self._platform.accounts
        machine, since_s, before = noise.look(), time.monotonic(), accounts.look()
        run = await drive(traffic, seconds=self._seconds, connections=self._connections)
        until_s, after = time.monotonic(), accounts.look()
        cpu_s = after.since(before) | {"generator": run.cpu_s}
        others = noise.look().others_since(machine, sum(cpu_s.values()))
        if line := noise.warning("this round", others):
            self._say(line)
        await drained(self._platform)
        await quiet(self._platform)
        found = figures(ORDER, run, cpu_s=cpu_s, rss_mb=0.0, connections=self._connections)
        for what, count in found.wrong.items():
            self._wrong[what] = self._wrong.get(what, 0) + count
        taken = samples.read(self._folder, ROOT, since_s=since_s, until_s=until_s)
        return by_stage(found.cpu_us, taken, round(found.per_second * found.seconds))
