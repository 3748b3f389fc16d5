"""The report: one document for JSON, the terminal and the page."""

from collections.abc import Iterator
from uuid import UUID

import msgspec

from loadtest.rehearsal.faults import Happened
from loadtest.rehearsal.findings import ENDS, Findings, Row

KINDS = ("generator", "web", "worker", "postgres", "redis")
WORDS = {
    "tickets": "have tickets",
    "processing": "wait for the payment's confirmation",
    "reserved": "left without paying",
    "payment_failed": "could not pay",
    "sold_out": "were told sold out",
    "refused": "were refused otherwise",
    "never_told": "were never told",
}


class Setting(msgspec.Struct, frozen=True):
    """What was rehearsed, how, and on what."""

    session_id: UUID
    title: str
    venue: str
    seats: int
    people: int
    curve: str
    seconds: float
    abandon: float
    late: float
    faults: list[str]
    gateway: str
    web: int
    processors: int
    load_before: float
    began: str
    command: str


class Report(msgspec.Struct, frozen=True):
    """`predicted_s`: what the planner says of the same sale, None if it does not sell out. `left_over`: what
    was found after the cleaning, by a look and by the audit."""

    setting: Setting
    findings: Findings
    happened: list[Happened]
    predicted_s: float | None
    predicted_by: str
    left_over: list[str]
    exit_code: int
    go: bool


def as_json(report: Report) -> bytes:
    return msgspec.json.format(msgspec.json.encode(report), indent=1)


def as_text(report: Report) -> Iterator[str]:
    setting, found = report.setting, report.findings
    yield ""
    yield verdict(report)
    yield (
        f"{setting.title}, {setting.venue}: {setting.people:,} people ({setting.curve}),"
        f" {setting.seats:,} seats, {setting.web or 'unknown'} web processes at {setting.gateway}"
    )
    yield ""
    for one in found.objectives:
        yield f"  {mark(one.kept):<4} {one.name:<20} {one.limit:<28} {one.found}"
    yield ""
    yield from sold_lines(report)
    yield ""
    yield first_limit(found)
    for limit in found.limits[1:]:
        yield f"  then {limit.name} at {limit.at_s:.1f} s: {limit.found}"
    yield generator_line(found)
    for happened in report.happened:
        yield f"Fault {happened.fault} at {happened.at_s:.1f} s: {happened.said}"
    yield ""
    yield from (f"  {line}" for line in people_lines(report))
    for code, count in found.codes.items():
        yield f"  {count:>9,} × {code}"
    yield ""
    yield from _table(found)
    for left in report.left_over:
        yield f"LEFT OVER: {left}"


def verdict(report: Report) -> str:
    if report.left_over:
        return "NO-GO: not everything could be removed"
    missed = [one.name for one in report.findings.objectives if one.kept is False]
    return f"NO-GO: {', '.join(missed)}" if missed else "GO: every objective was met"


def mark(kept: bool | None) -> str:
    return {True: "ok", False: "MISS", None: "–"}[kept]


def sold_lines(report: Report) -> list[str]:
    sold, predicted = report.findings.sold_out_s, report.predicted_s
    return [
        "Sold out    " + (f"{sold:.1f} s after the opening" if sold is not None else "never"),
        "Predicted   "
        + (f"{predicted:.1f} s" if predicted is not None else "not within the time")
        + f" ({report.predicted_by})",
    ]


def first_limit(found: Findings) -> str:
    if not found.limits:
        return "First limit: none was met"
    one = found.limits[0]
    return f"First limit: {one.name} at {one.at_s:.1f} s: {one.found}"


def generator_line(found: Findings) -> str:
    share = (
        f"Load generator: {found.generator_most:.0%} of a core in its busiest second,"
        f" {found.generator_of_machine:.0%} of this machine in the mean"
    )
    if found.generator_limited:
        return f"{share}. IT WAS ITSELF THE LIMIT: times are upper bounds, and rates lower ones."
    return f"{share}. It was not the limit."


def people_lines(report: Report) -> list[str]:
    people = report.findings.people
    counts = msgspec.structs.asdict(people)
    lines = [
        f"{counts[name] / report.setting.people:>7.1%} {WORDS[name]}"
        for name in ENDS
        if counts[name]
    ]
    lines += [
        f"{people.limited / report.setting.people:>7.1%} were limited (429) at least once",
        f"{people.shed / report.setting.people:>7.1%} were asked to come again (503) at least once",
        f"waited {people.wait_p50_s:.2f} s in the middle, {people.wait_p99_s:.2f} s at p99",
    ]
    return lines


def _table(found: Findings) -> Iterator[str]:
    head = ("from", "answers", "orders", "paid", "soldout", "429", "503", "p95 ms", *KINDS)
    yield "  " + " ".join(f"{name:>9}" for name in head)
    for row in found.rows:
        yield "  " + " ".join(f"{cell:>9}" for cell in cells(row))


def cells(row: Row) -> list[str]:
    """A row of the table, as words."""
    counts = (row.answers, row.orders, row.paid, row.sold_out, row.limited, row.shed)
    cores = (f"{row.cores[kind]:.2f}" if kind in row.cores else "–" for kind in KINDS)
    return [f"{row.from_s:.0f} s", *(f"{one:,}" for one in counts), f"{row.p95_ms:,.0f}", *cores]
