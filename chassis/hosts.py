"""The addresses behind a service's name, and how each of them has been answering.

An address that fails BREAK_AFTER_FAILURES times in a row is left alone for BREAK_FOR_S; then one
call, and only one, is let through to see whether it is back (a half-open circuit breaker). While
every address is left alone, callers are refused at once instead of waiting for a deadline each.
"""

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Iterator

RESOLVE_EVERY_S = 5.0
BREAK_AFTER_FAILURES = 3
BREAK_FOR_S = 2.0


class Host:
    """One address: how busy we keep it and whether it may be called."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.under_way = 0
        self._failures = 0
        self._broken_until = 0.0
        self._probed = False

    def takes_calls(self, now: float) -> bool:
        return not self._broken_until or (now >= self._broken_until and not self._probed)

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Around every call; the one made to a broken host is its probe."""
        probe = bool(self._broken_until)
        self._probed = self._probed or probe
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1
            if probe:
                self._probed = False

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= BREAK_AFTER_FAILURES:
            self._broken_until = time.monotonic() + BREAK_FOR_S

    def answered(self) -> None:
        self._failures = 0
        self._broken_until = 0.0


class Hosts:
    """All addresses of a name; asked again every RESOLVE_EVERY_S, off the request's way."""

    def __init__(self, name: str, port: int) -> None:
        self._name, self._port = name, port
        self._hosts: list[Host] = []
        self._resolved_at = float("-inf")
        self._resolving: asyncio.Task[None] | None = None

    async def pick(self, tried: list[Host]) -> Host | None:
        """The less busy of two that take calls, none of `tried`. Raises OSError: no such name."""
        await self._keep_resolved()
        now = time.monotonic()
        able = [one for one in self._hosts if one not in tried and one.takes_calls(now)]
        if not able:
            return None
        return min(random.sample(able, min(2, len(able))), key=lambda host: host.under_way)

    async def close(self) -> None:
        if self._resolving is not None:
            self._resolving.cancel()
            await asyncio.wait((self._resolving,))

    async def _keep_resolved(self) -> None:
        if time.monotonic() - self._resolved_at < RESOLVE_EVERY_S:
            return
        if self._resolving is None or self._resolving.done():
            self._resolving = asyncio.get_running_loop().create_task(self._resolve())
            self._resolving.add_done_callback(lambda task: task.cancelled() or task.exception())
        if not self._hosts:  # otherwise yesterday's addresses serve until the answer is there
            await asyncio.shield(self._resolving)

    async def _resolve(self) -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._name, self._port, type=socket.SOCK_STREAM)
        self._resolved_at = time.monotonic()
        addresses = {str(entry[4][0]) for entry in found}
        kept = [one for one in self._hosts if one.address in addresses]
        known = {one.address for one in kept}
        self._hosts = kept + [Host(address) for address in sorted(addresses - known)]
