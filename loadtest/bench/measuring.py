"""Measures one case: warm-up, window, both sides' figures, and the result per answer."""

import asyncio
import time
from pathlib import Path

import msgspec

import chassis
from chassis.postgres.pool import connection, load_queries, open_pool
from loadtest.bench import noise
from loadtest.bench.case import Case
from loadtest.bench.figures import Figures, Outbox
from loadtest.bench.generators.driver import OVERALL, Run, drive
from loadtest.bench.generators.traffic import Heard, Traffic
from loadtest.bench.programs import volumes
from loadtest.bench.programs.programs import Stack

WARM_UP_S = 2.0
WARM_UP_MAX_S = 8.0
KNOWN_AFTER = 4  # answers per buyer, after which (almost) every process knows every token
SETTLE_S = 0.5  # for requests of the warm-up that are still under way
DRAIN_MAX_S = 90.0
DRAIN_POLL_S = 0.25
QUIET_MAX_S = 45.0
QUIET = 0.05  # of a core: an idle worker that only polls
OUTBOX = Path(chassis.__file__).parent / "events" / "sql" / "outbox.sql"


async def measure(case: Case, stack: Stack, *, seconds: float, connections: int) -> Figures:
    """Prepares, warms up and measures one case."""
    if case.measure is not None:
        return await case.measure(case, stack, seconds, connections)
    traffic = await case.prepare(stack, seconds + WARM_UP_MAX_S)
    await warm_up(traffic, connections)
    await asyncio.sleep(SETTLE_S)
    return await window(case, stack, traffic, seconds=seconds, connections=connections)


async def warm_up(traffic: Traffic, connections: int) -> None:
    """Warms caches as in the middle of a sale, for at most WARM_UP_MAX_S."""
    passed_s, first = 0.0, traffic.first
    while passed_s < WARM_UP_MAX_S:
        await drive(traffic, seconds=WARM_UP_S, connections=connections)
        passed_s += WARM_UP_S
        if traffic.first - first >= KNOWN_AFTER * len(traffic.tokens):
            return


async def window(
    case: Case,
    stack: Stack,
    traffic: Traffic,
    *,
    seconds: float,
    connections: int,
    settle: bool = True,
) -> Figures:
    """Measures warmed-up traffic. settle: also waits until the worker is idle."""
    empty = await volumes.look(stack.loaded) if case.writes else None
    machine, before = noise.look(), stack.accounts.look()
    run = await drive(traffic, seconds=seconds, connections=connections)
    after = stack.accounts.look()
    cpu_s = after.since(before) | {"generator": run.cpu_s}
    others = noise.look().others_since(machine, sum(cpu_s.values()))
    outbox = await drained(stack) if case.writes else None
    written = (await volumes.look(stack.loaded)).since(empty) if empty is not None else {}
    if settle:
        await quiet(stack)
    web = after.rss_bytes["web"] + after.rss_bytes["worker"]
    found = figures(
        case, run, cpu_s=cpu_s, rss_mb=web / 1e6, connections=connections, outbox=outbox
    )
    counted = max(1.0, found.per_second * found.seconds)
    each = {kind: round(size / counted) for kind, size in written.items()}
    return msgspec.structs.replace(found, volumes=each, others=round(others, 3))


def figures(
    case: Case,
    run: Run,
    *,
    cpu_s: dict[str, float],
    rss_mb: float,
    connections: int,
    outbox: Outbox | None = None,
) -> Figures:
    heard = run.heard
    overall = heard.latency[OVERALL]
    by_status: dict[str, int] = {}
    for statuses in heard.by_call.values():
        for status, count in statuses.items():
            by_status[status] = by_status.get(status, 0) + count
    counted = _counted(case, heard)
    return Figures(
        counts=case.counts,
        per_second=round(counted / heard.seconds, 1),
        p50_ms=overall.p50,
        p95_ms=overall.p95,
        p99_ms=overall.p99,
        max_ms=overall.max,
        by_status=dict(sorted(by_status.items())),
        cpu_us={kind: round(spent / max(1, counted) * 1e6, 1) for kind, spent in cpu_s.items()},
        rss_mb=round(rss_mb, 1),
        connections=connections,
        seconds=round(heard.seconds, 2),
        errors=heard.errors,
        by_call={name: one for name, one in heard.latency.items() if name != OVERALL},
        wrong=heard.wrong,
        outbox=outbox,
    )


def _counted(case: Case, heard: Heard) -> int:
    """Answers that the case counts, without wrong ones."""
    if case.counted:
        return sum(heard.by_call.get(call, {}).get(status, 0) for call, status in case.counted)
    answers = sum(sum(statuses.values()) for statuses in heard.by_call.values())
    return max(0, answers - sum(heard.wrong.values()))


async def drained(stack: Stack) -> Outbox:
    """Waits until the worker has relayed everything, so that the next case has the machine to itself."""
    assert stack.loaded.database_url is not None
    queries = load_queries(OUTBOX)
    pool = await open_pool(stack.loaded.database_url, "booking", size=1)
    began = time.monotonic()
    try:
        async with connection(pool) as db:
            first = await queries.backlog(db, floor=0)
            depth, took_s = first["depth"], 0.0
            while depth and took_s < DRAIN_MAX_S:
                await asyncio.sleep(DRAIN_POLL_S)
                depth = (await queries.backlog(db, floor=0))["depth"]
                took_s = time.monotonic() - began
    finally:
        await pool.close()
    return Outbox(first["depth"], round(first["age_s"], 2), None if depth else round(took_s, 1))


async def quiet(stack: Stack, *, within_s: float = QUIET_MAX_S) -> None:
    """Waits until the worker is idle (mails come after the outbox), or for so long."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        before = stack.accounts.look()
        await asyncio.sleep(2 * DRAIN_POLL_S)
        if stack.accounts.look().since(before)["worker"] <= QUIET * 2 * DRAIN_POLL_S:
            return
