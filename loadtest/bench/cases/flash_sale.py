"""The flash sale of `stampede loadtest` as a case: ten thousand people, a hundred seats."""

import msgspec

from loadtest.answers import Crowd, percentile
from loadtest.bench.case import Case
from loadtest.bench.figures import Figures
from loadtest.bench.generators.traffic import Latency, Traffic
from loadtest.bench.measuring import drained, quiet
from loadtest.bench.programs.programs import Stack
from loadtest.flash_sale import opens_in_s, run_crowd, verify
from loadtest.plan import Plan, prepare

PEOPLE = 10_000
SEATS = 100
WRONG_SHOWN_MAX = 5


async def no_traffic(stack: Stack, _: float) -> Traffic:
    """None: the crowd comes from locust, which makes its own traffic."""
    return Traffic(base_url=stack.base_url, calls=[])


async def flash_sale(case: Case, stack: Stack, _: float, __: int) -> Figures:
    """Runs and verifies one sale. It lasts until every buyer has had a final answer."""
    assert stack.loaded.database_url is not None
    plan = await prepare(
        stack.base_url,
        stack.loaded.database_url,
        users=PEOPLE,
        tickets=SEATS,
        opens_in_s=opens_in_s(PEOPLE),
    )
    before = stack.accounts.look()
    crowd = await run_crowd(stack.loaded, plan, say=_nothing)
    after = stack.accounts.look()
    wrong = await verify(stack.loaded, plan, crowd.answers)
    await drained(stack)
    await quiet(stack)
    rss = after.rss_bytes["web"] + after.rss_bytes["worker"]
    cpu_s = after.since(before) | {"generator": crowd.cpu_s}
    found = _figures(case, plan, crowd, cpu_s)
    shown = dict.fromkeys(wrong[:WRONG_SHOWN_MAX], 1)
    return msgspec.structs.replace(found, rss_mb=round(rss / 1e6, 1), wrong=shown)


def _figures(case: Case, plan: Plan, crowd: Crowd, cpu_s: dict[str, float]) -> Figures:
    """`per_second` counts all answers between the opening and the last one. CPU includes the time in
    which the ten thousand connect."""
    answers = crowd.answers
    orders = [one for one in answers if one.call == "order"]
    sold = sorted(one.at_s for one in orders if one.status == 201)
    last_s = max(one.at_s for one in answers)
    by_call = {
        call: _latency([one.latency_ms for one in answers if one.call == call])
        for call in sorted({one.call for one in answers})
    }
    overall = _latency([one.latency_ms for one in answers])
    statuses = [str(one.status) for one in answers]
    return Figures(
        counts=case.counts,
        per_second=round(len(answers) / last_s, 1),
        p50_ms=overall.p50,
        p95_ms=overall.p95,
        p99_ms=overall.p99,
        max_ms=overall.max,
        by_status={status: statuses.count(status) for status in sorted(set(statuses))},
        cpu_us={kind: round(spent / len(answers) * 1e6, 1) for kind, spent in cpu_s.items()},
        rss_mb=0.0,
        connections=len(plan.tokens),
        seconds=round(last_s, 2),
        errors=sum(one.status == 0 for one in answers),
        by_call=by_call,
        extra={
            "people": len(plan.tokens),
            "seats": plan.tickets,
            "orders": len(sold),
            "first_order_s": round(sold[0], 2) if sold else None,
            "sold_out_s": round(sold[-1], 2) if sold else None,
            "last_answer_s": round(last_s, 2),
            "generator_cpu_s": round(crowd.cpu_s, 1),
            "generator_cpu_since_opening_s": round(crowd.cpu_since_opening_s, 1),
        },
    )


def _latency(latencies: list[float]) -> Latency:
    ordered = sorted(latencies)
    p50, p95, p99 = (round(percentile(ordered, percent), 1) for percent in (50, 95, 99))
    return Latency(p50, p95, p99, round(ordered[-1], 1))


def _nothing(_: str) -> None:
    """Drops the crowd's progress lines."""


FLASH_SALE = Case(
    "flash_sale",
    "platform",
    no_traffic,
    "answers to 10,000 people who want 100 seats: 201, 200, 409 sold-out, 503 come back later",
    measure=flash_sale,
)
