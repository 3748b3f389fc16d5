"""The flash sale from start to end: a platform, the crowd, the summary, the verification."""

import asyncio
import contextlib
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import msgspec
import redis.asyncio

from chassis import settings
from chassis.settings import Settings
from loadtest.answers import Answer, Crowd, percentile
from loadtest.plan import Plan, prepare
from runtime.embedded.spawning import tethered
from runtime.operations.auditing import Finding, audit_all
from runtime.starting import StartError
from runtime.topology.processes import Ports

Say = Callable[[str], None]
START_DEADLINE_S = 180.0
STOP_DEADLINE_S = 60.0
SPAWN_PER_S = 1000  # users that locust starts per second on one core, roughly
RUN_DEADLINE_S = 240.0
FILES_WANTED = 65_536  # a connection per buyer, at both ends
SETTLE_DEADLINE_S = 45.0  # the provider is asked about a payment without an answer after 15 s
FLUSH_INTERVAL_S = 0.5
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
FLUSHING_S = 12.0


class Outcome(msgspec.Struct, frozen=True):
    """What the crowd measured, and whether every promise held."""

    summary: list[str]
    failures: list[str]


def allow_many_files() -> None:
    """Raises the soft limit of open files up to the hard limit. Children inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.contextmanager
def scratch_platform(say: Say) -> Iterator[Settings]:
    """`stampede up` on a free port with its own data, ended and removed afterwards.

    It differs from the default in one setting: this machine is a trusted proxy, so that each buyer has
    its own address.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with _scratch(port, "--port", str(port)) as loaded:
        say(f"A platform of its own is up on port {port}.")
        yield loaded


@contextlib.contextmanager
def scratch_cluster(say: Say) -> Iterator[Settings]:
    """The same with `--topology cluster`."""
    port = free_ports()
    with _scratch(port, "--port", str(port), "--topology", "cluster") as loaded:
        say(f"A cluster of its own is up on port {port}.")
        yield loaded


def free_ports() -> int:
    """A port from which a cluster has room. Clients' sides of connections are given none of these."""
    while True:
        port = random.randrange(12_000, 30_000, 100)
        with contextlib.suppress(StartError):
            Ports(port, Settings().workers).check(Settings(port=port))
            return port


@contextlib.contextmanager
def _scratch(port: int, *options: str) -> Iterator[Settings]:
    directory = Path(tempfile.mkdtemp(prefix="stampede-sale-"))
    command = [sys.executable, "-m", "stampede", "up", "--no-demo", *options]
    command += ["--data-dir", str(directory)]
    environ = settings.inherited_environ() | {"STAMPEDE_TRUSTED_PROXIES": "127.0.0.0/8"}
    output = (directory / "console.log").open("wb")
    process = subprocess.Popen(command, env=environ, stdout=output, stderr=output)
    loaded = settings.load({"STAMPEDE_DATA_DIR": str(directory), "STAMPEDE_PORT": str(port)})
    try:
        wait_until_ready(loaded, process)
        yield loaded
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_DEADLINE_S)
        process.kill()
        output.close()
        shutil.rmtree(directory, ignore_errors=True)


def wait_until_ready(loaded: Settings, process: subprocess.Popen[bytes]) -> None:
    from runtime.serving import is_up  # noqa: PLC0415

    deadline = time.monotonic() + START_DEADLINE_S
    while not is_up(loaded):
        if process.poll() is not None or time.monotonic() > deadline:
            log = (loaded.data_dir / "console.log").read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the platform did not come up: {log}")
        time.sleep(0.1)


async def flash_sale(
    loaded: Settings, *, users: int, tickets: int, flush_redis: bool, say: Say
) -> Outcome:
    """Prepares, runs and verifies one sale against a running platform."""
    assert loaded.database_url is not None
    say(f"Making {users:,} buyers and a session of {tickets:,} seats ...")
    plan = await prepare(
        loaded.base_url,
        loaded.database_url,
        users=users,
        tickets=tickets,
        opens_in_s=opens_in_s(users),
    )
    crowd = await run_crowd(loaded, plan, say=say, flush_redis=flush_redis)
    summary = summarise(plan, crowd)
    failures = await verify(loaded, plan, crowd.answers)
    return Outcome(summary, failures)


def opens_in_s(users: int) -> float:
    """The time that so many buyers need to connect before the opening."""
    return 6.0 + users / SPAWN_PER_S * 1.5


