"""What the planner says of the same sale, on the same machine, for comparison (docs/planning.md)."""

from importlib.metadata import version

import psutil

from chassis.settings import Settings
from loadtest.rehearsal.asking import Asked, Curve
from loadtest.rehearsal.people import PARTIES
from planning import costs
from planning.costs import CostsError
from planning.demand import Sale
from planning.simulation.outcome import Capacity
from planning.simulation.sale import simulate
from planning.work import LOCUST_US, Work

CORES_MIN = 0.2  # as in loadtest.predicting
PAY_AFTER_S = 3.0  # in the mean: at once 1.1 s, late 12.5 s


def predicted(
    loaded: Settings, asked: Asked, curve: Curve, *, seats: int, web: int, others: float
) -> tuple[float | None, str]:
    """Seconds to sell out, None if it does not, and by which costs. The planner's people come evenly, so they
    come within a time that has the curve's mean. `others`: cores that other programs took meanwhile."""
    path = loaded.data_dir / costs.NAME
    try:
        known = costs.load(path, version("stampede")) if path.exists() else costs.shipped()
    except CostsError as wrong:
        return None, f"no prediction: {wrong}"
    mean_party = sum(size * share for size, share in PARTIES.items())
    sale = Sale(
        people=asked.people,
        seats=seats,
        minutes=asked.seconds / 60,
        seats_an_order=mean_party,
        pay_share=1 - asked.abandon,
        pay_after_s=PAY_AFTER_S,
        at_opening=1.0,
        rush_s=max(0.01, 2 * curve.mean_s),
        reads=0,
        login_share=0.0,
    )
    processors = psutil.cpu_count() or 1
    cores = max(CORES_MIN, processors - others)
    found = simulate(
        sale,
        Work.of(known, known=path.exists()),
        Capacity(
            web=max(1, web),
            gateways=max(1, web),
            postgres=processors,
            shards=1,
            shared_cores=cores,
            generator_us=LOCUST_US,
        ),
        loaded,
    )
    whose = "this machine's costs" if path.exists() else "another machine's costs: measure this one"
    left = f"the {cores:.1f} of {processors} cores that other programs left"
    return found.sold_out_s, f"planner, for {left}, {whose}"
