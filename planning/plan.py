"""The whole answer: layout, walls and simulation of a sale, from these costs."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from chassis.settings import Settings
from planning.costs import Costs
from planning.demand import Sale
from planning.simulation.outcome import Capacity, Outcome
from planning.simulation.sale import simulate
from planning.sizing import Layout, layout_of
from planning.walls import Wall, walls_of
from planning.work import Work


class Figures(msgspec.Struct, frozen=True):
    """Which costs were used. `path` None: those in the package, another machine's."""

    path: str | None
    version: str
    measured_at: datetime
    age_days: int
    machine: dict[str, str | int | float]


class Plan(msgspec.Struct, frozen=True):
    sale: Sale
    figures: Figures
    layout: Layout
    walls: Sequence[Wall]
    capacity: Capacity
    outcome: Outcome


def make_plan(
    sale: Sale,
    costs: Costs,
    *,
    path: Path | None,
    now: datetime,
    settings: Settings | None = None,
) -> Plan:
    """With an operator's own places, pools and holds. Raises PlanError if the question has no answer."""
    work = Work.of(costs)
    layout = layout_of(sale, work, settings)
    capacity = layout.capacity(sale)
    age_days = max(0, (now - costs.measured_at).days)
    return Plan(
        sale,
        Figures(
            str(path) if path else None, costs.version, costs.measured_at, age_days, costs.machine
        ),
        layout,
        walls_of(sale, work, layout, settings),
        capacity,
        simulate(sale, work, capacity, settings),
    )
