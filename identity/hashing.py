"""argon2id in a few threads with a short queue: the only costly thing that a stranger can ask for.

A hash takes about 25 ms and 19 MiB. So as many at once as this process may have cores, so many
waiting for so long, and whoever comes then is told at once to come back (503).
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

# OWASP Password Storage Cheat Sheet, the least that it calls enough; PROMISES.md asks for no less.
MEMORY_COST_KIB = 19 * 1024
TIME_COST = 2
PARALLELISM = 1

WAITING_PER_THREAD_MAX = 8  # 0.2 s of work on a machine that has nothing else to do
WAIT_MAX_S = 0.3  # for a thread: beside a sale a hash takes many times as long
BUSY = "Too many people log in right now; try again in a moment."
UNUSABLE = "!"  # a password hash that no password verifies against

Result = TypeVar("Result")


def hash_parameters() -> PasswordHasher:
    return PasswordHasher(
        time_cost=TIME_COST,
        memory_cost=MEMORY_COST_KIB,
        parallelism=PARALLELISM,
        type=Type.ID,
    )


class HashingPool:
    """Hashes and verifies passwords (normalised ones) off the event loop. Close it after use.

    threads: hashes at once.  waiting_max: hashes waiting; beyond it callers get Overloaded (503).
    """

    def __init__(
        self,
        *,
        threads: int,
        waiting_max: int | None = None,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._hasher = hasher or hash_parameters()
        if waiting_max is None:
            waiting_max = threads * WAITING_PER_THREAD_MAX
        self._threads = SlowThreads("argon2", threads=threads, waiting_max=waiting_max, busy=BUSY)
        self.close = self._threads.close
        # Verified when there is no account, so that its absence takes as long as its presence.
        self._nobodys_hash = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str) -> str:
        """The hash in PHC form, its parameters and salt within."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` made `stored`. None and UNUSABLE take as long, and are never verified."""
        usable = stored is not None and stored.startswith("$argon2")
        target = stored if usable and stored is not None else self._nobodys_hash

        def verified() -> bool:
            try:
                return self._hasher.verify(target, password)
            except (VerificationError, InvalidHashError):
                return False

        return await self._run(verified) and usable

    def is_outdated(self, stored: str) -> bool:
        """Whether it was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    async def _run(self, work: Callable[[], Result]) -> Result:
        future = self._threads.submit(work)
        deadline = asyncio.get_running_loop().call_later(WAIT_MAX_S, future.cancel)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if future.cancelled() and caller is not None and not caller.cancelling():
                raise Overloaded(BUSY) from None  # no thread took it in time; a running one ends
            raise
        finally:
            deadline.cancel()


def threads_for(web_processes: int) -> int:
    """This process's share of the cores; one at least."""
    return max(1, (os.cpu_count() or 1) // max(1, web_processes))
