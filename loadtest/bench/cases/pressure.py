"""Cases with more load than can be served: four times the rate, a flood of logins, and a lagging worker.

Beside the usual figures, each case has its own (`extra`). If part of a crowd is refused, these figures
are of served requests only.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

import chassis
from chassis.postgres.pool import Pool, connection, load_queries, open_pool
from loadtest.answers import percentile
from loadtest.bench.case import Case
from loadtest.bench.cases import venue
from loadtest.bench.cases.plain import CROWD, HELD, ORDER, create_order, login
from loadtest.bench.figures import Figures
from loadtest.bench.generators.driver import Run, children_cpu_s, drive
from loadtest.bench.generators.traffic import Latency, Traffic
from loadtest.bench.measuring import (
    SETTLE_S,
    WARM_UP_MAX_S,
    drained,
    figures,
    quiet,
    warm_up,
    window,
)
from loadtest.bench.programs.programs import Stack

OVERLOAD = 4  # times the rate that it can serve
RATED_S = 3.0  # for how long that rate is measured
RATED_CONNECTIONS = 64
OVERLOAD_CONNECTIONS = 2_000
LOGINS_PER_S = 500
LOGIN_CONNECTIONS = 2_000  # more than may wait to be hashed, so that refusals occur
STRANGERS_PER_ACCOUNT = 50  # stolen credentials: most match no account here, and cost a hash too
SAMPLE_INTERVAL_S = 0.25
MAILS_MAX_S = 120.0
OUTBOX = Path(chassis.__file__).parent / "events" / "sql" / "outbox.sql"
MAILS_DUE = "SELECT count(*) FROM messages WHERE state = 'due' AND next_attempt <= now()"
SERVED, REFUSED = "order 201", "order 503"
NONE = Latency(0.0, 0.0, 0.0, 0.0)


async def overload_traffic(stack: Stack, seconds: float) -> Traffic:
    """Orders of many buyers, so that none reaches a limit."""
    traffic = await create_order(stack, seconds + RATED_S)
    assert stack.loaded.database_url is not None
    traffic.tokens = await venue.make_tokens(stack.loaded.database_url, CROWD)
    shed = {201: ORDER.expects[201], 503: '"code":"overloaded"'}
    traffic.calls = [msgspec.structs.replace(ORDER, expects=shed, orders=False)]
    return traffic


async def overload(case: Case, stack: Stack, seconds: float, _: int) -> Figures:
    """Measures the rate that it can serve, then sends OVERLOAD times that rate, open loop."""
    traffic = await case.prepare(stack, seconds + WARM_UP_MAX_S)
    await warm_up(traffic, RATED_CONNECTIONS)
    rated = await drive(traffic, seconds=RATED_S, connections=RATED_CONNECTIONS)
    rate = rated.heard.by_call["order"].get("201", 0) / rated.heard.seconds
    await drained(stack)
    before = stack.accounts.look()
    run = await drive(
        traffic, seconds=seconds, connections=OVERLOAD_CONNECTIONS, rate=OVERLOAD * rate
    )
    after = stack.accounts.look()
    outbox = await drained(stack)
    await quiet(stack)
    served = run.heard.latency.get(SERVED, NONE)
    refused = run.heard.latency.get(REFUSED, NONE)
    rss_mb = [_rss_mb(used.rss_bytes) for used in (before, after)]
    cpu_s = after.since(before) | {"generator": run.cpu_s}
    found = figures(
        case, _of(run, served), cpu_s=cpu_s, rss_mb=rss_mb[1], connections=OVERLOAD_CONNECTIONS,
        outbox=outbox,
    )  # fmt: skip
    extra = {
        "rated_per_s": round(rate, 1),
        "asked_per_s": round(OVERLOAD * rate, 1),
        "refused_p50_ms": refused.p50,
        "refused_p99_ms": refused.p99,
        "refused_max_ms": refused.max,
        "rss_before_mb": rss_mb[0],
    }
    return msgspec.structs.replace(found, extra=extra)


async def login_flood(case: Case, stack: Stack, seconds: float, connections: int) -> Figures:
    """Orders as usual, with LOGINS_PER_S logins beside them."""
    orders = await case.prepare(stack, seconds + WARM_UP_MAX_S)
    logins = await _login_flood(stack, seconds)
    await warm_up(orders, connections)
    await asyncio.sleep(SETTLE_S)
    before, spent_s = stack.accounts.look(), children_cpu_s()
    run, flood = await asyncio.gather(
        drive(orders, seconds=seconds, connections=connections),
        drive(logins, seconds=seconds, connections=LOGIN_CONNECTIONS, rate=LOGINS_PER_S),
    )
    after = stack.accounts.look()
    outbox = await drained(stack)
    await quiet(stack)
    cpu_s = after.since(before) | {"generator": children_cpu_s() - spent_s}
    found = figures(
        case, run, cpu_s=cpu_s, rss_mb=_rss_mb(after.rss_bytes), connections=connections,
        outbox=outbox,
    )  # fmt: skip
    answers = flood.heard.by_call.get("login", {})
    refusals = [flood.heard.latency.get(f"login {status}", NONE) for status in (429, 503)]
    extra = {
        "logins_asked_per_s": LOGINS_PER_S,
        "logins_by_status": dict(sorted(answers.items())),
        "login_p99_ms": max(
            flood.heard.latency.get(f"login {status}", NONE).p99 for status in (200, 401)
        ),
        "login_refused_p99_ms": max(one.p99 for one in refusals),
        "login_refused_max_ms": max(one.max for one in refusals),
    }
    wrong, errors = found.wrong | flood.heard.wrong, found.errors + flood.heard.errors
    return msgspec.structs.replace(found, extra=extra, wrong=wrong, errors=errors)


async def _login_flood(stack: Stack, seconds: float) -> Traffic:
    """Few right credentials among many wrong ones. No account has more than one try at a time."""
    logins = await login(stack, seconds)
    strangers = [
        (f"flood-{number}@loadtest.stampede.example", "not the password")
        for number in range(len(logins.rows) * STRANGERS_PER_ACCOUNT)
    ]
    for place, row in enumerate(logins.rows):
        strangers.insert(place * STRANGERS_PER_ACCOUNT, (row[0], row[1]))
    logins.rows = list(strangers)
    expects = logins.calls[0].expects | {401: '"code":"invalid-credentials"'}
    logins.calls = [msgspec.structs.replace(logins.calls[0], expects=expects)]
    return logins


async def worker_lag(case: Case, stack: Stack, seconds: float, connections: int) -> Figures:
    """Orders as fast as possible. Measures the age of the outbox's oldest event, and the mails left."""
    traffic = await case.prepare(stack, seconds + WARM_UP_MAX_S)
    await warm_up(traffic, connections)
    async with asyncio.TaskGroup() as group:
        over = asyncio.Event()
        sampling = group.create_task(_ages(stack, over))
        try:
            found = await window(
                case, stack, traffic, seconds=seconds, connections=connections, settle=False
            )
        finally:
            over.set()
    ages = sorted(sampling.result())
    mails_left, mails_s = await _mails(stack)
    extra = {
        "outbox_age_p50_s": round(percentile(ages, 50), 2),
        "outbox_age_max_s": round(percentile(ages, 100), 2),
        "mails_left": mails_left,
        "mails_gone_in_s": mails_s,
    }
    return msgspec.structs.replace(found, extra=extra)


