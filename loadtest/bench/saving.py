"""Writes the costs that a run found, for `stampede plan`."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from loadtest.bench.figures import Figures
from loadtest.bench.report import Report
from planning import costs
from planning.costs import NEEDED, CaseCost, CostsError


def check(only: Sequence[str]) -> None:
    """Before anything is measured. Raises CostsError if these cases are too few for a plan."""
    missing = [name for name in NEEDED if only and name not in only]
    if missing:
        raise CostsError(f"--save needs the cases {', '.join(missing)} too.")


def save(path: Path, report: Report) -> None:
    """Raises CostsError for a run with a wrong answer: its costs are not those of a sale."""
    if not report.passed:
        raise CostsError(
            "The costs are not saved: a response was wrong, or the audit found something."
        )
    cases = {name: _cost(one) for name, one in report.cases.items() if name in NEEDED}
    costs.save(path, cases, version=version("stampede"), machine=report.machine)


def _cost(one: Figures) -> CaseCost:
    return CaseCost(
        cpu_us=one.cpu_us,
        per_second=one.per_second,
        by_status=one.by_status,
        rss_mb=one.rss_mb,
        volumes=one.volumes,
    )
