"""Pauses between tries, and waiting that a stop ends early."""

import asyncio
import random

import msgspec


class Backoff(msgspec.Struct, frozen=True):
    """Doubles after each failure, from `first_s` to `most_s`, minus up to half at random, so that clients
    that failed together do not retry together."""

    first_s: float
    most_s: float

    def delay_s(self, failures: int) -> float:
        """Seconds to wait after this many failures in a row (1 or more)."""
        whole: float = self.first_s * 2 ** min(failures - 1, 30)
        return min(whole, self.most_s) * random.uniform(0.5, 1.0)


async def pause(stop: asyncio.Event, delay_s: float) -> bool:
    """Waits so long, or until `stop`. True if it is time to stop."""
    try:
        async with asyncio.timeout(delay_s):
            await stop.wait()
    except TimeoutError:
        return stop.is_set()
    return True
