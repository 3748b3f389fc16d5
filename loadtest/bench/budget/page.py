"""The table of budgets in docs/order-way.md, and what exceeds it."""

import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

PAGE = Path(__file__).resolve().parents[3] / "docs" / "order-way.md"
HEADING = "\n## The budget\n"
HEAD = "| stage | budget | cost (least–most) | µs |\n|---|---|---|---|"
ROW = re.compile(r"^\| ([^|`*]+?) \| ([\d.]+) \|.*\|$", re.MULTILINE)
TOLERANCE = 0.25  # a stage may cost so much more than its budget,
TOLERANCE_LEAST = 0.05  # and at least so many units more: what samples of a short window may be off


def budgets(page: str) -> dict[str, float]:
    """By stage, in units of an empty answer. Raises LookupError if the page has no table of them."""
    _, found, section = page.partition(HEADING)
    rows = {name: float(budget) for name, budget in ROW.findall(section.split("\n## ")[0])}
    if not found or not rows:
        raise LookupError(f"{PAGE.name} has no table of budgets.")
    return rows


def exceeded(costs: Mapping[str, Sequence[float]], allowed: Mapping[str, float]) -> list[str]:
    """Stages that cost more than their budget and the tolerance, by the median of the rounds."""
    return [
        name
        for name, rounds in costs.items()
        if statistics.median(rounds)
        > max(allowed[name] * (1 + TOLERANCE), allowed[name] + TOLERANCE_LEAST)
    ]


def as_markdown(
    costs: Mapping[str, Sequence[float]], allowed: Mapping[str, float], unit_us: float
) -> str:
    """The page's table with what was measured: stages in their order, then the sum.

    costs: by stage and round, in units of an empty answer, which took `unit_us` in the median.
    """
    lines = [HEAD]
    for name, rounds in costs.items():
        lines.append(f"| {name} | {allowed[name]:.2f} | {_measured(rounds, unit_us)} |")
    sums = [sum(rounds) for rounds in zip(*costs.values(), strict=True)]
    lines.append(f"| **all** | **{sum(allowed.values()):.2f}** | {_measured(sums, unit_us)} |")
    return "\n".join(lines)


def _measured(rounds: Sequence[float], unit_us: float) -> str:
    median = statistics.median(rounds)
    return f"{median:.2f} ({min(rounds):.2f}–{max(rounds):.2f}) | {median * unit_us:,.0f}"
