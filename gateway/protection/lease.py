"""For how long this process knows all revoked logins without asking Redis (docs/adr/0081).

Whoever revokes a login also appends it to a stream in Redis. A process that has read the stream to its end
knows every login that was appended before it asked: for LEASE_S from then on it asks about no login. Whoever
revokes a login waits LEASE_S after appending it, before anybody is told. A lease that is still good then
began later, with a read that found the login.

Each process counts by its own monotonic clock, from before it asked, and nobody else's clock counts. A
process that was stopped for longer than LEASE_S has no lease when it goes on.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from chassis.clock import MachineClock
from chassis.observability import logs
from chassis.problems import Overloaded
from chassis.redis.scripts import RedisCalls
from chassis.redis.slots import Call

MARKS = "revoked-logins:{marks}"
MARKS_MAX = (
    10_000  # about a megabyte; who has not read what was dropped reads identity's list again
)
FIELD = "logins"
READ_MAX = 1_000
LEASE_S = 0.1  # so much longer takes a logout
RENEW_AFTER_S = 0.04  # while requests come; an event loop may then be 60 ms late
PAUSE_S = 1.0  # after a read that failed
CLOCKS_RATE = 1.01  # no clock of two machines runs faster by as much

Entry = tuple[bytes, list[bytes]]

log = logs.get("gateway")


class Lease:
    """`is_good(now_s)` before each request; it renews itself while it is asked.

    learn: gets the logins of each entry of the stream, as `mark` was given them.
    """

    def __init__(
        self,
        redis: RedisCalls,
        learn: Callable[[str], None],
        *,
        read_max: int = READ_MAX,
        clock: MachineClock = time,
    ) -> None:
        self._redis = redis
        self._learn = learn
        self._read_max = read_max
        self._monotonic = clock.monotonic
        self._position: bytes | None = None  # in the stream: all entries up to it are known
        self._good_until_s = self._renew_at_s = self._suspended_until_s = float("-inf")
        self._is_renewing = False

    def is_good(self, now_s: float) -> bool:
        """True: all logins that were revoked before this request came are known here."""
        if now_s >= self._renew_at_s and not self._is_renewing and self._position is not None:
            self._renew(self._position, now_s)
        return now_s < self._good_until_s

    def mark(self, logins: str) -> Call:
        """The call that appends logins to the stream."""
        return ("XADD", MARKS, "MAXLEN", "~", MARKS_MAX, "*", FIELD, logins)

    async def run_out(self) -> None:
        """Returns when no process has a lease that began before this call."""
        until_s = self._monotonic() + LEASE_S * CLOCKS_RATE
        while True:  # a timer may ring early by its own clock
            left_s = until_s - self._monotonic()
            if left_s <= 0:
                return
            await asyncio.sleep(left_s)

    async def last_mark(self) -> bytes | None:
        """The end of the stream, which gets an entry if it has none. None: Redis is away."""
        try:
            found = await self._redis.command("XREVRANGE", MARKS, "+", "-", "COUNT", 1)
            if found:
                return bytes(found[0][0])
            return bytes(await self._redis.command(*self.mark("")))
        except Overloaded:
            return None

    def begin(self, position: bytes) -> None:
        """All logins up to this entry are known now: identity's list was read after `last_mark`."""
        self._position = position

    def lose(self) -> None:
        """Something may be missing here: no lease before the next `begin`."""
        self._position = None
        self._good_until_s = float("-inf")

    def suspend(self, seconds: float) -> None:
        """No lease for so long, whatever the stream says."""
        self._suspended_until_s = self._monotonic() + seconds
        self._good_until_s = float("-inf")

    def _renew(self, position: bytes, now_s: float) -> None:
        try:
            read = self._redis.submit(("XRANGE", MARKS, position, "+", "COUNT", self._read_max))
        except Overloaded:
            return
        self._is_renewing = True
        read.add_done_callback(partial(self._heard, position, now_s))

    def _heard(self, position: bytes, asked_s: float, read: "asyncio.Future[list[Entry]]") -> None:
        self._is_renewing = False
        failure = read.exception() if not read.cancelled() else None
        if failure is not None or read.cancelled():
            self._renew_at_s = asked_s + PAUSE_S
            if failure is not None and not isinstance(failure, Overloaded):
                log.error("revocations_not_read", exc_info=failure)
            return
        self._take(position, asked_s, read.result())

    def _take(self, position: bytes, asked_s: float, entries: list[Any]) -> None:
        if not entries or entries[0][0] != position:  # Redis lost it, or has dropped it
            self.lose()
            return
        self._position = entries[-1][0]
        for _, fields in entries[1:]:
            self._learn(fields[1].decode("ascii"))
        if self._position is None or len(entries) == self._read_max:
            return  # something is missing, or there is more to read
        self._renew_at_s = asked_s + RENEW_AFTER_S
        if asked_s >= self._suspended_until_s:
            self._good_until_s = asked_s + LEASE_S
