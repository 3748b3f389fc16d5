"""Work that is done again and again in the background: sweepers, senders, relays, refreshers.

Not for loops that end by themselves: with what they wait for (a lock, a seat map, a mark in Redis), or
with the connection they hold (a relay's lead, a NATS consumer's connection).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from chassis.clock import MachineClock
from chassis.concurrency.backoff import Backoff, pause

Result = TypeVar("Result")


async def repeat(
    one_round: Callable[[], Awaitable[Result]],
    stop: asyncio.Event | None,
    *,
    interval_s: float | Callable[[Result], float],
    retry: Backoff | float,
    failed: Callable[[Exception, int], object],
    expected: tuple[type[Exception], ...] = (Exception,),
    wait: Callable[[asyncio.Event, float], Awaitable[object]] = pause,
) -> None:
    """One round after the other until `stop` is set (None: until this is cancelled).

    interval_s: seconds between two rounds, or what tells them from a round's result.
    retry: seconds until the next round when one has failed.
    failed: called with the failure, and how many rounds in a row have failed: writes the log line.
    expected: failures that end nothing. Any other ends the loop and is raised.
    wait: waits for the seconds, or until `stop`.
    """
    stop = stop or asyncio.Event()
    failures = 0
    while not stop.is_set():
        try:
            result = await one_round()
        except expected as failure:
            failures += 1
            failed(failure, failures)
            wait_s = retry.delay_s(failures) if isinstance(retry, Backoff) else retry
        else:
            failures = 0
            wait_s = interval_s(result) if callable(interval_s) else interval_s
        await wait(stop, wait_s)


class Every:
    """For what a round does only now and then: `is_due()` is True once in `interval_s`.

    The first time is at once, or with `at_once=False` when the interval has passed.
    """

    def __init__(
        self, interval_s: float, *, at_once: bool = True, clock: MachineClock = time
    ) -> None:
        self._interval_s = interval_s
        self._monotonic = clock.monotonic
        self._since = float("-inf") if at_once else self._monotonic()

    def is_due(self) -> bool:
        now = self._monotonic()
        if now - self._since <= self._interval_s:
            return False
        self._since = now
        return True
