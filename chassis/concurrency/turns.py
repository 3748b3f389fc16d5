"""Locks by key within this process: first come, first served, with a bounded queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chassis.problems import Overloaded


class KeyedLock:
    """`async with turns.of(key):` runs alone among holders of the same key.

    per_key_max: running and waiting for one key; beyond it callers get Overloaded (503) at once.
    """

    def __init__(self, *, per_key_max: int) -> None:
        self._per_key_max = per_key_max
        self._lines: dict[bytes, _Line] = {}

    @asynccontextmanager
    async def of(self, key: bytes) -> AsyncIterator[None]:
        line = self._lines.setdefault(key, _Line())
        if line.length >= self._per_key_max:
            raise Overloaded()
        line.length += 1
        try:
            async with line.lock:
                yield
        finally:
            line.length -= 1
            if line.length == 0:
                del self._lines[key]


class _Line:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.length = 0
