"""CPU by kind of program and of the whole machine, second by second, and the platform's word on its pools."""

import asyncio
import contextlib
import time

import aiohttp
import msgspec
import psutil
from prometheus_client.parser import text_string_to_metric_families

from loadtest.bench.programs.accounting import KINDS, ran_s
from loadtest.rehearsal.target import Target

LOOK_INTERVAL_S = 1.0
FIND_INTERVAL_S = (
    5.0  # processes come and go; to look for them costs more than to read their accounts
)
SCRAPE_INTERVAL_S = 2.0
SCRAPE_TIMEOUT_S = 2.0
POOLS = "stampede_database_pool_waiting"


class Sample(msgspec.Struct, frozen=True):
    """The second that ended at `at_s` after the opening. `cores`: of each kind of program; `machine`: the
    share of all processors that was busy; `pool`: callers that waited for a database connection."""

    at_s: float
    cores: dict[str, float]
    machine: float
    pool: int = 0


class Watch(msgspec.Struct):
    """What was seen. `web`: web processes at the beginning; `processors`: of this machine."""

    web: int
    processors: int
    samples: list[Sample] = []


async def watch(target: Target, opens_at: float, stop: asyncio.Event) -> Watch:
    """From the opening until `stop`. Costs the platform a scrape every other second."""
    seen = Watch(_web_processes(target), psutil.cpu_count() or 1)
    pools: list[int] = [0]
    scraping = asyncio.create_task(_scrape(target.gateway, pools, stop))
    spent = _Spent(target)
    try:
        await _until(opens_at, stop)
        spent.since_last()
        psutil.cpu_percent()
        while not stop.is_set():
            await _until(opens_at + LOOK_INTERVAL_S * (len(seen.samples) + 1), stop)
            cores = await asyncio.to_thread(spent.since_last)
            machine = psutil.cpu_percent() / 100
            at_s = round(time.time() - opens_at, 1)
            seen.samples.append(Sample(at_s, cores, machine, pools[-1]))
    finally:
        scraping.cancel()
        await asyncio.gather(scraping, return_exceptions=True)
    return seen


class _Spent:
    """Reads the accounts of the platform's processes."""

    def __init__(self, target: Target) -> None:
        self._accounts = target.accounts
        self._processes = self._accounts.processes()
        self._found_at = self._read_at = time.monotonic()
        self._before = self._read()

    def since_last(self) -> dict[str, float]:
        """Cores that each kind has used since the last call. A process that came meanwhile counts from its
        next reading."""
        now = time.monotonic()
        if now - self._found_at > FIND_INTERVAL_S:
            self._processes, self._found_at = self._accounts.processes(), now
        after, passed_s = self._read(), now - self._read_at
        cores = dict.fromkeys(KINDS, 0.0)
        for kind, process in self._processes:
            if process.pid in after and process.pid in self._before:
                used_s = after[process.pid] - self._before[process.pid]
                cores[kind] += max(0.0, used_s) / max(passed_s, 0.001)
        self._before, self._read_at = after, now
        return cores

    def _read(self) -> dict[int, float]:
        found = {}
        for _, process in self._processes:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                found[process.pid] = ran_s(process.pid) or times.user + times.system
        return found


async def _until(moment: float, stop: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), max(0.0, moment - time.time()))


def _web_processes(target: Target) -> int:
    """Those that serve: each program's own processes, not the one that starts them."""
    found = target.processes("web")
    pids = {process.pid for process in found}
    serving = 0
    for process in found:
        with contextlib.suppress(psutil.Error):
            tracker = "resource_tracker" in " ".join(process.cmdline())
            serving += process.ppid() in pids and not tracker
    return serving or len(found)


async def _scrape(gateway: str, pools: list[int], stop: asyncio.Event) -> None:
    """Appends the most that wait in a pool, as often as the gateway says."""
    timeout = aiohttp.ClientTimeout(total=SCRAPE_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        while not stop.is_set():
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
                async with http.get(f"{gateway}/metrics") as answer:
                    pools.append(most_waiting(await answer.text()))
            await _until(time.time() + SCRAPE_INTERVAL_S, stop)


def most_waiting(metrics: str) -> int:
    lines = [line for line in metrics.splitlines() if line.startswith(POOLS)]
    families = text_string_to_metric_families("\n".join(lines) + "\n")
    return int(max((sample.value for one in families for sample in one.samples), default=0))
