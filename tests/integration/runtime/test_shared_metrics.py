"""`/metrics` of several processes: sums that no death takes away, and gauges of the living."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from chassis.settings import METRICS_DIR
from runtime.embedded import ServerUrls
from runtime.metrics_files import PREFIX, metrics_root
from tests.support.platform import RunningPlatform, environment
from tests.support.servers import ROOT, eventually, free_port

COUNTING = """
import sys
from chassis.observability.exposition import count_together
from chassis.observability.hot import write_hot
from chassis.observability.metrics import CONSUMER_LAG, EVENT_DELAY, EVENTS_TAKEN, OUTBOX_AGE, forget
from chassis.observability.reports import Report
from gateway.metrics import LIMITS_ASKED, UNDER_WAY, count_request
count_together()
report = Report()
for word in sys.stdin:
    match word.split():
        case "count", times:
            for _ in range(int(times)):
                count_request("/x", "GET", 200, 0.02)
                EVENTS_TAKEN.labels("test").inc()
            write_hot()
        case "hold", number:
            UNDER_WAY.set(float(number))
        case "lead", age:
            OUTBOX_AGE.labels("test").set(float(age))
        case "stand_by",:
            forget(OUTBOX_AGE, "test")
        case "show", *lags:
            report.show(CONSUMER_LAG, {(name, "nats"): float(n) for name, n in
                                       (one.split("=") for one in lags)})
        case "withdraw",:
            report.withdraw()
        case "hot", times:
            for _ in range(int(times)):
                LIMITS_ASKED.inc()
                EVENT_DELAY.labels("test").observe(0.2)
                UNDER_WAY.inc()
        case "write",:
            write_hot()
        case "many", series:
            for number in range(int(series)):
                EVENTS_TAKEN.labels(f"test-{number}").inc()
    print("done", flush=True)
