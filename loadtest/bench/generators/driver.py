"""Runs a generator beside the platform: wrk with crowd.lua if installed, else the built-in one.

Both are separate processes, so their CPU is counted apart from the platform's, and both print the same
line. The connections are a closed loop: each sends its next request when it has its answer.
"""

import asyncio
import resource
import shutil
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import msgspec

from chassis import settings
from loadtest.bench.generators.traffic import Heard, Latency, Traffic

SCRIPT = Path(__file__).with_name("crowd.lua")
ROOT = Path(__file__).resolve().parents[3]
THREADS = 1  # one thread of wrk sends more than any Python server serves
GRACE_S = 30.0  # beyond the window, to read a plan and the last answers
OVERALL = "all"


class GeneratorError(Exception):
    """The generator failed. The message is its output."""


class Run(msgspec.Struct, frozen=True):
    """The answers, and the CPU seconds that the generator used."""

    heard: Heard
    cpu_s: float


def name_of_generator() -> str:
    return "wrk" if shutil.which("wrk") else "built-in"


async def drive(
    traffic: Traffic,
    *,
    seconds: float,
    connections: int,
    count: int = 0,
    rate: float = 0.0,
    folder: Path | None = None,
) -> Run:
    """Sends the traffic for so long, or (built-in generator) until `count` answers. Advances `first`.

    rate: requests per second, independent of the answers (the open-loop generator).
    """
    with tempfile.TemporaryDirectory(prefix="stampede-bench-") as made:
        plan = folder or Path(made)
        traffic.write(plan)
        wrk = None if count or rate else shutil.which("wrk")
        command = (
            _wrk(wrk, plan, traffic, seconds, connections)
            if wrk
            else _builtin(plan, traffic, seconds, connections, float(rate) if rate else count)
        )
        before = children_cpu_s()
        line = await _line(command, seconds)
        cpu_s = children_cpu_s() - before
    heard = read(line)
    traffic.first = heard.next
    return Run(heard, cpu_s)


def _wrk(wrk: str, plan: Path, traffic: Traffic, seconds: float, connections: int) -> list[str]:
    return [
        *(wrk, f"-t{THREADS}", f"-c{connections}", f"-d{max(1, round(seconds))}s"),
        *("--timeout", "10s", "--latency", "-s", str(SCRIPT), traffic.base_url),
        *("--", str(plan), str(traffic.first)),
    ]


def _builtin(
    plan: Path, traffic: Traffic, seconds: float, connections: int, last: float
) -> list[str]:
    """`last` is a rate for the open-loop generator, a count for the closed-loop one."""
    numbers = map(str, (traffic.first, seconds, connections, last))
    module = (
        "loadtest.bench.generators.closed_loop"
        if isinstance(last, int)
        else "loadtest.bench.generators.open_loop"
    )
    return [sys.executable, "-m", module, str(plan), traffic.base_url, *numbers]


async def _line(command: list[str], seconds: float) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command,
        env=settings.inherited_environ() | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds + GRACE_S):
            said, _ = await process.communicate()
    except TimeoutError:
        raise GeneratorError(f"{command[0]} did not end in time.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    for line in said.splitlines():
        if line.startswith(b"HEARD "):
            return line.removeprefix(b"HEARD ")
    raise GeneratorError(said.decode("utf-8", "replace")[-2000:])


class _Line(msgspec.Struct, frozen=True):
    seconds: float
    next: int
    counts: dict[str, int]
    buckets: dict[str, int]  # "call\ttenths of a millisecond" → answers
    wrong: dict[str, int]
    errors: int
    latency_us: tuple[float, float, float, float]


def read(line: bytes) -> Heard:
    """Parses a generator's line."""
    try:
        said = msgspec.json.decode(line, type=_Line)
    except msgspec.MsgspecError as nonsense:
        raise GeneratorError(f"{nonsense}: {line[-500:]!r}") from nonsense
    by_call: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for key, count in said.counts.items():
        call, status = key.split("\t")
        by_call[call][status] = count
    buckets: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for key, count in said.buckets.items():
        call, tenths = key.split("\t")
        buckets[call][int(tenths)] += count
    latency = {call: _latency(counted) for call, counted in buckets.items()}
    latency[OVERALL] = Latency(*(round(us / 1000, 3) for us in said.latency_us))
    return Heard(said.seconds, said.next, dict(by_call), latency, dict(said.wrong), said.errors)


def _latency(buckets: Counter[int]) -> Latency:
    """From tenths of a millisecond, in which the generators count."""
    total, passed = sum(buckets.values()), 0
    wanted = [total * 0.5, total * 0.95, total * 0.99]
    found: list[float] = []
    for tenths in sorted(buckets):
        passed += buckets[tenths]
        while len(found) < len(wanted) and passed >= wanted[len(found)]:
            found.append(tenths / 10)
    p50, p95, p99 = found
    return Latency(p50, p95, p99, max(buckets) / 10)


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
