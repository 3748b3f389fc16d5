"""Slow drawing in one thread: a stranger with a link must not keep a core busy.

A page takes some 80 ms. So one at a time, and few waiting.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from chassis.threads import SlowThreads

WAITING_MAX = 24  # two seconds of work: whoever waits for longer has gone
BUSY = "Too many tickets are being printed; try again in a moment."

Result = TypeVar("Result")


class Press:
    """Runs drawings off the event loop. Close it after use."""

    def __init__(self, *, waiting_max: int = WAITING_MAX) -> None:
        self._threads = SlowThreads("press", threads=1, waiting_max=waiting_max, busy=BUSY)
        self.close = self._threads.close

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work()` returns. Raises Overloaded when too many wait already."""
        return await asyncio.wrap_future(self._threads.submit(work))
