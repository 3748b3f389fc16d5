"""Who cools down, as this process knows it for a moment.

One order that PostgreSQL refuses makes its batch be tried again one by one, and it holds seats in Redis
until then. Whoever goes on trying is therefore told here; once in ASK_INTERVAL_S PostgreSQL is asked again,
which decides when it is over.
"""

import time
from uuid import UUID

from booking.domain.problems import CoolingDown
from chassis.clock import MachineClock
from chassis.concurrency.cache import BoundedCache

ASK_INTERVAL_S = 5.0
PEOPLE_MAX = 4096


class CoolingMemory:
    """`refuse` is asked before a hold, `remember` told what PostgreSQL has refused."""

    def __init__(self, *, clock: MachineClock = time) -> None:
        self._monotonic = clock.monotonic
        self._told_at: BoundedCache[tuple[UUID, UUID], float] = BoundedCache(PEOPLE_MAX)

    def refuse(self, session_id: UUID, user_id: UUID) -> None:
        """Raises CoolingDown when PostgreSQL has said so a moment ago."""
        told_at = self._told_at.get((session_id, user_id))
        if told_at is None:
            return
        if self._monotonic() - told_at < ASK_INTERVAL_S:
            raise CoolingDown()
        self._told_at.drop((session_id, user_id))

    def remember(self, session_id: UUID, user_id: UUID) -> None:
        self._told_at.put((session_id, user_id), self._monotonic())
