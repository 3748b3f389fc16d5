"""The audit on a schedule: one process does it, now and then, and what it finds is a metric and a log line.

Its cost is bounded. A check looks at page after page of some thousand rows, each one statement with the time
limit of our connections. After each comes a pause of REST times its duration, so an audit takes a fifth of
one core at most, however large the data are. A check that the limit ends is shown as unchecked. What is
older than HORIZON_DAYS is left to `stampede audit`: so a platform's tenth year costs no more than its second.
It reads where `audit_database_url` says, such as a standby (`?target_session_attrs=any`): there it costs the
primary nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

from booking.audit import metrics
from booking.audit.checks import DETAILS_MAX, LOOKS_MAX, REDIS, compare_redis, pages
from booking.audit.store import INVARIANTS
from booking.composition import Booking
from booking.seats.reconciler import RECONCILE_INTERVAL_S, SETTLED_S
from chassis.ids import eldest_since
from chassis.observability import logs
from chassis.observability.reports import Report
from chassis.postgres.pool import ROLLED_BACK, Pool
from chassis.problems import Overloaded

REST = 4.0
HORIZON_DAYS = 400  # longer than from a session's creation to its last refund
LOOK_AGAIN_S = 2.0  # a standby may be a moment behind
MENDED_S = (
    SETTLED_S + 2 * RECONCILE_INTERVAL_S
)  # what the reconciler has seen twice by then is mended

log = logs.get("booking")


class ScheduledAudit:
    """`await audit.take(report)`: one audit. `pool`: where the invariants are read. `mending`: waits until
    the reconciler has had its time."""

    def __init__(
        self,
        booking: Booking,
        pool: Pool,
        *,
        rest: float = REST,
        looks_max: int = LOOKS_MAX,
        mending: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(MENDED_S),
    ) -> None:
        self._looks_max = looks_max
        self._mending = mending
        self._booking = booking
        self._pool = pool
        self._rest = rest
        self._spent_s = 0.0  # on the check under way, without its pauses
        self._violations: dict[tuple[str, ...], float] = {}
        self._unchecked: dict[tuple[str, ...], float] = {}
        self._seconds: dict[tuple[str, ...], float] = {}

    async def take(self, report: Report) -> None:
        for invariant in (*INVARIANTS, REDIS):
            self._spent_s = 0.0
            found = await self._check(invariant)
            self._note(invariant, found, self._spent_s)
            report.show(metrics.VIOLATIONS, self._violations)
            report.show(metrics.UNCHECKED, self._unchecked)
            report.show(metrics.SECONDS, self._seconds)
        report.show(metrics.FINISHED, {("booking",): time.time()})

    def _note(self, invariant: str, found: list[str] | None, took_s: float) -> None:
        self._unchecked[invariant,] = float(found is None)
        self._seconds[invariant,] = took_s
        if found is None:
            self._violations.pop((invariant,), None)  # what it was is not what it is
            log.warning("audit_unchecked", invariant=invariant, seconds=round(took_s, 1))
            return
        self._violations[invariant,] = len(found)
        if found:
            log.error("audit_violated", invariant=invariant, found=len(found), example=found[0])

    async def _check(self, invariant: str) -> list[str] | None:
        """What two looks have found. None: it could not be checked."""
        try:
            if invariant == REDIS:
                return await self._unmended()
            found = await self._look(invariant)
            if found:
                await asyncio.sleep(LOOK_AGAIN_S)
                again = set(await self._look(invariant))
                found = [one for one in found if one in again] or sorted(again)
            return found
        except (*ROLLED_BACK, Overloaded, TimeoutError):
            return None

    async def _unmended(self) -> list[str]:
        """Where Redis differs though the reconciler has looked twice. Redis may lose a write, and an order
        whose commit waits for a standby is seen by nobody: that is mended by itself, and wakes nobody."""
        found = await self._differences(self._looks_max)
        if not found:
            return []
        await self._mending()
        again = set(await self._differences(1))
        return [one for one in found if one in again][:DETAILS_MAX]

    async def _differences(self, looks_max: int) -> list[str]:
        details: list[str] = []
        began_s = time.monotonic()
        try:
            await compare_redis(self._booking.holds, details, looks_max=looks_max)
        finally:
            await self._pause(began_s)
        return details

    async def _look(self, invariant: str) -> list[str]:
        """Violations within the horizon, up to DETAILS_MAX."""
        found: list[str] = []
        since = eldest_since(time.time() - HORIZON_DAYS * 86_400)
        walk = pages(self._pool, invariant, since)
        while len(found) < DETAILS_MAX:
            began_s = time.monotonic()
            try:
                found += await anext(walk)
            except StopAsyncIteration:
                break
            finally:
                await self._pause(began_s)
        return found[:DETAILS_MAX]

    async def _pause(self, began_s: float) -> None:
        """After what began then."""
        spent_s = time.monotonic() - began_s
        self._spent_s += spent_s
        await asyncio.sleep(self._rest * spent_s)
