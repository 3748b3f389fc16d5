"""How sales are steered, as this process knows it for a moment (docs/adr/0029).

PostgreSQL decides: a statement that places orders heeds the controls as they are then (steered_cap). What is
known here spares it the orders that it would refuse, and costs an order one look-up. It is read anew every
half second, and at once after a change through this process. Redis has nothing of it, so nothing is lost with
Redis.
"""

import asyncio
import math
from datetime import UTC, datetime
from uuid import UUID

from booking.domain.problems import SalePaused, SaleRateLimited
from booking.operations import store
from booking.operations.store import Controls
from booking.seats.holds import SeatHolds
from chassis.concurrency.rounds import repeat
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection
from chassis.problems import Problem
from contracts.catalog import SessionTerms

READ_INTERVAL_S = 0.5
IN_FORCE_MAX = 10_000  # sessions; beyond it PostgreSQL alone refuses

log = logs.get("booking")


class SaleControls:
    """`refuse_paused` and `cap` ask nobody; `take_turn` asks Redis, for sessions with such a limit only."""

    def __init__(self, pool: Pool, *, holds: SeatHolds) -> None:
        self._pool = pool
        self._holds = holds
        self._known: dict[UUID, Controls] = {}
        self._reading = asyncio.Lock()  # an older answer must not replace a newer one

    async def read(self) -> None:
        async with self._reading, connection(self._pool) as db:
            found = await store.controls_in_force(db, limit=IN_FORCE_MAX)
            self._known = {one.session_id: one for one in found}

    async def keep_read(self, interval_s: float) -> None:
        """Until it is cancelled; first after `interval_s`. While PostgreSQL is away, what was known last
        holds."""

        def failed(failure: Exception, _failures: int) -> None:
            if not isinstance(failure, (Problem, TimeoutError)):
                log.error("sale_controls_not_read", exc_info=failure)

        await asyncio.sleep(interval_s)
        await repeat(self.read, None, interval_s=interval_s, retry=interval_s, failed=failed)

    def is_paused(self, session_id: UUID) -> bool:
        known = self._known.get(session_id)
        return known is not None and known.paused_at is not None

    def refuse_paused(self, session_id: UUID) -> None:
        if self.is_paused(session_id):
            raise SalePaused()

    def remember_paused(self, session_id: UUID) -> None:
        """PostgreSQL has just refused an order. Until it is read again, it is not asked for each."""
        self._known[session_id] = Controls(session_id, paused_at=datetime.now(UTC))

    def cap(self, terms: SessionTerms) -> int:
        """How many tickets of the session a person may have."""
        known = self._known.get(terms.session_id)
        if known is None or known.max_tickets_per_user is None:
            return terms.max_tickets_per_user
        return known.max_tickets_per_user

    async def take_turn(self, session_id: UUID) -> None:
        """Raises SaleRateLimited if the session has had its orders of this second, over all processes."""
        known = self._known.get(session_id)
        if known is None or known.orders_per_second is None:
            return
        again_in_ms = await self._holds.take_turn(session_id, known.orders_per_second)
        if again_in_ms:
            raise SaleRateLimited(math.ceil(again_in_ms / 1000))
