"""Loads a session's seats into Redis from PostgreSQL.

First use after publishing, loss of one key and loss of all Redis take the same path: a script answers
`not_loaded`, one process gets the session's lock, and the others wait briefly or answer 503.

    close     the session counts as not loaded, so nothing more is written to it
    snapshot  read the session from PostgreSQL
    stage     write the six keys under other names, in bounded pieces
    load      one script replaces the old keys with the staged ones

Why concurrent holds are safe. Claims committed before the snapshot are in it. A hold from before `close`
that is not committed yet is lost in Redis: its seats look free, and another order may hold them too.
PostgreSQL gives the seats to one of the two orders; the other is refused and Redis is corrected. release,
sell, correct and unblock run after their commit: if the session is closed, they wait for the load and run
again on the loaded state. A rebuild that dies leaves the session not loaded, and staged keys that expire.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Sequence
from uuid import UUID

from booking.seats.claims import ClaimSource
from booking.seats.keys import session_keys, staged_keys
from booking.seats.loaded import add_loaded
from booking.seats.snapshot import pack
from chassis.observability import logs
from chassis.problems import Unavailable
from chassis.redis.scripts import RedisCalls, Script
from chassis.redis.slots import Call

WAIT_S = 2.0  # longest a request waits for a session to be loaded
TRY_S = 10.0  # longest one task tries, for all waiting requests; the next request starts another
POLL_S = 0.02
LOCK_RETRY_S = 0.2  # how often a waiting process tries to get the lock
STAGE_BATCH_MAX = 32  # commands

log = logs.get("booking")


class Rebuilder:
    """Loads sessions: one load a session at a time, for all waiting requests of this process."""

    def __init__(
        self,
        calls: RedisCalls,
        scripts: dict[str, Script],
        truth: ClaimSource,
        *,
        wait_s: float = WAIT_S,
    ) -> None:
        self._wait_s = wait_s
        self._calls = calls
        self._scripts = scripts
        self._truth = truth
        self._under_way: dict[UUID, asyncio.Task[None]] = {}

    async def ensure_loaded(self, session_id: UUID) -> None:
        """Returns once the session is loaded. Raises NotFound, or Unavailable after WAIT_S."""
        task = self._under_way.get(session_id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load_if_missing(session_id))
            self._under_way[session_id] = task
            task.add_done_callback(lambda done: self._ended(session_id, done))
        try:
            async with asyncio.timeout(self._wait_s):
                await asyncio.shield(task)  # a waiter that goes leaves the loading alone
        except TimeoutError as late:
            raise Unavailable("The seats of this session are being loaded.") from late

    async def rebuild(self, session_id: UUID) -> None:
        """Replaces the session in Redis. Raises Unavailable while another process does the same."""
        async with self._truth.rebuild_lock(session_id) as mine:
            if not mine:
                raise Unavailable("The seats of this session are being loaded.")
            await self._load(session_id)

    def _ended(self, session_id: UUID, task: "asyncio.Task[None]") -> None:
        self._under_way.pop(session_id, None)
        if not task.cancelled():
            task.exception()  # mark as retrieved: the waiters get it from the task

    async def _load_if_missing(self, session_id: UUID) -> None:
        give_up_at = time.monotonic() + TRY_S
        while True:
            async with self._truth.rebuild_lock(session_id) as mine:
                if mine:
                    if not await self._is_loaded(session_id):
                        await self._load(session_id)
                    return
            try_again_at = min(time.monotonic() + LOCK_RETRY_S, give_up_at)
            while time.monotonic() < try_again_at:
                if await self._is_loaded(session_id):
                    return
                await asyncio.sleep(POLL_S)
            if time.monotonic() >= give_up_at:
                raise Unavailable("The seats of this session are being loaded.")

    async def _is_loaded(self, session_id: UUID) -> bool:
        keys = session_keys(session_id)
        return bool(await self._calls.command("EXISTS", *keys) == len(keys))

    async def _load(self, session_id: UUID) -> None:
        started = time.monotonic()
        keys = session_keys(session_id)
        _, (version,) = await self._calls.run(self._scripts["close"], keys, [])
        snapshot = await self._truth.snapshot(session_id)
        seconds, microseconds = await self._calls.command("TIME", beside=keys[0])
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        staged = staged_keys(session_id, secrets.token_hex(8))
        # in a thread: packing half a million claims takes a second
        commands = await asyncio.to_thread(pack, snapshot, staged, now_ms)
        await self._stage(commands)
        word, _ = await self._calls.run(
            self._scripts["load"], [*keys, *staged], [version + 1 if version else 0]
        )
        if word == "not_staged":  # Redis was flushed meanwhile; the next request starts again
            raise Unavailable("The seats of this session were lost while they were loaded.")
        await add_loaded(self._calls, [session_id])
        log.info(
            "seats_loaded",
            session=session_id,
            claims=len(snapshot.claims),
            duration=f"{(time.monotonic() - started) * 1000:.0f}ms",
        )

    async def _stage(self, commands: Sequence[Call]) -> None:
        for start in range(0, len(commands), STAGE_BATCH_MAX):
            waiting: list[Awaitable[object]] = [
                self._calls.command(*command)
                for command in commands[start : start + STAGE_BATCH_MAX]
            ]
            await asyncio.gather(*waiting)
