"""`/metrics`: what all processes that share a directory have counted, or this process alone.

With METRICS_DIR in the environment, prometheus_client keeps every value in a file of its process, mapped
into memory (its multiprocess mode). A scrape adds the files up, whichever process it reaches. A dead
process's counters stay in the sum; its gauges do not.

Whether a process lives is told by a lock on a file that the kernel releases at its death: a process id may
be somebody else's by then.
"""

import asyncio
import fcntl
import gc
import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil
from prometheus_client import REGISTRY, CollectorRegistry, PlatformCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from chassis import settings
from chassis.observability.hot import HotCounter, write_hot


class Exposition:
    """`await text()` is the body of `/metrics`. `directory`: None for this process alone.

    It costs 15 ms of CPU on a machine that sells, 200 ms with 10,000 series of three processes, so it is
    written in a thread: an order that comes meanwhile is answered between. Callers keep it for a second.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    async def text(self) -> bytes:
        write_hot()
        return await asyncio.to_thread(self._add_up)

    def families(self) -> Iterator[Metric]:
        """The same for a thread that sends them elsewhere: up to a second behind."""
        yield from self._registry().collect()

    def _add_up(self) -> bytes:
        return generate_latest(self._registry())

    def _registry(self) -> CollectorRegistry:
        if self._directory is None:
            return REGISTRY
        pids = list(living(self._directory))
        registry = CollectorRegistry()
        registry.register(_Shared(self._directory))
        registry.register(_Processes(pids))
        PlatformCollector(registry=registry)
        return registry


def count_together() -> None:
    """Makes this process a member of the directory in its environment, if there is one."""
    directory = settings.metrics_dir()
    if directory is not None:
        Member(directory)  # kept alive by the collector that calls it


class Member:
    """This process's place in the directory. Held until the process ends.

    Prometheus' own figures of Python's collector are counted here, since they are one process's elsewhere.
    """

    def __init__(self, directory: Path) -> None:
        self._file: IO[bytes] = (directory / f"{os.getpid()}.alive").open("wb")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        counters = [
            HotCounter(f"python_gc_{name}", text, ["generation"], registry=None)
            for name, text in GC_FIGURES.items()
        ]
        self._collected = [
            [counter.labels(str(generation)) for counter in counters] for generation in range(3)
        ]
        gc.callbacks.append(self._count)

    def leave(self) -> None:
        gc.callbacks.remove(self._count)
        self._file.close()

    def _count(self, phase: str, facts: dict[str, int]) -> None:
        """Takes no lock: the collector runs anywhere, also while this thread has prometheus_client's."""
        if phase == "stop":
            collected, uncollectable, collections = self._collected[facts["generation"]]
            collected.inc(facts["collected"])
            uncollectable.inc(facts["uncollectable"])
            collections.inc()


GC_FIGURES = {
    "objects_collected_total": "Objects collected during gc",
    "objects_uncollectable_total": "Uncollectable objects found during GC",
    "collections_total": "Number of times this generation was collected",
}


def living(directory: Path) -> Iterator[int]:
    """Process ids of members. Forgets the gauges of those that have ended."""
    for path in directory.glob("*.alive"):
        pid = int(path.stem)
        with suppress(FileNotFoundError), path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                yield pid
            else:
                mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]
                path.unlink(missing_ok=True)


class _Shared(Collector):
    """Everything in the files, without gauges that say `not a number`: nobody reports them now."""

    def __init__(self, directory: Path) -> None:
        self._files: Any = MultiProcessCollector(None, path=str(directory))  # type: ignore[no-untyped-call]

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        for metric in self._files.collect():
            metric.samples = [one for one in metric.samples if one.value == one.value]
            yield metric


class _Processes(Collector):
    """prometheus_client's figures of a process, over all members: sums, and the start of the oldest."""

    def __init__(self, pids: list[int]) -> None:
        self._pids = pids

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        seen: list[dict[str, Any]] = []
        for pid in self._pids:
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                seen.append(process.as_dict(["cpu_times", "memory_info", "num_fds", "create_time"]))
        yield GaugeMetricFamily(
            "stampede_processes", "Processes whose metrics these are.", len(seen)
        )
        cpu_s = sum(one["cpu_times"].user + one["cpu_times"].system for one in seen)
        yield CounterMetricFamily(
            "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", cpu_s
        )
        gauges = {
            "process_resident_memory_bytes": sum(one["memory_info"].rss for one in seen),
            "process_virtual_memory_bytes": sum(one["memory_info"].vms for one in seen),
            "process_open_fds": sum(one["num_fds"] or 0 for one in seen),
            "process_max_fds": resource.getrlimit(resource.RLIMIT_NOFILE)[0] * len(seen),
            "process_start_time_seconds": min((one["create_time"] for one in seen), default=0.0),
        }
        for name, value in gauges.items():
            yield GaugeMetricFamily(name, TEXTS[name], value)


TEXTS = {
    "process_resident_memory_bytes": "Resident memory size in bytes.",
    "process_virtual_memory_bytes": "Virtual memory size in bytes.",
    "process_open_fds": "Number of open file descriptors.",
    "process_max_fds": "Maximum number of open file descriptors.",
    "process_start_time_seconds": "Start time of the oldest process since unix epoch in seconds.",
}
