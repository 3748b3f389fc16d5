"""A scrape holds up nothing else."""

import asyncio
import threading
from collections.abc import Iterator

from prometheus_client import REGISTRY, Metric
from prometheus_client.registry import Collector

from chassis.observability.exposition import Exposition


class WaitsForTheLoop(Collector):
    """Is scraped only once the event loop has had a turn meanwhile."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.had_it = False

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        turn = threading.Event()
        self._loop.call_soon_threadsafe(turn.set)
        self.had_it = turn.wait(5)
        yield from ()


async def test_requests_are_answered_while_a_scrape_is_written() -> None:
    slow = WaitsForTheLoop()
    REGISTRY.register(slow)
    try:
        assert b"python_info" in await Exposition(None).text()
    finally:
        REGISTRY.unregister(slow)
    assert slow.had_it