async def _ages(stack: Stack, over: asyncio.Event) -> list[float]:
    """The age of the outbox's oldest event, sampled every SAMPLE_INTERVAL_S until the end."""
    queries = load_queries(OUTBOX)
    ages: list[float] = []

    async def look(pool: Pool) -> bool:
        async with connection(pool) as db:
            ages.append((await queries.backlog(db, floor=0))["age_s"])
        return over.is_set()

    await _poll(stack, "booking", look)
    return ages


async def _mails(stack: Stack) -> tuple[int, float]:
    """The number of waiting mails, and the seconds until the last one is sent."""
    left: list[int] = []
    began = asyncio.get_running_loop().time()

    async def look(pool: Pool) -> bool:
        left.append(int(await pool.fetchval(MAILS_DUE)))
        return not left[-1] or asyncio.get_running_loop().time() - began > MAILS_MAX_S

    await _poll(stack, "notification", look)
    return left[0], round(asyncio.get_running_loop().time() - began, 1)


async def _poll(stack: Stack, schema: str, look: Callable[[Pool], Awaitable[bool]]) -> None:
    assert stack.loaded.database_url is not None
    pool = await open_pool(stack.loaded.database_url, schema, size=1)
    try:
        while True:
            if await look(pool):
                return
            await asyncio.sleep(SAMPLE_INTERVAL_S)
    finally:
        await pool.close()


def _of(run: Run, served: Latency) -> Run:
    """The run with the latencies of served requests in place of all."""
    latency = run.heard.latency | {"all": served}
    return Run(msgspec.structs.replace(run.heard, latency=latency), run.cpu_s)


def _rss_mb(rss_bytes: dict[str, int]) -> float:
    return round((rss_bytes["web"] + rss_bytes["worker"]) / 1e6, 1)


PRESSURE = (
    Case(
        "overload", "platform", overload_traffic, HELD + ", of four times what it can serve",
        (("order", "201"),), measure=overload,
    ),
    Case(
        "login_flood", "platform", create_order, HELD + ", beside 500 logins a second",
        measure=login_flood,
    ),
    Case(
        "worker_lag", "platform", create_order, HELD, writes=True, measure=worker_lag,
    ),
)  # fmt: skip
