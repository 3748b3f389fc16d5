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

An address that answers with `Connection: close` is about to end (RFC 9112, 9.6): others get its calls.
An address that comes back, or is new, gets a share that grows for SLOW_START_S, since its caches are cold.

While no address accepts connections, as when the only process of a service restarts, a few calls wait for
it, up to RESTART_S since it went away.
"""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Iterator, Sequence

from chassis.clock import MachineClock
from chassis.observability import logs
from chassis.seam.address import Address
from chassis.seam.addresses import Source, source_of

# A new address is seen within two seconds, whatever the TTL: resolvers on the way keep to that.
RESOLVE_INTERVAL_S = 0.5
BREAK_AFTER_FAILURES = 3
BREAK_FOR_S = 2.0
BREAK_AT_SHARE = 0.95  # of refusals: sixty in a row; four times the rated load gives 0.75
FAILURE_SHARE_STEP = 0.05  # one call's weight in the share of failed calls
FAILURE_SHARE_FADES_S = 5.0  # without calls, a third of the share is left after this time
FAILURE_WEIGHT = 10.0  # a host that always fails counts as this much busier
RESTART_S = 3.0  # a service's process starts in two seconds
RETRY_INTERVAL_S = 0.1
WAITING_MAX = 128  # calls per process; half of the gateway's places (CONCURRENCY_MAX)
LEAVING_S = (
    2.0  # after an answer with `Connection: close`; then a call looks whether it is still there
)
SLOW_START_S = 5.0
FIRST_SHARE = 0.1  # of the calls that a warm address gets, at the beginning of that
SHARE_FORGOTTEN = 0.01  # failures that are this few or this long ago do not count

log = logs.get("seam")


class Host:
    """One address: its load, and whether it may be called."""

    def __init__(
        self, address: str, port: int = 0, *, name: str = "", clock: MachineClock = time
    ) -> None:
        self.address, self.port = address, port
        self.name = name  # for the Host header and for certificates, if it has one of its own
        self.priority, self.weight = 0, 1
        self._monotonic = clock.monotonic
        self.under_way = 0
        self._failures = 0
        self._hung = False
        self._broken_until = 0.0
        self._probed = False
        self._share, self._share_at = 0.0, 0.0
        self._leaving_until = 0.0
        self._cold_since = float("-inf")

    def takes_calls(self, now: float) -> bool:
        return not self._broken_until or (now >= self._broken_until and not self._probed)

    def fails_at_once(self) -> bool:
        """True if calling it anyway costs a caller no time."""
        return not self._hung

    def may_be_probed(self) -> bool:
        """True if one call may wait for it: there is no other address, and nobody else waits."""
        return not self._hung or not self._probed

    def is_leaving(self, now: float) -> bool:
        return now < self._leaving_until

    def warmth(self, now: float) -> float:
        """Its share of the calls beside a warm address: 0.1 at first, growing to 1."""
        return max(FIRST_SHARE, min(1.0, (now - self._cold_since) / SLOW_START_S))

    def cost(self, now: float) -> float:
        share = self._share * math.exp((self._share_at - now) / FAILURE_SHARE_FADES_S)
        if share < SHARE_FORGOTTEN:
            share = 0.0
        return (self.under_way / self.weight + 1) * (1 + FAILURE_WEIGHT * share)

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

    def answered(self, status: int = 200, *, leaving: bool = False) -> None:
        self._failures = 0
        self._hung = False
        if status >= 500:
            self._count(1.0)
            if self._broken_until or self._share >= BREAK_AT_SHARE:
                self._broken_until = self._monotonic() + BREAK_FOR_S
            return
        if leaving:
            self._leaving_until = self._monotonic() + LEAVING_S
        elif self._leaving_until or self._broken_until:
            self._leaving_until = 0.0
            self.start_slowly()
        self._broken_until = 0.0
        if self._share:
            self._count(0.0)

    def start_slowly(self) -> None:
        self._cold_since = self._monotonic()

    def _count(self, failed: float) -> None:
        now = self._monotonic()
        share = self._share * math.exp((self._share_at - now) / FAILURE_SHARE_FADES_S)
        self._share, self._share_at = share + FAILURE_SHARE_STEP * (failed - share), now


class Hosts:
    """All addresses of a service. Names are resolved in the background every RESOLVE_INTERVAL_S, from
    `open` to `close`; a call waits only for the first time.

    known: its addresses now, if they need not be asked first. sources: where they come from, if not from
    `name` and `port`.
    """

    def __init__(
        self,
        name: str,
        port: int,
        *,
        known: Sequence[Host] = (),
        sources: Sequence[Source] | None = None,
        restart_s: float = RESTART_S,
        waiting_max: int = WAITING_MAX,
        clock: MachineClock = time,
    ) -> None:
        self._name = name
        self._restart_s, self._waiting_max = restart_s, waiting_max
        self._clock = clock
        self._sources = [source_of(name, port)] if sources is None else sources
        self._found: list[Sequence[Address]] = [one.fixed for one in self._sources]
        self._hosts: list[Host] = list(known)
        self._alike = True  # one priority and one weight
        for host in known:
            host.port = host.port or port
        if not known:
            self._update()
        self._resolved = asyncio.Event()
        self._resolving: asyncio.Task[None] | None = None
        self._failure: OSError | None = None
        self._away_since: float | None = None
        self._waiting = 0

    def open(self) -> None:
        if self._resolving is None and any(one.find for one in self._sources):
            self._resolving = asyncio.get_running_loop().create_task(self._keep_resolved())

    async def close(self) -> None:
        if self._resolving is not None:
            self._resolving.cancel()
            await asyncio.wait((self._resolving,))

    async def pick(self, tried: list[Host]) -> Host | None:
        """The better of two addresses that accept calls and are not in `tried`. Raises OSError: no such
        name."""
        if not self._hosts:
            await self._resolved.wait()
            if self._failure is not None and not self._hosts:
                raise OSError(str(self._failure))
        now = self._clock.monotonic()
        takers = [one for one in self._hosts if one.takes_calls(now)]
        if 2 * len(takers) < len(self._hosts):
            others = (one for one in self._hosts if one not in takers and one.fails_at_once())
            takers.extend(others)
        able = [one for one in takers if one not in tried]
        if not able:
            # One that hung costs a caller time, so only one call tries it, and only after all others.
            able = [
                one
                for one in self._hosts
                if one not in tried and (one.may_be_probed() if tried else one.fails_at_once())
            ]
        if len(able) > 1:
            return self._better_of_two(able, now)
        return able[0] if able else None

    def _better_of_two(self, able: list[Host], now: float) -> Host:
        if not self._alike:
            first = min(one.priority for one in able)
            able = [one for one in able if one.priority == first]
        able = [one for one in able if not one.is_leaving(now)] or able
        # Not random.random() for each: in almost all calls all are warm.
        able = [
            one for one in able if (warmth := one.warmth(now)) == 1.0 or warmth > random.random()
        ] or able
        if len(able) == 1:
            return able[0]
        return min(self._two_of(able), key=lambda host: host.cost(now))

    def _two_of(self, able: list[Host]) -> list[Host]:
        """The first one is taken if both cost the same."""
        if self._alike:
            return random.sample(able, 2)
        first = random.choices(able, [one.weight for one in able])[0]
        rest = [one for one in able if one is not first]
        return [first, random.choices(rest, [one.weight for one in rest])[0]]

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

    async def _keep_resolved(self) -> None:
        while True:
            await self.resolve()
            self._resolved.set()
            await asyncio.sleep(RESOLVE_INTERVAL_S)

    async def resolve(self) -> None:
        """A name that cannot be resolved, or has no address, keeps those it had."""
        failure: OSError | None = None
        for number, source in enumerate(self._sources):
            if source.find is None:
                continue
            try:
                found = await source.find()
            except OSError as failed:  # includes TimeoutError
                failure = failed
            else:
                self._found[number] = found or self._found[number]
        if failure is not None and self._failure is None:  # once per outage
            log.warning("name_not_resolved", service=self._name, reason=repr(failure))
        self._failure = failure
        self._update()

    def _update(self) -> None:
        """Hosts that stay keep what is known of them; those that join later start slowly."""
        known = {(one.address, one.port): one for one in self._hosts}
        hosts = []
        for address in dict.fromkeys(one for found in self._found for one in found):
            host = known.get((address.ip, address.port))
            if host is None:
                host = Host(address.ip, address.port, name=address.name, clock=self._clock)
                if known:
                    host.start_slowly()
            host.priority, host.weight = address.priority, address.weight
            hosts.append(host)
        self._hosts = hosts
        self._alike = len({(one.priority, one.weight) for one in hosts}) <= 1
