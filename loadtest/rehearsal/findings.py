"""From answers, samples and rows to figures, objectives and the first limit."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from loadtest.answers import Answer, Crowd, percentile
from loadtest.plan import Plan
from loadtest.rehearsal.faults import Happened
from loadtest.rehearsal.watching import Sample, Watch

BUSY = 0.9  # of a core: a program that does one thing at a time is at its limit
MACHINE_BUSY = 0.97  # of all processors
GENERATOR_HEAVY = 0.25  # of all processors: then the crowd takes from the platform what it measures
SLOW_PROVIDER_MS = 1_000.0
ROWS_MAX = 30
SHED, LIMITED, SOLD_OUT = "overloaded", "rate-limited", "sold-out"
SERVED = frozenset({201, 409})  # an order that was decided


class Objective(msgspec.Struct, frozen=True):
    """One that has to be met. `kept` None: nothing was there to be measured."""

    name: str
    limit: str
    found: str
    kept: bool | None


class Limit(msgspec.Struct, frozen=True):
    """What was at its end, and how many seconds after the opening first."""

    name: str
    at_s: float
    found: str


class People(msgspec.Struct, frozen=True):
    """How it ended for everybody; the first seven add up to all. `limited` and `shed` were at least once;
    waits are from arriving to the answer to their order."""

    tickets: int
    processing: int
    reserved: int
    payment_failed: int
    sold_out: int
    refused: int
    never_told: int
    limited: int
    shed: int
    wait_p50_s: float
    wait_p99_s: float


class Row(msgspec.Struct, frozen=True):
    """Some seconds of the sale, from `from_s` on. `cores`: of each kind of program, and of the generator."""

    from_s: float
    answers: int
    orders: int
    paid: int
    sold_out: int
    limited: int
    shed: int
    p95_ms: float
    cores: dict[str, float]


class Stored(msgspec.Struct, frozen=True):
    """What the stores say. `audit`: broken invariants, with everything still there; `callbacks`: seconds."""

    seats: int
    orders: int
    paid: int
    sold: int
    held: int
    twice: int
    audit: list[str]
    callbacks: list[float]


class Findings(msgspec.Struct, frozen=True):
    objectives: list[Objective]
    limits: list[Limit]
    people: People
    rows: list[Row]
    step_s: float
    codes: dict[str, int]
    answers: int
    sold_out_s: float | None
    last_order_s: float | None
    generator_most: float  # share of a core, in its busiest second
    generator_of_machine: float  # share of all processors over the sale
    generator_limited: bool
    others_cores: (
        float  # what programs beside the platform and the generator used while seats were sold
    )

    @property
    def go(self) -> bool:
        return all(one.kept is not False for one in self.objectives)


def find(plan: Plan, crowd: Crowd, seen: Watch, stored: Stored) -> Findings:
    answers = sorted(crowd.answers, key=lambda one: one.at_s)
    orders = [one for one in answers if one.call == "order" and one.status == 201]
    all_taken = stored.sold + stored.held >= stored.seats
    last_order_s = orders[-1].at_s if orders else None
    most = max((share for _, share in crowd.busy), default=0.0)
    of_machine = _of_machine(crowd, seen)
    return Findings(
        objectives=list(_objectives(answers, stored)),
        limits=sorted(_limits(answers, crowd, seen), key=lambda one: one.at_s),
        people=_people(plan, answers),
        rows=list(_rows(answers, crowd, seen.samples)),
        step_s=_step_s(answers),
        codes=dict(
            Counter(
                f"{one.status or 'no answer'} {one.code}".strip()
                for one in answers
                if one.status >= 400 or one.status == 0
            ).most_common()
        ),
        answers=len(answers),
        sold_out_s=last_order_s if all_taken else None,
        last_order_s=last_order_s,
        generator_most=most,
        generator_of_machine=of_machine,
        generator_limited=most >= BUSY
        or (
            of_machine >= GENERATOR_HEAVY
            and any(one.machine >= MACHINE_BUSY for one in seen.samples)
        ),
        others_cores=_others(crowd, seen, until_s=last_order_s or 0.0),
    )


def _of_machine(crowd: Crowd, seen: Watch) -> float:
    shares = [share for _, share in crowd.busy]
    return sum(shares) / len(shares) / seen.processors if shares else 0.0


def _objectives(answers: Sequence[Answer], stored: Stored) -> Iterator[Objective]:
    """Those of docs/metrics.md, and what may never happen."""
    served = sorted(
        one.latency_ms for one in answers if one.call == "order" and one.status in SERVED
    )
    for percent, limit_ms in ((95, 200), (99, 500)):
        found = percentile(served, percent)
        yield Objective(
            f"orders, p{percent}", f"< {limit_ms} ms", f"{found:,.0f} ms",
            found < limit_ms if served else None,
        )  # fmt: skip
    failed = sum(map(_is_failure, answers))
    yield Objective(
        "answers that failed", "< 0.1%", f"{_share(failed, len(answers))} ({failed:,})",
        failed < len(answers) * 0.001 if answers else None,
    )  # fmt: skip
    late = percentile(sorted(stored.callbacks), 95)
    yield Objective(
        "callbacks, p95", "< 5 s",
        f"{late:.2f} s of {len(stored.callbacks):,}" if stored.callbacks else "none came",
        late < 5 if stored.callbacks else None,
    )  # fmt: skip
    asked = [
        one for one in answers if one.call == "order" and one.status != 429 and not _is_shed(one)
    ]
    decided = sum(not _is_failure(one) and one.status != 503 for one in asked)
    yield Objective(
        "holds decided", "≥ 99.9%", f"{_share(decided, len(asked))} of {len(asked):,}",
        decided >= len(asked) * 0.999 if asked else None,
    )  # fmt: skip
    told = sum(one.call == "order" and one.status == 201 for one in answers)
    paid = sum(one.call == "pay" and one.status == 200 for one in answers)
    taken = stored.sold + stored.held
    yield Objective(
        "nobody oversold", "0 seats twice, nothing lost",
        f"{stored.twice} twice; {taken:,} of {stored.seats:,} taken; {told:,} of {stored.orders:,} orders and"
        f" {paid:,} of {stored.paid:,} payments told",
        stored.twice == 0 and taken <= stored.seats and told <= stored.orders and paid <= stored.paid,
    )  # fmt: skip
    yield Objective("audit", "clean", "; ".join(stored.audit) or "clean", not stored.audit)


def _is_shed(one: Answer) -> bool:
    return one.status == 503 and one.code == SHED


def _is_failure(one: Answer) -> bool:
    """503 with a time to come back is a refusal, as in the flash sale."""
    return one.status == 0 or (one.status >= 500 and one.status != 503)


def _limits(answers: Sequence[Answer], crowd: Crowd, seen: Watch) -> Iterator[Limit]:
    busy = next(((at, share) for at, share in crowd.busy if share >= BUSY), None)
    if busy:
        yield Limit("load generator", busy[0], f"{busy[1]:.0%} of a core")
    for name, cores in (
        ("CPU of the web processes", seen.web),
        ("CPU of the worker", 1),
        ("CPU of PostgreSQL", seen.processors),
        ("CPU of Valkey", 1),
    ):
        kind = {"web": "web", "worker": "worker", "PostgreSQL": "postgres", "Valkey": "redis"}[
            next(word for word in ("web", "worker", "PostgreSQL", "Valkey") if word in name)
        ]
        full = next(
            (one for one in seen.samples if cores and one.cores.get(kind, 0) >= BUSY * cores), None
        )
        if full:
            yield Limit(name, full.at_s, f"{full.cores[kind]:.2f} of {cores} cores")
    full = next((one for one in seen.samples if one.machine >= MACHINE_BUSY), None)
    if full:
        yield Limit("processors of this machine", full.at_s, _who_was_busy(full, crowd, seen))
    pool = next((one for one in seen.samples if one.pool), None)
    if pool:
        yield Limit("database pool", pool.at_s, f"{pool.pool} callers waited")
    for name, of, found in (
        ("admission", _is_shed, "503, come again"),
        ("rate limits", lambda one: one.status == 429, "429"),
        ("payment provider", _is_slow_payment, f"a payment above {SLOW_PROVIDER_MS:.0f} ms"),
    ):  # fmt: skip
        first = next((one for one in answers if of(one)), None)
        if first:
            count = sum(of(one) for one in answers)
            yield Limit(name, max(0.0, first.at_s), f"{found}, {count:,} times")


def _others(crowd: Crowd, seen: Watch, *, until_s: float) -> float:
    """The mean of the seconds until then, and of the first one at least."""
    selling = [one for one in seen.samples if one.at_s <= until_s + 1] or seen.samples[:1]
    used = [_cores_with_others(one, crowd, seen)["others"] for one in selling]
    return sum(used) / len(used) if used else 0.0


def _cores_with_others(one: Sample, crowd: Crowd, seen: Watch) -> dict[str, float]:
    generator = min(crowd.busy, key=lambda busy: abs(busy[0] - one.at_s), default=(0.0, 0.0))[1]
    cores = one.cores | {"generator": generator}
    return cores | {"others": max(0.0, one.machine * seen.processors - sum(cores.values()))}


def _who_was_busy(full: Sample, crowd: Crowd, seen: Watch) -> str:
    """All processors, by who used them; others are programs that have nothing to do with the platform."""
    busy = full.machine * seen.processors
    cores = _cores_with_others(full, crowd, seen)
    most = sorted(cores, key=lambda kind: -cores[kind])[:3]
    used = ", ".join(f"{kind} {cores[kind]:.2f}" for kind in most)
    return f"{busy:.2f} of {seen.processors} cores ({used})"


def _is_slow_payment(one: Answer) -> bool:
    return one.call == "pay" and one.status == 200 and one.latency_ms > SLOW_PROVIDER_MS


def _people(plan: Plan, answers: Sequence[Answer]) -> People:
    by_person: defaultdict[int, list[Answer]] = defaultdict(list)
    for one in answers:
        by_person[one.buyer].append(one)
    ends: Counter[str] = Counter()
    waits = []
    limited = shed = 0
    for number, person in enumerate(plan.people):
        heard = by_person[number]
        limited += any(one.status == 429 for one in heard)
        shed += any(map(_is_shed, heard))
        ends[_end_of(heard)] += 1
        order = next((one for one in reversed(heard) if one.call == "order"), None)
        if order is not None:
            waits.append(max(0.0, order.at_s - person.arrives_s))
    waits.sort()
    return People(
        **{name: ends[name] for name in msgspec.structs.asdict(_NOBODY) if name in ENDS},
        limited=limited,
        shed=shed,
        wait_p50_s=percentile(waits, 50),
        wait_p99_s=percentile(waits, 99),
    )


ENDS = ("tickets", "processing", "reserved", "payment_failed", "sold_out", "refused", "never_told")
_NOBODY = People(0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0.0)


def _end_of(heard: Sequence[Answer]) -> str:
    last = heard[-1] if heard else None
    if last is None or last.status in {0, 429, 503}:
        return "never_told"
    if last.call == "pay":
        return {200: "tickets", 202: "processing"}.get(last.status, "payment_failed")
    if last.call == "order":
        if last.status == 201:
            return "reserved"
        return "sold_out" if last.code == SOLD_OUT else "refused"
    return "refused" if last.status >= 400 else "never_told"


def _step_s(answers: Sequence[Answer]) -> float:
    last_s = answers[-1].at_s if answers else 0.0
    return next(step for step in (1.0, 5.0, 30.0, 60.0) if last_s / step <= ROWS_MAX)


def _rows(answers: Sequence[Answer], crowd: Crowd, samples: Sequence[Sample]) -> Iterator[Row]:
    step_s = _step_s(answers)
    parts: defaultdict[int, list[Answer]] = defaultdict(list)
    for one in answers:
        parts[int(max(0.0, one.at_s) // step_s)].append(one)
    for number in range(max(parts, default=-1) + 1):
        some = parts[number]
        orders = [one for one in some if one.call == "order"]
        yield Row(
            from_s=number * step_s,
            answers=len(some),
            orders=sum(one.status == 201 for one in orders),
            paid=sum(one.call == "pay" and one.status == 200 for one in some),
            sold_out=sum(one.code == SOLD_OUT for one in orders),
            limited=sum(one.status == 429 for one in some),
            shed=sum(map(_is_shed, some)),
            p95_ms=percentile(sorted(one.latency_ms for one in orders if one.status in SERVED), 95),
            cores=_cores(number * step_s, step_s, crowd, samples),
        )


def _cores(
    from_s: float, step_s: float, crowd: Crowd, samples: Sequence[Sample]
) -> dict[str, float]:
    """The mean of the seconds that ended within the step."""
    inside = [one for one in samples if from_s < one.at_s <= from_s + step_s]
    busy = [share for at, share in crowd.busy if from_s < at <= from_s + step_s]
    found = {
        kind: sum(one.cores[kind] for one in inside) / len(inside)
        for kind in (inside[0].cores if inside else ())
    }
    return found | ({"generator": sum(busy) / len(busy)} if busy else {})


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "nothing"


__all__ = ["Findings", "Happened", "Stored", "find"]
