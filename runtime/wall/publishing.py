"""One process of those that count together writes their digest to Redis.

Which one, a lock on a file among theirs decides, which the kernel releases at a process's end. Redis that is
away costs nothing but the wall: it is tried again at the next round.
"""

import asyncio
import fcntl
import secrets
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec

from chassis import settings
from chassis.concurrency.rounds import repeat
from chassis.observability import logs
from chassis.problems import Problem
from chassis.redis.scripts import RedisCalls
from chassis.redis.servers import Servers
from contracts.wall import (
    SOURCES_KEY,
    SOURCES_TTL_S,
    UNWATCHED_INTERVAL_S,
    WATCHED_INTERVAL_S,
    WATCHED_KEY,
)
from runtime.wall.reading import FilesReader, Read, read_own

LOCK = "wall.lock"

log = logs.get("wall")


class Publisher:
    """`await look()` once a second. `source`: the same for all processes that count together."""

    def __init__(
        self,
        calls: RedisCalls,
        read: Read,
        *,
        source: str,
        machine: str,
        roles: list[str],
    ) -> None:
        self._calls = calls
        self._read = read
        self._source = source
        self._machine, self._roles = machine, roles
        self._published_s = float("-inf")

    async def look(self) -> None:
        """Publishes if somebody watches, or if the last time was long ago."""
        watched = await self._calls.command("EXISTS", WATCHED_KEY)
        if watched or time.monotonic() - self._published_s >= UNWATCHED_INTERVAL_S:
            await self.publish()

    async def publish(self) -> None:
        at_s = time.monotonic()
        digest = self._read().digest(self._machine, self._roles, at_s)
        written = self._calls.command(
            "HSET", SOURCES_KEY, self._source, msgspec.json.encode(digest)
        )
        kept = self._calls.command("EXPIRE", SOURCES_KEY, SOURCES_TTL_S)
        await asyncio.gather(written, kept)
        self._published_s = at_s

    async def leave(self) -> None:
        """This source has ended, and is not late."""
        await self._calls.command("HDEL", SOURCES_KEY, self._source)


@asynccontextmanager
async def published(redis_url: str, role: str) -> AsyncIterator[None]:
    """Publishes in the background until the block ends, if this process is the one that does."""
    publishing = asyncio.create_task(_keep_publishing(redis_url, role), name="wall")
    try:
        yield
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


async def _keep_publishing(redis_url: str, role: str) -> None:
    directory = settings.metrics_dir()
    machine = socket.gethostname()
    held: IO[bytes] | None = None
    calls = RedisCalls(Servers(redis_url), {})
    try:
        if directory is None:
            source, roles, read = f"{machine}:{secrets.token_hex(8)}", [role], read_own
        else:
            held = await _alone(directory / LOCK)
            source, roles = f"{machine}:{directory.parent.name}/{directory.name}", [role]
            read = FilesReader(directory).read
        publisher = Publisher(calls, read, source=source, machine=machine, roles=roles)
        try:
            await _publish(publisher)
        finally:
            await _leave(publisher)
    finally:
        await calls.close()
        if held is not None:
            held.close()


async def _publish(publisher: Publisher) -> None:
    def failed(failure: Exception, failures: int) -> None:
        if failures == 1 and not isinstance(failure, Problem):
            log.error("wall_not_told", exc_info=failure)

    await repeat(
        publisher.look,
        None,
        interval_s=WATCHED_INTERVAL_S,
        retry=WATCHED_INTERVAL_S,
        failed=failed,
    )


async def _leave(publisher: Publisher) -> None:
    with suppress(Problem):
        await publisher.leave()


async def _alone(path: Path) -> IO[bytes]:
    """Waits until this process is the one that publishes."""
    file = path.open("wb")
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(WATCHED_INTERVAL_S)
        else:
            return file
