"""The seats of the sessions on sale, by area, as Redis has them.

Bounded: SESSIONS_MAX sessions, those on sale whose sale opened last and then those that open next, chosen
every CHOOSE_S. A session whose version has not changed costs one HGET.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from booking.clients.catalog import Sessions
from booking.seats.bytes import letters_of
from booking.seats.holds import SeatHolds
from booking.seats.keys import session_keys
from booking.seats.loaded import list_loaded
from chassis.clock import Clock
from chassis.concurrency.rounds import Every
from chassis.problems import NotFound
from contracts.catalog import AreaTerms, SessionTerms

SESSIONS_MAX = 12
AREAS_MAX = 60  # of a session; further ones are in the session's own numbers only
LOOKED_AT_MAX = 1_000
LOOKUPS_AT_ONCE = 50
CHOOSE_S = 15.0
LIST_S = 3.0  # a session that is new in Redis is shown within this time

SaleState = Literal["upcoming", "open", "paused", "sold_out", "closed", "cancelled"]


class AreaNow(msgspec.Struct, frozen=True, kw_only=True):
    area_id: UUID
    name: str
    kind: str
    free: int
    held: int
    sold: int
    blocked: int


class SessionNow(msgspec.Struct, frozen=True, kw_only=True):
    """A session, its seats by state, and the same by area."""

    session_id: UUID
    show_id: UUID
    title: str
    venue: str
    city: str
    time_zone: str
    starts_at: datetime
    sale_opens_at: datetime
    sale_closes_at: datetime
    state: SaleState
    free: int
    held: int
    sold: int
    blocked: int
    areas: list[AreaNow]


class _Counted(msgspec.Struct, frozen=True):
    version: bytes
    seats: dict[str, int]
    areas: list[AreaNow]


class SeatBoard:
    """`await board.look()` counts; `sessions` and `left_out` are what it has found."""

    def __init__(
        self,
        holds: SeatHolds,
        sessions: Sessions,
        clock: Clock,
        *,
        is_paused: Callable[[UUID], bool] = lambda _: False,
        sessions_max: int = SESSIONS_MAX,
        choose_s: float = CHOOSE_S,
    ) -> None:
        self._holds, self._sessions, self._clock = holds, sessions, clock
        self._is_paused, self._sessions_max = is_paused, sessions_max
        self._choosing = Every(choose_s)
        self._listing = Every(min(LIST_S, choose_s))
        self._loaded: list[UUID] = []
        self._chosen: list[UUID] = []
        self._counted: dict[UUID, _Counted] = {}
        self.sessions: list[SessionNow] = []
        self.left_out = 0

    async def look(self) -> None:
        """Raises Unavailable when Redis or catalog is away; what was found before stays."""
        begins = any(self._has_begun(one) for one in self.sessions)
        if self._listing.is_due() or begins:
            loaded = (await list_loaded(self._holds.calls)).sessions
            if loaded != self._loaded or self._choosing.is_due() or begins:
                await self._choose(loaded)
                self._loaded = loaded
        metas = [("HGET", session_keys(one)[1], "version") for one in self._chosen]
        versions = await self._holds.calls.submit_each(metas) if metas else []
        found = []
        for session_id, version in zip(self._chosen, versions, strict=True):
            if isinstance(version, BaseException):
                raise version
            if version is None:  # not loaded; its next use loads it, not a look at it
                continue
            terms = await self._sessions.published(session_id)
            counted = self._counted.get(session_id)
            if counted is None or counted.version != version:
                counted = await self._count(terms)
            if counted is not None:
                self._counted[session_id] = counted
                found.append(self._now(terms, counted))
        self.sessions = found

    def last_opening(self) -> datetime | None:
        """When the sale began that began last."""
        now = self._clock.now()
        opened = [one.sale_opens_at for one in self.sessions if one.sale_opens_at <= now]
        return max(opened, default=None)

    def _has_begun(self, session: SessionNow) -> bool:
        return session.state == "upcoming" and session.sale_opens_at <= self._clock.now()

    async def _count(self, terms: SessionTerms) -> _Counted | None:
        script = self._holds.scripts["state"]
        word, rest = await self._holds.calls.run(script, session_keys(terms.session_id), [])
        if word == "not_loaded":
            return None
        letters = letters_of(rest[1])
        areas = [_area(one, letters) for one in terms.areas[:AREAS_MAX]]
        return _Counted(b"%d" % rest[0], _counts(letters), areas)

    def _now(self, terms: SessionTerms, counted: _Counted) -> SessionNow:
        state = sale_state(terms, counted.seats["free"], self._clock.now())
        if state == "open" and self._is_paused(terms.session_id):
            state = "paused"
        return SessionNow(
            session_id=terms.session_id,
            show_id=terms.show_id,
            title=terms.title,
            venue=terms.venue,
            city=terms.city,
            time_zone=terms.time_zone,
            starts_at=terms.starts_at,
            sale_opens_at=terms.sale_opens_at,
            sale_closes_at=terms.sale_closes_at,
            state=state,
            areas=counted.areas,
            **counted.seats,
        )

    async def _choose(self, loaded: Sequence[UUID]) -> None:
        now = self._clock.now()
        found: list[tuple[bool, float, UUID]] = []
        newest = sorted(loaded, reverse=True)[:LOOKED_AT_MAX]
        for start in range(0, len(newest), LOOKUPS_AT_ONCE):
            some = newest[start : start + LOOKUPS_AT_ONCE]
            terms = await asyncio.gather(*map(self._terms, some))
            for one in terms:
                if one is not None and now < one.sale_closes_at:
                    away_s = (one.sale_opens_at - now).total_seconds()
                    found.append((away_s > 0, abs(away_s), one.session_id))
        found.sort()  # on sale first, and of these the last opened; then what opens next
        self._chosen = [session_id for _, _, session_id in found[: self._sessions_max]]
        self.left_out = len(found) - len(self._chosen)
        self._counted = {one: self._counted[one] for one in self._chosen if one in self._counted}

    async def _terms(self, session_id: UUID) -> SessionTerms | None:
        try:
            return await self._sessions.published(session_id)
        except NotFound:
            return None


def sale_state(terms: SessionTerms, free: int, now: datetime) -> SaleState:
    if terms.status == "cancelled":
        return "cancelled"
    if now < terms.sale_opens_at:
        return "upcoming"
    if now >= terms.sale_closes_at:
        return "closed"
    return "open" if free else "sold_out"


def _counts(letters: bytes) -> dict[str, int]:
    count: Any = letters.count
    return {
        "free": count(b"."),
        "held": count(b"h"),
        "sold": count(b"s"),
        "blocked": count(b"b"),
    }


def _area(area: AreaTerms, letters: bytes) -> AreaNow:
    seats = _counts(letters[area.first_seat_id - 1 : area.last_seat_id])
    return AreaNow(area_id=area.area_id, name=area.name, kind=area.kind, **seats)
