"""The addresses behind a service's name, and how well each has been answering.

An address that fails BREAK_AFTER_FAILURES times in a row gets no calls for BREAK_FOR_S. Then exactly one
call tests whether it is back (a half-open circuit breaker). The same applies to an address that answers
almost only 502, 503 and 504: since it refuses at once it is never busy, so it would attract all calls.
Below that share, the less busy of two addresses is chosen, weighted by its recent failures. An address
that sheds only its excess load keeps the rest.

If more than half of the addresses are broken, those that fail without delay are called anyway (Envoy
calls this panic mode): refusing everything is no better, and the only address of a service is back with
the first call that reaches it. Addresses that hang get no calls: callers are refused at once instead of
waiting for a deadline.

While no address accepts connections, as when the only process of a service restarts, a few calls wait for
it, up to RESTART_S since it went away.
"""

import asyncio
import contextlib
import math
import random
import socket
import time
from collections.abc import Iterator, Sequence

from chassis.clock import MachineClock

RESOLVE_INTERVAL_S = 5.0
BREAK_AFTER_FAILURES = 3
BREAK_FOR_S = 2.0
BREAK_AT_SHARE = 0.95  # of refusals: sixty in a row; four times the rated load gives 0.75
FAILURE_SHARE_STEP = 0.05  # one call's weight in the share of failed calls
FAILURE_SHARE_FADES_S = 5.0  # without calls, a third of the share is left after this time
FAILURE_WEIGHT = 10.0  # a host that always fails counts as this much busier
RESTART_S = 3.0  # a service's process starts in two seconds
RETRY_INTERVAL_S = 0.1
WAITING_MAX = 128  # calls per process; half of the gateway's places (CONCURRENCY_MAX)
REFUSALS = frozenset({502, 503, 504})


class Host:
    """One address: its load, and whether it may be called."""

    def __init__(self, address: str, *, clock: MachineClock = time) -> None:
        self.address = address
        self._monotonic = clock.monotonic
        self.under_way = 0
        self._failures = 0
        self._hung = False
        self._broken_until = 0.0
        self._probed = False
        self._share, self._share_at = 0.0, 0.0

    def takes_calls(self, now: float) -> bool:
        return not self._broken_until or (now >= self._broken_until and not self._probed)

    def fails_at_once(self) -> bool:
        """True if calling it anyway costs a caller no time."""
        return not self._hung

    def cost(self, now: float) -> float:
        share = self._share * math.exp((self._share_at - now) / FAILURE_SHARE_FADES_S)
        return (self.under_way + 1) * (1 + FAILURE_WEIGHT * share)

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Wraps every call. A call to a broken host is its probe."""
        probe = bool(self._broken_until)
        self._probed = self._probed or probe
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1
            if probe:
                self._probed = False

    def failed(self, *, hung: bool = False) -> None:
        """`hung`: it made the caller wait."""
        self._failures += 1
        self._hung = hung
        self._count(1.0)
        if self._failures >= BREAK_AFTER_FAILURES:
            self._broken_until = self._monotonic() + BREAK_FOR_S

    def answered(self, status: int = 200) -> None:
        self._failures = 0
        self._hung = False
        if status in REFUSALS:
            self._count(1.0)
            if self._broken_until or self._share >= BREAK_AT_SHARE:
                self._broken_until = self._monotonic() + BREAK_FOR_S
            return
        self._broken_until = 0.0
        if self._share:
            self._count(0.0)

    def _count(self, failed: float) -> None:
        now = self._monotonic()
        share = self._share * math.exp((self._share_at - now) / FAILURE_SHARE_FADES_S)
        self._share, self._share_at = share + FAILURE_SHARE_STEP * (failed - share), now


class Hosts:
    """All addresses of a name, resolved every RESOLVE_INTERVAL_S outside of requests.

    known: its addresses now, if the name need not be asked first.
    """

    def __init__(
        self,
        name: str,
        port: int,
        *,
        known: Sequence[Host] = (),
        restart_s: float = RESTART_S,
        waiting_max: int = WAITING_MAX,
        clock: MachineClock = time,
    ) -> None:
        self._name, self._port = name, port
        self._restart_s, self._waiting_max = restart_s, waiting_max
        self._clock = clock
        self._hosts = list(known)
        self._resolved_at = clock.monotonic() if known else float("-inf")
        self._resolving: asyncio.Task[None] | None = None
        self._away_since: float | None = None
        self._waiting = 0

    async def pick(self, tried: list[Host]) -> Host | None:
        """The better of two addresses that accept calls and are not in `tried`. Raises OSError: no such
        name."""
        await self._keep_resolved()
        now = self._clock.monotonic()
        takers = [one for one in self._hosts if one.takes_calls(now)]
        if 2 * len(takers) < len(self._hosts):
            others = (one for one in self._hosts if one not in takers and one.fails_at_once())
            takers.extend(others)
        able = [one for one in takers if one not in tried]
        if not able:
            able = [one for one in self._hosts if one not in tried and one.fails_at_once()]
        if not able:
            return None
        return min(random.sample(able, min(2, len(able))), key=lambda host: host.cost(now))

    def connected(self) -> None:
        self._away_since = None

    async def may_come_back(self) -> bool:
        """No address accepted a connection: waits a moment. True if all may be tried again."""
        now = self._clock.monotonic()
        if self._away_since is None:
            self._away_since = now
        gone_s = now - self._away_since
        if gone_s > self._restart_s or self._waiting >= self._waiting_max:
            return False
        if not all(one.fails_at_once() for one in self._hosts):
            return False
        self._waiting += 1
        try:
            await asyncio.sleep(random.uniform(0.5, 1.5) * RETRY_INTERVAL_S)
        finally:
            self._waiting -= 1
        return True

    async def close(self) -> None:
        if self._resolving is not None:
            self._resolving.cancel()
            await asyncio.wait((self._resolving,))

    async def _keep_resolved(self) -> None:
        if self._clock.monotonic() - self._resolved_at < RESOLVE_INTERVAL_S:
            return
        if self._resolving is None or self._resolving.done():
            self._resolving = asyncio.get_running_loop().create_task(self._resolve())
            self._resolving.add_done_callback(lambda task: task.cancelled() or task.exception())
        if not self._hosts:  # otherwise the old addresses serve until the answer is there
            await asyncio.shield(self._resolving)

    async def _resolve(self) -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._name, self._port, type=socket.SOCK_STREAM)
        self._resolved_at = self._clock.monotonic()
        addresses = {str(entry[4][0]) for entry in found}
        kept = [one for one in self._hosts if one.address in addresses]
        known = {one.address for one in kept}
        self._hosts = kept + [
            Host(address, clock=self._clock) for address in sorted(addresses - known)
        ]
