"""What each process shows of itself: its event loop's lag, and samples of what others have it watch.

Once a second, so that no request pays for it. It also writes what hot code has counted meanwhile.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client import Gauge

from chassis.observability.hot import HotHistogram, write_hot

LOOKS_A_SECOND = 4

LAG = HotHistogram(
    "stampede_event_loop_lag_seconds",
    "How late the event loop was for a timer, four times a second.",
    ["process"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
DATA_FREE = Gauge(
    "stampede_data_directory_free_bytes",
    "Room left where the platform's own servers keep their data.",
    ["kind"],
    multiprocess_mode="livemostrecent",
)
DATA_SIZE = Gauge(
    "stampede_data_directory_size_bytes",
    "The size of that file system.",
    ["kind"],
    multiprocess_mode="livemostrecent",
)


class Vitals:
    """`watch(sample)` before or while it runs. `sample()` sets gauges, quickly, and waits for nothing; it is
    called until it returns False."""

    def __init__(self) -> None:
        self._samples: list[Callable[[], bool]] = []

    def watch(self, sample: Callable[[], bool]) -> None:
        self._samples.append(sample)

    def sample(self) -> None:
        self._samples = [one for one in self._samples if one()]
        write_hot()

    @asynccontextmanager
    async def shown(self, process: str) -> AsyncIterator[None]:
        """`process`: its role, the same for all processes that do the same."""
        looking = asyncio.create_task(self._keep_looking(LAG.labels(process)), name="vitals")
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            self.sample()

    async def _keep_looking(self, lag: HotHistogram) -> None:
        loop = asyncio.get_running_loop()
        while True:
            for _ in range(LOOKS_A_SECOND):
                due = loop.time() + 1 / LOOKS_A_SECOND
                await asyncio.sleep(1 / LOOKS_A_SECOND)
                lag.observe(max(0.0, loop.time() - due))
            self.sample()


def disk_sample(directory: Path) -> Callable[[], bool]:
    """The room on the file system of the servers' data."""

    def sample() -> bool:
        found = os.statvfs(directory)
        DATA_FREE.labels("data_dir").set(found.f_bavail * found.f_frsize)
        DATA_SIZE.labels("data_dir").set(found.f_blocks * found.f_frsize)
        return True

    return sample