"""
SCRAPING = """
import asyncio, sys
from pathlib import Path
from chassis.observability.exposition import Exposition
sys.stdout.buffer.write(asyncio.run(Exposition(Path(sys.argv[1])).text()))
"""
REQUESTS = 'stampede_gateway_requests_total{method="GET",route="/x",status="200"}'


class Process:
    """A process that counts what it is told to."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", COUNTING],
            cwd=ROOT,
            env=os.environ | {METRICS_DIR: str(directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def do(self, words: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def directory() -> Iterator[Path]:
    with metrics_root() as root:
        yield root


@contextlib.contextmanager
def processes(directory: Path, count: int = 2) -> Iterator[list[Process]]:
    running = [Process(directory) for _ in range(count)]
    try:
        yield running
    finally:
        for one in running:
            with contextlib.suppress(ValueError):
                one.kill()


def scrape(directory: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRAPING, str(directory)],
        cwd=ROOT, env=os.environ | {METRICS_DIR: str(directory)}, capture_output=True, check=True,
    )  # fmt: skip
    return samples(done.stdout.decode())


def samples(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(one.labels.items()))
            name = f"{one.name}{{{labels}}}" if labels else one.name
            assert name not in found, f"{name} is there twice"
            found[name] = one.value
    return found


def test_counters_and_histograms_are_sums_over_the_processes(directory: Path) -> None:
    with processes(directory) as (one, two):
        one.do("count 300")
        two.do("count 45")
        seen = scrape(directory)
    assert seen[REQUESTS] == 345
    assert seen['stampede_events_taken_total{consumer="test"}'] == 345
    assert seen['stampede_gateway_latency_seconds_count{route="/x"}'] == 345
    assert seen['stampede_gateway_latency_seconds_bucket{le="0.025",route="/x"}'] == 345
    assert seen["stampede_processes"] == 2
    assert seen["process_resident_memory_bytes"] > 20_000_000


def test_a_dead_processs_counters_stay_and_its_gauges_go(directory: Path) -> None:
    with processes(directory) as (one, two):
        one.do("count 10")
        one.do("hold 7")
        two.do("count 5")
        two.do("hold 3")
        assert scrape(directory)["stampede_gateway_under_way"] == 10
        one.kill()
        for _ in range(2):  # the first scrape tidies up
            seen = scrape(directory)
            assert (seen[REQUESTS], seen["stampede_gateway_under_way"]) == (15, 3)
        assert seen["stampede_processes"] == 1
        with processes(directory, 1) as (three,):
            three.do("count 1")
            assert scrape(directory)[REQUESTS] == 16


def test_of_what_one_process_reports_for_all_the_latest_counts(directory: Path) -> None:
    age = 'stampede_outbox_age_seconds{source="test"}'
    with processes(directory) as (one, two):
        one.do("lead 5")
        assert scrape(directory)[age] == 5
        one.do("stand_by")
        assert age not in scrape(directory)
        two.do("lead 2")
        assert scrape(directory)[age] == 2
        one.do("lead 9")
        two.kill()
        assert scrape(directory)[age] == 9


def test_what_the_leader_shows_is_there_once_or_not_at_all(directory: Path) -> None:
    def lags() -> dict[str, float]:
        name = "stampede_consumer_lag_events"
        return {key: value for key, value in scrape(directory).items() if key.startswith(name)}

    shown = 'stampede_consumer_lag_events{consumer="%s",queue="nats"}'
    with processes(directory) as (one, two):
        one.do("show catalog=5 notification=7")
        assert lags() == {shown % "catalog": 5, shown % "notification": 7}
        one.do("show catalog=6")  # the other one is gone, not left as it was
        assert lags() == {shown % "catalog": 6}
        one.do("withdraw")
        assert lags() == {}
        two.do("show catalog=2")
        assert lags() == {shown % "catalog": 2}
        one.do("show catalog=3")  # the lead goes to and fro
        two.do("withdraw")
        one.do("show catalog=4")
        assert lags() == {shown % "catalog": 4}
        one.kill()
        scrape(directory)  # tidies up
        assert lags() == {}


def test_what_hot_code_counts_is_shown_once_it_is_written(directory: Path) -> None:
    asked = "stampede_gateway_limits_asked_total"
    delay = 'stampede_event_delay_seconds_%s{consumer="test"}'
    with processes(directory) as (one, two):
        one.do("hot 300")
        two.do("hot 45")
        assert scrape(directory)[asked] == 0
        for process in (one, two):
            process.do("write")
            process.do("write")  # nothing twice
        seen = scrape(directory)
        assert seen[asked] == 345
        assert seen["stampede_gateway_under_way"] == 345
        assert seen[delay % "count"] == 345
        assert seen[delay % "sum"] == pytest.approx(345 * 0.2)
        bucket = 'stampede_event_delay_seconds_bucket{consumer="test",le="%s"}'
        assert (seen[bucket % "0.1"], seen[bucket % "0.25"]) == (0, 345)


def test_a_scrape_of_ten_thousand_series_is_whole(directory: Path) -> None:
    with processes(directory) as (one, two):
        one.do("many 10000")
        two.do("many 10000")
        seen = scrape(directory)
    counted = [name for name in seen if name.startswith("stampede_events_taken_total")]
    assert len(counted) == 10_000
    assert {seen[name] for name in counted} == {2}


COLLECTING = """
import gc
from prometheus_client import Counter
from chassis.observability.exposition import count_together
from chassis.observability.hot import write_hot
count_together()
counter = Counter("asked_total", "x", ["n"])
gc.set_threshold(1)  # the collector runs while new children are written, under prometheus_client's lock
for n in range(200):
    counter.labels(str(n)).inc()
write_hot()
"""


def test_the_collector_may_run_while_something_is_counted(directory: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COLLECTING],
        cwd=ROOT,
        env=os.environ | {METRICS_DIR: str(directory)},
        timeout=20,
        check=False,
    )
    assert done.returncode == 0
    assert scrape(directory)['python_gc_collections_total{generation="0"}'] > 200


def test_directories_of_killed_supervisors_are_removed_and_living_ones_stay(tmp_path: Path) -> None:
    with metrics_root() as living:
        abandoned = living.parent / f"{PREFIX}abandoned-{os.getpid()}"
        new = living.parent / f"{PREFIX}new-{os.getpid()}"
        for one in (abandoned, new):
            one.mkdir()
        os.utime(abandoned, (0, 0))
        os.utime(living, (0, 0))
        with metrics_root():
            assert not abandoned.exists()
            assert new.exists()
            assert living.exists()
        new.rmdir()
    assert not living.exists()


@pytest.fixture
async def up(
    database_url: str, servers: ServerUrls, redis_url: str, tmp_path: Path
) -> AsyncIterator[RunningPlatform]:
    port = free_port()
    environ = environment(
        STAMPEDE_DATABASE_URL=database_url, STAMPEDE_REDIS_URL=redis_url, STAMPEDE_WORKERS="2"
    )
    platform = RunningPlatform(f"http://127.0.0.1:{port}", tmp_path, environ)
    try:
        platform.start("up", "up", "--port", str(port), "--no-demo", ready_port=port)
        yield platform
    finally:
        platform.stop()


async def test_every_scrape_of_a_platform_shows_all_of_its_processes(up: RunningPlatform) -> None:
    """Two web processes and the worker. One web process is killed in between."""
    shows = 'stampede_gateway_requests_total{method="GET",route="/api/v1/shows",status="200"}'

    async def ask(path: str) -> str:
        async with (
            aiohttp.ClientSession() as http,  # a new connection: chance picks the process
            http.get(up.base_url + path) as answer,
        ):
            assert answer.status == 200
            return await answer.text()

    async def figures() -> dict[str, float]:
        await asyncio.sleep(
            2.1
        )  # each process writes them once a second, and they are kept for one
        return samples(await ask("/metrics"))

    for _ in range(30):
        await ask("/api/v1/shows")
    assert {(await figures())[shows] for _ in range(3)} == {30}
    seen = await figures()
    assert seen["stampede_processes"] == 3
    async with asyncio.timeout(30):  # the worker's, once it leads
        while 'stampede_outbox_depth_rows{source="booking"}' not in await figures():
            pass
    web = [one for one in up.descendants("up", "serving") if one.children() == []]
    victim = next(one for one in web if "resource_tracker" not in " ".join(one.cmdline()))
    os.kill(victim.pid, signal.SIGKILL)
    assert eventually(lambda: not psutil.pid_exists(victim.pid) or victim.status() == "zombie")
    for _ in range(12):
        await ask("/api/v1/shows")
    assert (await figures())[shows] == 42
