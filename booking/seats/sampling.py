"""Counts the seats of the sessions on sale, by state, for metrics.

Read from Redis, one command a session: PostgreSQL would have to count all claims. Bounded: of the newest
LOOKED_AT_MAX sessions in Redis those on sale are found every CHOOSE_S, and the SESSIONS_MAX of them whose
sale opened last are counted.
"""

import asyncio
from datetime import datetime
from uuid import UUID

from booking.clients.catalog import Sessions
from booking.seats.bytes import letters_of
from booking.seats.holds import SeatHolds
from booking.seats.keys import session_keys
from booking.seats.loaded import list_loaded
from booking.seats.metrics import ON_SALE, SEATS
from chassis.clock import Clock
from chassis.concurrency.rounds import Every
from chassis.observability.reports import Report
from chassis.problems import NotFound

SESSIONS_MAX = 50  # with series for each state: no more than four times as many
LOOKED_AT_MAX = 1_000
LOOKUPS_AT_ONCE = 50
CHOOSE_S = 30.0
STATES = {"free": b".", "held": b"h", "sold": b"s", "blocked": b"b"}


class SeatCounts:
    """`await counts.measure(report)` for chassis.observability.reports."""

    def __init__(
        self,
        holds: SeatHolds,
        sessions: Sessions,
        clock: Clock,
        *,
        sessions_max: int = SESSIONS_MAX,
        choose_s: float = CHOOSE_S,
    ) -> None:
        self._holds = holds
        self._sessions = sessions
        self._clock = clock
        self._sessions_max = sessions_max
        self._choosing = Every(choose_s)
        self._chosen: list[UUID] = []
        self._left_out = 0

    async def measure(self, report: Report) -> None:
        if self._choosing.is_due():
            await self._choose()
        counted: dict[tuple[str, ...], float] = {}
        script = self._holds.scripts["state"]
        for session_id in self._chosen:
            word, rest = await self._holds.calls.run(script, session_keys(session_id), [])
            if word == "not_loaded":  # it is loaded again by its next use, not by a look at it
                continue
            letters = letters_of(rest[1])
            for state, letter in STATES.items():
                counted[str(session_id), state] = letters.count(letter)
        report.show(SEATS, counted)
        shown = len(counted) // len(STATES)
        report.show(ON_SALE, {("yes",): shown, ("left_out",): self._left_out})

    async def _choose(self) -> None:
        loaded = (await list_loaded(self._holds.calls)).sessions
        on_sale: list[tuple[datetime, UUID]] = []
        newest = sorted(loaded, reverse=True)[:LOOKED_AT_MAX]
        for start in range(0, len(newest), LOOKUPS_AT_ONCE):
            some = newest[start : start + LOOKUPS_AT_ONCE]
            found = await asyncio.gather(*map(self._opened_at, some))
            on_sale += [(at, one) for one, at in zip(some, found, strict=True) if at is not None]
        on_sale.sort(reverse=True)
        self._chosen = [session_id for _, session_id in on_sale[: self._sessions_max]]
        self._left_out = max(0, len(on_sale) - self._sessions_max)

    async def _opened_at(self, session_id: UUID) -> datetime | None:
        """When its sale opened. None: it is not on sale now."""
        try:
            terms = await self._sessions.published(session_id)
        except NotFound:
            return None
        now = self._clock.now()
        return terms.sale_opens_at if terms.sale_opens_at <= now < terms.sale_closes_at else None
