"""Slow drawing in one thread with a short queue: a stranger with a link must not keep a core busy.

A page takes some 80 ms. So one at a time, so many waiting, and whoever comes then is told at once
to come back (503). The event loop never draws.
"""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from chassis.problems import Overloaded

WAITING_MAX = 24  # two seconds of work: whoever waits for longer has gone
THREAD_NICENESS = 10  # drawing yields to the sale that runs on the same cores

Result = TypeVar("Result")


class Press:
    """Runs drawings off the event loop. Close it after use."""

    def __init__(self, *, waiting_max: int = WAITING_MAX) -> None:
        self._places = 1 + waiting_max
        self._taken = 0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(
            1, thread_name_prefix="press", initializer=_yield_to_others
        )

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work()` returns. Raises Overloaded when too many wait already."""
        with self._lock:
            if self._taken >= self._places:
                raise Overloaded("Too many tickets are being printed; try again in a moment.")
            self._taken += 1
        future = self._executor.submit(work)
        future.add_done_callback(self._leave)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _: "Future[Result]") -> None:
        with self._lock:
            self._taken -= 1


def _yield_to_others() -> None:
    """Linux schedules threads one by one; elsewhere the number would name another process."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), THREAD_NICENESS)
