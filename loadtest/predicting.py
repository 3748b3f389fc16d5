"""How good the planner's simulation is: flash sales on this machine beside what it says of them.

    python -m loadtest.predicting --workers 1,2,4 --times 3

Everything shares this machine's cores: web processes, worker, PostgreSQL, Valkey, and locust, whose CPU is a
part of the simulation. What others took of the cores meanwhile is measured, and taken off. The costs are
those of `stampede plan --measure`.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

from loadtest.answers import percentile
from loadtest.bench.programs import programs
from loadtest.bench.programs.accounting import Used
from loadtest.bench.programs.programs import Stack
from loadtest.flash_sale import allow_many_files, opens_in_s, run_crowd, verify
from loadtest.plan import TICKETS_PER_BUYER_MAX, prepare
from planning import costs
from planning.demand import Sale
from planning.simulation.outcome import Capacity, Outcome
from planning.simulation.sale import simulate
from planning.work import LOCUST_US, Work

CORES_MIN = 0.2  # of this machine, if others take nearly all


class Course(msgspec.Struct, frozen=True):
    """What a sale is compared by. CPU seconds are since the opening."""

    sold_out_s: float
    last_answer_s: float
    answers: float
    refused_share: float
    p50_ms: float
    p99_ms: float
    web_cpu_s: float
    redis_cpu_s: float
    generator_cpu_s: float
    cores: float  # that were there for all of it


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Compares predicted flash sales with measured ones."
    )
    parser.add_argument("--workers", default="1,2,4", help="Web processes, separated by commas.")
    parser.add_argument("--times", type=int, default=3, help="Sales of each.")
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--seats", type=int, default=100)
    parser.add_argument("--costs", type=Path, default=Path(".stampede") / costs.NAME)
    given = parser.parse_args()
    allow_many_files()
    work = Work.of(costs.load(given.costs, version("stampede")), known=True)
    for workers in map(int, given.workers.split(",")):
        with programs.platform(workers) as stack:
            every = [
                asyncio.run(_measure(stack, given.people, given.seats)) for _ in range(given.times)
            ]
        measured = [one for one in every if one is not None]
        if not measured:
            raise SystemExit(f"Every sale of {workers} web processes went wrong.")
        cores = statistics.median(one.cores for one in measured)
        found = predict(work, workers, given.people, given.seats, cores)
        print("\n".join(table(workers, found, measured)), flush=True)


async def _measure(stack: Stack, people: int, seats: int) -> Course | None:
    """None, and why: a sale that went wrong is not compared."""
    assert stack.loaded.database_url is not None
    plan = await prepare(
        stack.base_url,
        stack.loaded.database_url,
        users=people,
        tickets=seats,
        opens_in_s=opens_in_s(people),
    )

    async def at_opening() -> tuple[Used, float]:
        await asyncio.sleep(max(0.0, plan.opens_at - time.time()))
        return stack.accounts.look(), _all_cpu_s()

    opening = asyncio.create_task(at_opening())
    crowd = await run_crowd(stack.loaded, plan, say=_nothing)
    (before, all_before_s), after, all_s = await opening, stack.accounts.look(), _all_cpu_s()
    took_s = time.time() - plan.opens_at
    wrong = await verify(stack.loaded, plan, crowd.answers)
    if wrong:
        print(f"A sale is left out: {wrong[0]}", flush=True)
        return None
    cpu_s = after.since(before)
    ours_s = sum(cpu_s.values()) + crowd.cpu_since_opening_s
    others = max(0.0, all_s - all_before_s - ours_s) / took_s
    answers = crowd.answers
    latencies = sorted(one.latency_ms for one in answers)
    return Course(
        sold_out_s=max(one.at_s for one in answers if one.call == "order" and one.status == 201),
        last_answer_s=max(one.at_s for one in answers),
        answers=len(answers),
        refused_share=sum(one.status in {429, 503} for one in answers) / len(answers),
        p50_ms=percentile(latencies, 50),
        p99_ms=percentile(latencies, 99),
        web_cpu_s=cpu_s["web"],
        redis_cpu_s=cpu_s["redis"],
        generator_cpu_s=crowd.cpu_since_opening_s,
        cores=max(CORES_MIN, (psutil.cpu_count() or 1) - others),
    )


def predict(work: Work, workers: int, people: int, seats: int, cores: float) -> Course:
    """The same sale, simulated: all at the opening, one or two seats, paid at once."""
    sale = Sale(
        people=people,
        seats=seats,
        minutes=2.0,
        seats_an_order=(1 + TICKETS_PER_BUYER_MAX) / 2,
        pay_share=1.0,
        pay_after_s=0.01,
        at_opening=1.0,
        rush_s=0.01,
        reads=0,
        login_share=0.0,
    )
    found = simulate(
        sale,
        work,
        Capacity(
            web=workers,
            gateways=workers,
            postgres=psutil.cpu_count() or 1,
            shards=1,
            shared_cores=cores,
            generator_us=LOCUST_US,
        ),
    )
    return _course(found, cores)


def _course(found: Outcome, cores: float) -> Course:
    spent = {name: part.cpu_s for name, part in found.parts.items()}
    return Course(
        sold_out_s=found.sold_out_s or 0.0,
        last_answer_s=found.last_answer_s,
        answers=sum(found.answers.values()),
        refused_share=found.share("503"),
        p50_ms=found.all_p50_ms,
        p99_ms=found.all_p99_ms,
        web_cpu_s=spent["web"],
        redis_cpu_s=spent["redis"],
        generator_cpu_s=spent["generator"],
        cores=cores,
    )


def table(workers: int, found: Course, measured: Sequence[Course]) -> Iterator[str]:
    """Markdown, for docs/planning.md: the median of the measured sales, least and most."""
    yield f"| {workers} web processes | predicted | measured (least–most) | error |"
    yield "|---|---|---|---|"
    for field in msgspec.structs.fields(Course):
        values = sorted(getattr(one, field.name) for one in measured)
        median, says = statistics.median(values), getattr(found, field.name)
        error = f"{(says - median) / median:+.0%}" if median else "–"
        spread = f"{_short(median)} ({_short(values[0])}–{_short(values[-1])})"
        yield f"| {field.name} | {_short(says)} | {spread} | {error} |"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _all_cpu_s() -> float:
    """What all processors have worked, for anybody."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + getattr(times, "steal", 0.0))


def _nothing(_: str) -> None:
    """Drops the crowd's progress lines."""


if __name__ == "__main__":
    main()
