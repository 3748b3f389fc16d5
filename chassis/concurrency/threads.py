"""Slow work that strangers can request, in a few threads with a short queue.

It never runs on the event loop. A bounded number runs at once, a bounded number waits, and all others get
503 at once.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from chassis.problems import Overloaded

NICENESS = 10  # this work yields to the sale on the same cores

Result = TypeVar("Result")


class SlowThreads:
    """`submit(work)` returns a future of `work()`'s result. Close it after use.

    threads: running at once.  waiting_max: waiting; beyond it callers get Overloaded.  busy: its detail.
    """

    def __init__(self, name: str, *, threads: int, waiting_max: int, busy: str) -> None:
        self._places = threads + waiting_max
        self._taken = 0
        self._lock = threading.Lock()
        self._busy = busy
        self._executor = ThreadPoolExecutor(
            threads, thread_name_prefix=name, initializer=_yield_to_others
        )

    def submit(self, work: Callable[[], Result]) -> "Future[Result]":
        with self._lock:
            if self._taken >= self._places:
                raise Overloaded(self._busy)
            self._taken += 1
        future = self._executor.submit(work)
        future.add_done_callback(self._leave)
        return future

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _: "Future[Any]") -> None:
        """Also if the caller has gone: the place is free when the thread is, not earlier."""
        with self._lock:
            self._taken -= 1


def _yield_to_others() -> None:
    """Linux sets priorities per thread. Elsewhere the number would mean another process."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
