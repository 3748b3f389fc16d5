"""`stampede plan`: the machines, walls and course of a sale that is to come."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import rich_click as click

from stampede.cli.base import Command, data_dir_option, load, refuse, say, stampede

MEASURE_S = 3.0  # a case, where nobody says more: `stampede bench --save --seconds` does


def _option(
    names: str, kind: type[float], default: float, words: str
) -> Callable[[Command], Command]:
    """`names`: the option, and its parameter's name where that has a unit."""
    return click.option(*names.split(), type=kind, default=default, show_default=True, help=words)


@stampede.command()
@click.option("--people", type=int, help="People who come for seats.")
@click.option("--seats", type=int, help="Seats of all sessions together.")
@_option("--minutes", float, 10.0, "Time until everybody shall know whether they have seats.")
@_option("--sessions", int, 1, "Sessions that open together.")
@_option("--seats-an-order", float, 2.0, "Seats of an order, in the mean.")
@_option("--pay-share", float, 0.9, "Share of orders that are paid.")
@_option("--pay-after pay_after_s", float, 60.0, "Seconds until they pay, in the mean.")
@_option(
    "--at-opening", float, 0.5, "Share of people who come at the opening; the others come evenly."
)
@_option("--rush rush_s", float, 10.0, "Seconds in which those of the opening come.")
@_option("--reads", int, 3, "Requests of a person who looks around first.")
@_option("--look-minutes", float, 10.0, "Time before the opening in which they look around.")
@_option(
    "--login-share", float, 0.1, "Share of people who log in; the others did on an earlier day."
)
@_option("--robots", int, 0, "Clients that ask twenty times a second, whatever they are told.")
@_option(
    "--sell-within sell_within_s", float, 10.0, "Seconds in which machines could sell all seats."
)
@_option("--headroom", float, 0.3, "Share of the processors that stays free.")
@_option("--cores", int, 16, "Processors of a machine.")
@_option("--max-connections", int, 500, "PostgreSQL's max_connections.")
@_option("--old-orders", int, 10_000_000, "Orders of earlier sales in the database.")
@_option("--seed", int, 1, "Seed of the simulation.")
@click.option(
    "--costs", "costs_path", type=click.Path(path_type=Path), help="File of costs to use."
)
@click.option(
    "--measure", is_flag=True, help="Measure this machine first (minutes), and save the costs."
)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@data_dir_option
def plan(
    people: int | None,
    seats: int | None,
    costs_path: Path | None,
    data_dir: Path | None,
    *,
    measure: bool,
    as_json: bool,
    **habits: Any,
) -> None:
    """Says which machines a sale needs, what it runs into first, and how it goes.

    The costs are those that `stampede bench --save` or --measure wrote; without them another machine's.
    """
    from planning.costs import NAME, CostsError, shipped
    from planning.costs import load as load_costs
    from planning.demand import PlanError, Sale
    from planning.plan import make_plan
    from planning.report import as_json as plan_as_json
    from planning.report import as_text

    loaded = load(data_dir=data_dir)
    path = costs_path or loaded.data_dir / NAME
    if people is None and seats is None and measure:
        _measure(path)
        return
    if people is None or seats is None:
        raise refuse("Say --people and --seats.")
    sale = Sale(people=people, seats=seats, **habits)
    try:
        sale.check()
        if measure:
            _measure(path)
        found = path if costs_path or path.exists() else None
        costs = load_costs(path, version("stampede")) if found else shipped()
        made = make_plan(sale, costs, path=found, now=datetime.now(UTC), settings=loaded)
    except (CostsError, PlanError) as wrong:
        raise refuse(str(wrong)) from None
    if as_json:
        say(plan_as_json(made))
        return
    for line in as_text(made):
        say(line)


def _measure(path: Path) -> None:
    from loadtest.bench.command import measure_costs
    from planning.costs import CostsError

    try:
        measure_costs(path, seconds=MEASURE_S)
    except CostsError as wrong:
        raise refuse(str(wrong)) from None