async def run_crowd(
    loaded: Settings,
    plan: Plan,
    *,
    say: Say,
    flush_redis: bool = False,
    locustfile: Path = LOCUSTFILE,
    deadline_s: float = RUN_DEADLINE_S,
    folder_prefix: str = "stampede-crowd-",
) -> Crowd:
    """All answers, and the CPU seconds that the crowd used. `locustfile`: what its people do. The crowd ends
    with this process, however that ends."""
    with tempfile.TemporaryDirectory(prefix=folder_prefix) as directory:
        plan_path, results = Path(directory, "plan.json"), Path(directory, "results.json")
        plan.write(plan_path)
        command = [
            *(sys.executable, "-m", "locust", "-f", str(locustfile)),
            *("--headless", "--users", str(len(plan.tokens)), "--spawn-rate", str(SPAWN_PER_S)),
            *("--plan", str(plan_path), "--results", str(results), "--loglevel", "ERROR"),
            *("--only-summary", "--stop-timeout", "1"),
        ]
        process = await asyncio.create_subprocess_exec(
            *tethered(command, signal.SIGKILL),
            env=settings.inherited_environ(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        flushing = asyncio.create_task(_flush(loaded, plan, say)) if flush_redis else None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(deadline_s):
                async for line in process.stdout:
                    if line.startswith(b"  "):
                        say(line.decode().rstrip())
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            if flushing is not None:
                await flushing
        return msgspec.json.decode(results.read_bytes(), type=Crowd)


async def _flush(loaded: Settings, plan: Plan, say: Say) -> None:
    """Sends FLUSHALL every half second while seats are being sold."""
    assert loaded.redis_url is not None
    client = redis.asyncio.from_url(loaded.redis_url)
    flushes = 0
    while time.time() < plan.opens_at + FLUSHING_S:
        await asyncio.sleep(max(FLUSH_INTERVAL_S, plan.opens_at - time.time()))
        await client.flushall()
        flushes += 1
    await client.aclose()
    say(f"  FLUSHALL: Redis has lost everything {flushes} times since the opening")


def summarise(plan: Plan, crowd: Crowd) -> list[str]:
    """The figures as lines. Refusals and orders are counted apart, and the generator's CPU is listed."""
    answers = crowd.answers
    orders = [one for one in answers if one.call == "order"]
    sold = sorted(one.at_s for one in orders if one.status == 201)
    paid = [one for one in answers if one.call == "pay" and one.status == 200]
    codes = Counter(f"{one.status} {one.code}".strip() for one in answers if one.status >= 400)
    errors = sum(one.status == 0 for one in answers)
    seconds = max(one.at_s for one in answers) - min(one.at_s for one in answers)
    latencies = sorted(one.latency_ms for one in answers)
    return [
        f"buyers          {len(plan.tokens):,} for {plan.tickets:,} seats",
        f"orders / paid   {len(sold):,} / {len(paid):,}",
        *(f"refused         {count:,} × {code}" for code, count in codes.most_common()),
        f"no answer       {errors:,}",
        f"answers         {len(answers):,} in {seconds:.1f} s, {len(answers) / seconds:,.0f}/s",
        "latency         "
        + "  ".join(f"p{p} {percentile(latencies, p):,.0f} ms" for p in (50, 95, 99))
        + f"  max {latencies[-1]:,.0f} ms",
        f"first order     {sold[0]:.2f} s after opening" if sold else "first order     none",
        f"sold out        {sold[-1]:.2f} s after opening" if sold else "sold out        never",
        f"last answer     {max(one.at_s for one in answers):.2f} s after opening",
        f"load generator  {crowd.cpu_since_opening_s:.1f} CPU seconds of the same machine since the"
        f" opening, {crowd.cpu_s - crowd.cpu_since_opening_s:.1f} before",
    ]


async def verify(loaded: Settings, plan: Plan, answers: list[Answer]) -> list[str]:
    """Broken promises, one sentence each. Empty if all held."""
    failures = []
    for one in answers:
        if one.status == 0:
            failures.append(f"no answer at {one.at_s:.1f} s")
        elif one.status >= 500 and one.status != 503:
            failures.append(f"{one.status} {one.code} at {one.at_s:.1f} s")
    failures = failures[:10]
    seats = await _seats(loaded, plan)
    if seats.count("s") != plan.tickets or len(seats) != plan.tickets:
        tally = dict(Counter(seats))
        failures.append(f"{seats.count('s')} of {plan.tickets} seats are sold: {tally}")
    findings: list[Finding] = await audit_all(loaded)
    failures += [f"{one.name}: {'; '.join(one.details)}" for one in findings if not one.ok]
    return failures


async def _seats(loaded: Settings, plan: Plan) -> str:
    """The session's live state once nothing is held any more, or at the deadline."""
    url = f"{loaded.base_url}/api/v1/sessions/{plan.session_id}/seats"
    deadline = time.monotonic() + SETTLE_DEADLINE_S
    async with aiohttp.ClientSession() as http:
        while True:
            async with http.get(url) as answer:
                document = await answer.json(content_type=None)
            seats = str(document.get("seats", ""))
            if ("h" not in seats and seats) or time.monotonic() > deadline:
                return seats
            await asyncio.sleep(0.2)
