"""How each event was felt: the seconds without a sale, for whom, and what failed."""

import itertools
from collections import Counter
from collections.abc import Sequence

import msgspec

from loadtest.failover.record import Record

NOTICED_S = 1.0  # a session without a sale for so long is named, if that is twice the usual


class Happened(msgspec.Struct):
    """An event and its window, which ends where the next one begins. Times are time.monotonic()."""

    name: str
    began: float
    ended: float = 0.0
    said: str = ""


def gaps(times: Sequence[float], began: float, ended: float) -> float:
    """The longest part of the window without one of these times, which are in order."""
    inside = [one for one in times if began < one < ended]
    edges = [began, *inside, ended]
    return max(after - before for before, after in itertools.pairwise(edges))


def rows(record: Record, events: Sequence[Happened], sessions: Sequence[int]) -> list[list[str]]:
    """A row an event: its name, sales, who waited, what failed, and what was said. Nothing happens in the
    first one."""
    sales = {
        number: [one.at for one in record.sales if one.session == number] for number in sessions
    }
    usual = max(gaps(times, events[0].began, events[0].ended) for times in sales.values())
    noticed = max(NOTICED_S, 2 * usual)
    return [[one.name, *_felt(record, one, sales, noticed), one.said] for one in events]


def _felt(
    record: Record, event: Happened, sales: dict[int, list[float]], noticed: float
) -> list[str]:
    began, ended = event.began, event.ended
    longest = {number: gaps(times, began, ended) for number, times in sales.items()}
    long = {number: gap for number, gap in longest.items() if gap >= noticed}
    others = [gap for number, gap in longest.items() if number not in long]
    named = ", ".join(f"#{number} {gap:.1f}" for number, gap in sorted(long.items()))
    rest = f"{'others' if long else 'all'} ≤ {max(others):.1f}" if others else ""
    failed = Counter(one.code for one in record.failures if began <= one.at < ended)
    codes = ", ".join(f"{count} × {code}" for code, count in failed.most_common())
    sold = sum(began <= at < ended for times in sales.values() for at in times)
    return [
        f"{ended - began:.0f}",
        f"{sold:,}",
        "; ".join(part for part in (named, rest) if part),
        codes or "none",
    ]


HEADINGS = ["event", "s", "sales", "longest without a sale, s", "failed requests", "it said"]


def as_markdown(found: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (HEADINGS, ["---"] * len(HEADINGS), *found)]
