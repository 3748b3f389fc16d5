"""The unit of all costs: what an answer of the empty server takes, measured before and after each case.

The machine's speed changes from minute to minute. So the empty server runs beside the others all along, where
it costs nothing while it is asked nothing, and is measured between them.
"""

import asyncio
import contextlib
from collections.abc import Iterator

from loadtest.bench.case import Case
from loadtest.bench.cases.plain import CASES
from loadtest.bench.generators.traffic import Traffic
from loadtest.bench.measuring import warm_up, window
from loadtest.bench.programs import programs
from loadtest.bench.programs.programs import Stack
from loadtest.bench.report import UNIT

WINDOW_S = 2.0


class Unit:
    """`await look()`: µs of CPU an answer, everything counted, in a short window of its own.
    `last_us`: what it said last, after one case and so before the next; 0 before the first of a program."""

    def __init__(self, stack: Stack, traffic: Traffic, connections: int) -> None:
        self.stack = stack
        self._traffic = traffic
        self._connections = connections
        self._case: Case = CASES[UNIT]
        self.last_us = 0.0

    async def look(self) -> float:
        found = await window(
            self._case,
            self.stack,
            self._traffic,
            seconds=WINDOW_S,
            connections=self._connections,
            settle=False,
        )
        self.last_us = sum(found.cpu_us.values())
        return self.last_us


@contextlib.contextmanager
def standing(workers: int, connections: int) -> Iterator[Unit]:
    """Starts the empty server and warms it up. Raises StackError or GeneratorError."""
    with programs.comparator(UNIT, workers) as stack:
        traffic = asyncio.run(_warmed_up(stack, connections))
        yield Unit(stack, traffic, connections)


async def _warmed_up(stack: Stack, connections: int) -> Traffic:
    traffic = await CASES[UNIT].prepare(stack, WINDOW_S)
    await warm_up(traffic, connections)
    return traffic
