"""Holds that are due: PostgreSQL is asked what became of their orders, and Redis follows.

    no such order   the process died between the two stores: release
    cancelled       or just found past its deadline and cancelled by the asking: release
    alive           put back, due at the order's own deadline
    paid            sold, nothing is due any more

An entry stays due until it was acted upon, and every act names its order, so any number of sweepers
may run, stop or die anywhere.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import msgspec

from booking.seats.claims import Fate, HoldFate
from booking.seats.holds import SeatHolds
from booking.seats.loaded import add_loaded, list_loaded, remove_loaded
from chassis.observability import logs
from chassis.problems import NotFound, Problem, Unavailable

ORDERS_A_SESSION_MAX = 500  # a round; what is left is due in the next
SESSIONS_AT_ONCE = 256
ACTS_AT_ONCE = 128
HEAL_EVERY_S = 5.0  # how often PostgreSQL is asked which sessions have holds

log = logs.get("booking")


class Swept(msgspec.Struct):
    """What one round did, in orders, and which sessions it could not do."""

    released: int = 0
    kept: int = 0
    sold: int = 0
    failed: int = 0


class Sweeper:
    """`await sweeper.sweep_once()` about once a second, from any number of processes.

    A session without due holds costs one call in a shared pipeline.
    """

    def __init__(self, holds: SeatHolds, *, now: Callable[[], float] = time.monotonic) -> None:
        self._holds = holds
        self._now = now
        self._heal_at = float("-inf")

    async def sweep_once(self) -> Swept:
        """Raises Unavailable when Redis is away; one session's failure is counted and logged."""
        swept = Swept()
        sessions = await self._sessions()
        for start in range(0, len(sessions), SESSIONS_AT_ONCE):
            some = sessions[start : start + SESSIONS_AT_ONCE]
            outcomes = await asyncio.gather(
                *(self._sweep_session(session_id, swept) for session_id in some),
                return_exceptions=True,
            )
            for session_id, outcome in zip(some, outcomes, strict=True):
                if isinstance(outcome, NotFound):  # unpublished since, or another database's
                    await remove_loaded(self._holds.calls, session_id)
                elif isinstance(outcome, Exception):
                    swept.failed += 1
                    known = isinstance(outcome, Problem)
                    log.warning(
                        "sweep_failed", session=session_id, exc_info=None if known else outcome
                    )
                elif outcome is not None:
                    raise outcome
        return swept

    async def _sessions(self) -> list[UUID]:
        """Those loaded; now and then also those that have holds though Redis forgot them."""
        sessions = set((await list_loaded(self._holds.calls)).sessions)
        if self._now() >= self._heal_at:
            forgotten = set(await self._holds.truth.sessions_with_claims()) - sessions
            self._heal_at = self._now() + HEAL_EVERY_S
            if forgotten:
                with contextlib.suppress(Unavailable):  # a node is away: the next look tries again
                    await add_loaded(self._holds.calls, sorted(forgotten))
                sessions |= forgotten
        return sorted(sessions)

    async def _sweep_session(self, session_id: UUID, swept: Swept) -> None:
        due = await self._holds.due(session_id, ORDERS_A_SESSION_MAX)
        if not due:
            return
        fates = await self._holds.truth.fates(session_id, due)
        acts = [self._act(session_id, one, fates[one], swept) for one in due if one in fates]
        await _in_turns(acts)

    async def _act(self, session_id: UUID, order_id: UUID, fate: HoldFate, swept: Swept) -> None:
        match fate.fate:
            case Fate.NO_SUCH_ORDER | Fate.CANCELLED:
                await self._holds.release(session_id, order_id)
                swept.released += 1
            case Fate.ALIVE:
                await self._holds.keep(session_id, order_id, fate.expires_in_ms)
                swept.kept += 1
            case Fate.PAID:
                await self._holds.sell(session_id, order_id)
                swept.sold += 1


async def _in_turns(acts: Sequence[Awaitable[None]]) -> None:
    for start in range(0, len(acts), ACTS_AT_ONCE):
        await asyncio.gather(*acts[start : start + ACTS_AT_ONCE])
