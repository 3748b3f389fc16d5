"""A plan in words."""

from collections.abc import Iterator

import msgspec

from planning.plan import Figures, Plan
from planning.simulation.outcome import Outcome

KNOWN_FOR_DAYS = 30
SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def as_json(plan: Plan) -> str:
    return msgspec.json.format(msgspec.json.encode(plan)).decode()


def as_text(plan: Plan) -> Iterator[str]:
    """Line by line."""
    sale = plan.sale
    sessions = f" in {sale.sessions:,} sessions" if sale.sessions > 1 else ""
    yield (
        f"{sale.people:,} people, {sale.seats:,} seats{sessions}, {_number(sale.minutes)} minutes; "
        f"{sale.at_opening:.0%} come within {_number(sale.rush_s)} s of the opening"
    )
    yield figures_line(plan.figures)
    yield ""
    yield from _layout(plan)
    yield ""
    yield from _walls(plan)
    yield ""
    yield from _simulation(plan)


def figures_line(figures: Figures) -> str:
    day = f"{figures.measured_at:%Y-%m-%d}"
    machine = figures.machine
    where = (
        f"{machine.get('cores', '?')} cores of {machine.get('processor', 'an unknown processor')}"
    )
    if figures.path is None:
        return (
            f"Figures: another machine's ({where}, {day}), shipped with Stampede. "
            "Measure this one: stampede plan --measure"
        )
    old = f"{figures.age_days} days old"
    if figures.age_days > KNOWN_FOR_DAYS:
        old += ", measure again: stampede plan --measure"
    load = machine.get("load_before")
    busy = f", at a load of {load} when it began" if load is not None else ""
    return f"Figures: {figures.path}, measured {day} on this machine ({where}{busy}), {old}"


def _layout(plan: Plan) -> Iterator[str]:
    layout, sale = plan.layout, plan.sale
    each = f"{sale.cores} cores" if sale.cores > 1 else "one core"
    if layout.one_machine:
        yield f"Machines      1 with {each}: stampede up --workers {layout.processes.web}"
    else:
        parts = ", ".join(f"{count} for {name}" for name, count in layout.machines.items())
        yield f"Machines      {layout.machines_all} with {each}: {parts}"
    counts = msgspec.to_builtins(layout.processes)
    yield "Processes     " + ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    over = layout.connections > sale.max_connections
    by = ", ".join(f"{name} {count}" for name, count in layout.connections_by.items())
    yield (
        f"Connections   {layout.connections:,} of PostgreSQL's max_connections {sale.max_connections:,}"
        f"{' - TOO MANY' if over else ''} ({by})"
    )
    yield (
        f"Redis         {_count(layout.shards, 'shard')}, {_size(layout.redis_memory)} in all, "
        f"{layout.redis_cores:.1f} cores at the opening"
    )
    yield (
        f"PostgreSQL    {layout.postgres_cores:.1f} cores at the opening; log {_size(layout.wal)}, "
        f"{_size(layout.wal_per_s)}/s at most; tables and indexes {_size(layout.disk)}"
    )
    yield (
        f"Network       {_size(layout.network_per_s)}/s of answers, and {_size(layout.visits_per_s)}/s of "
        "pages' files to first visits (a cache in front can give those)"
    )
    yield (
        f"Memory        {_size(layout.web_memory)} for all processes; worker "
        f"{layout.worker_cores:.1f} cores"
    )
    yield (
        f"Waiting       up to {layout.waiting_max:,} people; to refuse more would take all processors of "
        "the gateway, and nobody would be served"
    )
    yield f"Mails         {layout.mails:,} at most, {layout.mails_s:,.0f} s of all workers together"


def _walls(plan: Plan) -> Iterator[str]:
    """The first in words, then all."""
    asked = plan.layout.rates.orders
    first = plan.walls[0]
    if first.reached:
        at = f"{first.at_per_s:,.0f} orders/s"
        yield f"First wall: {first.name}, at {at}; the opening asks for {_number(asked)}."
    else:
        yield (
            f"No wall: the opening asks for {_number(asked)} orders/s. "
            f"The first would be {first.name}, at {first.at_per_s:,.0f}."
        )
    yield f"  What passes it: {first.passed_by}."
    if first.grows:
        fixed = next(wall for wall in plan.walls if not wall.grows)
        yield f"First that machines do not pass: {fixed.name}, at {fixed.at_per_s:,.0f} orders/s."
        yield f"  What passes it: {fixed.passed_by}."
    for wall in plan.walls:
        mark = "hit" if wall.reached else "   "
        yield f"  {mark} {wall.at_per_s:>11,.0f}/s  {wall.name}  [{wall.source}]"


def _simulation(plan: Plan) -> Iterator[str]:
    one = plan.outcome
    yield f"Simulated (seed {plan.sale.seed}):"
    if one.sold_out_s is None:
        yield f"  seats           {one.sold:,} of {plan.sale.seats:,} sold; they never ran out"
    else:
        yield f"  all seats taken {_seconds(one.sold_out_s)} after the opening; {one.sold:,} paid"
    if one.back:
        yield f"  came back       {one.back:,} seats, unpaid after 15 minutes"
    late = " - LATER THAN ASKED" if one.last_answer_s > plan.sale.seconds * 1.01 + 1 else ""
    yield (
        f"  everybody knows {_seconds(one.last_answer_s)} after the opening{late} "
        f"(half by {_seconds(min(one.answered_p50_s, one.last_answer_s))})"
    )
    if one.unanswered:
        yield f"  NEVER ANSWERED  {one.unanswered:,} people: to refuse them takes all processors"
    yield (
        f"  answers         p50 {_ms(one.served_p50_ms)}, p99 {_ms(one.served_p99_ms)}; refused "
        f"p50 {_ms(one.refused_p50_ms)}, p99 {_ms(one.refused_p99_ms)}"
    )
    yield "  by status       " + _answers(one)
    if one.last_mail_s is not None:
        words = [f"{one.mails:,}"]
        if one.last_receipt_s is not None:
            words.append(f"the last receipt {_seconds(one.last_receipt_s)} after the opening")
        words.append(f"the last of all {_seconds(one.last_mail_s)}")
        words += [f"{one.mails_left:,} left"] if one.mails_left else []
        yield "  mails           " + ", ".join(words)
    for name, part in one.parts.items():
        yield f"  {name:<15} {part.utilisation:>4.0%} busy until then, {part.queue_max:,} in it at most"


def _answers(one: Outcome) -> str:
    return ", ".join(f"{one.share(status):.1%} {status}" for status in one.answers)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("s" if count != 1 else "")


def _size(size: float) -> str:
    for unit, name in SIZES:
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size:,.0f} B"


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _seconds(value: float) -> str:
    if value < 60:
        return f"{value:.1f} s"
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes}:{seconds:02} min"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"
