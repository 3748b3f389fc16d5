"""argon2id in a few threads with a short queue: the only expensive work that a stranger can cause.

A hash takes about 25 ms and 19 MiB. So the process runs as many at once as it may use cores, and a
bounded number wait for a bounded time. All others get 503 at once.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from chassis.concurrency.threads import SlowThreads
from chassis.problems import Overloaded

# The minimum of the OWASP Password Storage Cheat Sheet, which PROMISES.md requires.
MEMORY_COST_KIB = 19 * 1024
TIME_COST = 2
PARALLELISM = 1

WAITING_PER_THREAD_MAX = 8  # 0.2 s of work on an idle machine
WAIT_MAX_S = 0.3  # for a thread; during a sale a hash takes many times as long
BUSY = "Too many people are logging in right now. Try again in a moment."
UNUSABLE = "!"  # a password hash that no password matches

Result = TypeVar("Result")


def hash_parameters() -> PasswordHasher:
    return PasswordHasher(
        time_cost=TIME_COST,
        memory_cost=MEMORY_COST_KIB,
        parallelism=PARALLELISM,
        type=Type.ID,
    )


class HashingPool:
    """Hashes and verifies normalised passwords off the event loop. Close it after use.

    threads: hashes at once.  waiting_max: hashes that may wait; beyond it callers get Overloaded (503).
    """

    def __init__(
        self,
        *,
        threads: int,
        waiting_max: int | None = None,
        hasher: PasswordHasher | None = None,
        wait_max_s: float = WAIT_MAX_S,
    ) -> None:
        self._wait_max_s = wait_max_s
        self._hasher = hasher or hash_parameters()
        if waiting_max is None:
            waiting_max = threads * WAITING_PER_THREAD_MAX
        self._threads = SlowThreads("argon2", threads=threads, waiting_max=waiting_max, busy=BUSY)
        self.close = self._threads.close
        # Verified if there is no account, so that both cases take the same time.
        self._nobodys_hash = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """The hash in PHC form, with its parameters and salt."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """True if `password` made `stored`. None and UNUSABLE take as long and are never true."""
        usable = stored is not None and stored.startswith("$argon2")
        target = stored if usable and stored is not None else self._nobodys_hash

        def verified() -> bool:
            try:
                return self._hasher.verify(target, password)
            except (VerificationError, InvalidHashError):
                return False

        return await self._run(verified) and usable

    def is_outdated(self, stored: str) -> bool:
        """True if it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    async def _run(self, work: Callable[[], Result]) -> Result:
        future = self._threads.submit(work)
        deadline = asyncio.get_running_loop().call_later(self._wait_max_s, future.cancel)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if future.cancelled() and caller is not None and not caller.cancelling():
                # no thread was free in time; a hash that already runs is finished
                raise Overloaded(BUSY) from None
            raise
        finally:
            deadline.cancel()


def threads_for(web_processes: int) -> int:
    """This process's share of the cores, at least one."""
    return max(1, (os.cpu_count() or 1) // max(1, web_processes))
