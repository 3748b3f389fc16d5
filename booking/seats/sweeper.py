"""Asks PostgreSQL about the orders of holds that are due, and updates Redis.

    no such order   release: the process died between the two stores
    cancelled       release; includes orders that have expired, which are cancelled first
    alive           keep until the order's own deadline
    paid            sell

A hold stays due until one of these is done, and each names its order. So any number of sweepers may run,
stop or die at any point.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from uuid import UUID

import msgspec

from booking.seats import metrics
from booking.seats.claims import OrderState
from booking.seats.holds import SeatHolds
from booking.seats.loaded import add_loaded, list_loaded, remove_loaded
from chassis.observability import logs
from chassis.problems import NotFound, Problem, Unavailable

ORDERS_A_SESSION_MAX = 500  # a round; the rest waits for the next
SESSION_CONCURRENCY = 256
HEAL_INTERVAL_S = 5.0  # how often PostgreSQL is asked which sessions have holds

log = logs.get("booking")


class Swept(msgspec.Struct):
    """The result of one round: numbers of orders, and the number of failed sessions."""

    released: int = 0
    kept: int = 0
    sold: int = 0
    failed: int = 0


class Sweeper:
    """Call `sweep_once` about once a second, from any number of processes.

    A session without due holds costs one call in a shared pipeline.
    """

    def __init__(self, holds: SeatHolds, *, now: Callable[[], float] = time.monotonic) -> None:
        self._holds = holds
        self._now = now
        self._heal_at = float("-inf")

    async def sweep_once(self) -> Swept:
        """Raises Unavailable if Redis is not available. A failing session is counted and logged."""
        swept = Swept()
        sessions = await self._sessions()
        for start in range(0, len(sessions), SESSION_CONCURRENCY):
            some = sessions[start : start + SESSION_CONCURRENCY]
            outcomes = await asyncio.gather(
                *(self._sweep_session(session_id, swept) for session_id in some),
                return_exceptions=True,
            )
            for session_id, outcome in zip(some, outcomes, strict=True):
                if isinstance(outcome, NotFound):  # no longer published, or of another database
                    await remove_loaded(self._holds.calls, session_id)
                elif isinstance(outcome, Exception):
                    swept.failed += 1
                    metrics.SWEEPS_FAILED.inc()
                    known = isinstance(outcome, Problem)
                    log.warning(
                        "sweep_failed", session=session_id, exc_info=None if known else outcome
                    )
                elif outcome is not None:
                    raise outcome
        return swept

    async def _sessions(self) -> list[UUID]:
        """The loaded sessions; every HEAL_INTERVAL_S also those with holds that Redis has lost."""
        sessions = set((await list_loaded(self._holds.calls)).sessions)
        if self._now() >= self._heal_at:
            forgotten = set(await self._holds.truth.sessions_with_claims()) - sessions
            self._heal_at = self._now() + HEAL_INTERVAL_S
            if forgotten:
                with contextlib.suppress(Unavailable):  # a node is away: the next look tries again
                    await add_loaded(self._holds.calls, sorted(forgotten))
                sessions |= forgotten
        return sorted(sessions)

    async def _sweep_session(self, session_id: UUID, swept: Swept) -> None:
        due = await self._holds.due(session_id, ORDERS_A_SESSION_MAX)
        if not due:
            return
        states = await self._holds.truth.order_states(session_id, due)
        by_state: dict[OrderState, list[UUID]] = {state: [] for state in OrderState}
        for order_id, hold in states.items():
            by_state[hold.order].append(order_id)
        gone = by_state[OrderState.NO_SUCH_ORDER] + by_state[OrderState.CANCELLED]
        alive, paid = by_state[OrderState.ALIVE], by_state[OrderState.PAID]
        deadlines = {one: states[one].expires_in_ms for one in alive}
        # an order at which one of them fails stops none of the others
        outcomes = await asyncio.gather(
            self._holds.release_many(session_id, gone),
            self._holds.keep_many(session_id, deadlines),
            self._holds.sell_many(session_id, paid),
            return_exceptions=True,
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        swept.released += len(gone)
        swept.kept += len(alive)
        swept.sold += len(paid)
        metrics.RELEASED.inc(len(gone))
        metrics.KEPT.inc(len(alive))
        metrics.SOLD.inc(len(paid))
