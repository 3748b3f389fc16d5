"""Adds the machines up, in one process of the platform.

Every process of booking that serves looks once a second whether nobody does it, by a lease in Redis: if two
take it at once, both write the same for a second. Somebody watches: a frame a second; nobody: every ten
seconds, for the hour and the sale. What is counted goes on where the last collector was, from Redis.
"""

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Iterable
from typing import TypeVar

import msgspec

from booking.wall.frames import Frame, History, LeaderNow, SessionsNow, SourceNow
from booking.wall.rates import (
    GONE_AFTER_S,
    Carried,
    Counters,
    Source,
    added,
    added_buckets,
    growth,
    quantile,
)
from booking.wall.rings import Points, Rings
from booking.wall.seats import SeatBoard
from chassis.clock import MachineClock
from chassis.concurrency.rounds import Every, repeat
from chassis.observability import logs
from chassis.problems import Problem
from chassis.redis.scripts import RedisCalls
from contracts.wall import (
    FRAME_KEY,
    LEASE_KEY,
    MINUTE_KEY,
    RINGS_KEY,
    SOURCES_KEY,
    SOURCES_MAX,
    STATE_KEY,
    UNWATCHED_INTERVAL_S,
    WATCHED_INTERVAL_S,
    WATCHED_KEY,
    Digest,
)

LEASE_MS = 6_000  # an overloaded process is not a dead one
JITTER_S = 0.5  # of the looks, which come about once a second
KEEP_INTERVAL_S = 10.0  # what the next collector would not know of rings
KEPT_S = 86_400
MARKS = 12  # counts of the last two minutes, from which a sale that has just opened is counted
Stored = TypeVar("Stored")

log = logs.get("wall")


class State(msgspec.Struct, kw_only=True):
    """What the next collector goes on from."""

    seq: int = 0
    since: float = 0.0
    totals: Counters = {}
    base: Counters = {}
    sources: dict[str, Carried] = {}


class Collector:
    """`await look()` once a second."""

    def __init__(self, calls: RedisCalls, board: SeatBoard, *, clock: MachineClock = time) -> None:
        self._calls, self._board, self._clock = calls, board, clock
        self._id = secrets.token_hex(8)
        self._leads = False
        self._collected_s = float("-inf")
        self._start()

    async def look(self) -> None:
        """Adds up if this process is the one that does, and it is time."""
        watched, lease = await asyncio.gather(
            self._calls.command("EXISTS", WATCHED_KEY), self._calls.command("GET", LEASE_KEY)
        )
        if not await self._hold(lease):
            self._leads = False
            return
        if not self._leads:
            await self._take_over()
        interval_s = WATCHED_INTERVAL_S if watched else UNWATCHED_INTERVAL_S
        if self._clock.monotonic() - self._collected_s >= interval_s - JITTER_S:
            await self.collect(interval_s)

    async def collect(self, interval_s: float = WATCHED_INTERVAL_S) -> Frame:
        """Reads what all machines say and writes a frame."""
        self._collected_s = now_s = self._clock.monotonic()
        await self._hear(now_s)
        await self._count_seats(now_s)
        frame = self._frame(now_s, interval_s)
        self._rings.add(frame.at, frame.point)
        await self._write(frame)
        return frame

    async def leave(self) -> None:
        """Another process may collect at once."""
        if self._leads:
            self._leads = False
            await self._keep()
            await self._calls.command("DEL", LEASE_KEY)

    def _start(self) -> None:
        self._rings = Rings()
        self._state = State(since=self._clock.time())
        self._sources: dict[str, Source] = {}
        self._marks: deque[tuple[float, Counters]] = deque(maxlen=MARKS)
        self._keeping, self._marking = Every(KEEP_INTERVAL_S), Every(KEEP_INTERVAL_S)
        self._seats_at: float | None = None
        self._known_opening = 0.0

    async def _hold(self, lease: bytes | None) -> bool:
        mine = self._id.encode("ascii")
        if lease is None:
            took = await self._calls.command("SET", LEASE_KEY, mine, "NX", "PX", LEASE_MS)
            return took is not None
        if lease == mine:
            await self._calls.command("PEXPIRE", LEASE_KEY, LEASE_MS)
        return bool(lease == mine)

    async def _take_over(self) -> None:
        self._start()
        state, rings = await asyncio.gather(
            self._calls.command("GET", STATE_KEY), self._calls.command("GET", RINGS_KEY)
        )
        if (found := decoded(state, State)) is not None:
            self._state = found
            self._known_opening = found.since
        if (history := decoded(rings, History)) is not None:
            self._rings = Rings(history.hour, history.sale)
        minute = decoded(await self._calls.command("GET", MINUTE_KEY), Points)
        if minute is not None:
            self._rings.minute.points = minute
        self._leads = True
        self._collected_s = float("-inf")

    async def _hear(self, now_s: float) -> None:
        flat = await self._calls.command("HGETALL", SOURCES_KEY)
        said = dict(zip(flat[::2], flat[1::2], strict=True)) if isinstance(flat, list) else flat
        for name_bytes, body in list(said.items())[:SOURCES_MAX]:
            name = name_bytes.decode()
            digest = decoded(body, Digest)
            if digest is None:
                continue
            if name in self._sources:
                self._sources[name].hear(now_s, digest)
            else:
                before = self._state.sources.pop(name, None)
                self._sources[name] = Source(now_s, digest, before)
        ended = {name for name in self._sources if name.encode() not in said}
        gone = {n for n, one in self._sources.items() if one.age_s(now_s) > GONE_AFTER_S}
        for name in ended | gone:
            self._state.sources[name] = self._sources.pop(name).carried()
        for name in gone - ended:
            await self._calls.command("HDEL", SOURCES_KEY, name)
        more = added(one.grown for one in self._sources.values())
        self._state.totals = added((self._state.totals, more))

    async def _count_seats(self, now_s: float) -> None:
        """Seats that cannot be counted now are shown with their age."""
        try:
            await self._board.look()
        except Problem:
            return
        self._seats_at = now_s
        opening = self._board.last_opening()
        if opening is not None and opening.timestamp() > max(
            self._known_opening, self._state.since
        ):
            self._begin_sale(opening.timestamp())

    def _begin_sale(self, at: float) -> None:
        """Counts from the opening, as far as that is known; the points before it go."""
        self._known_opening = self._state.since = at
        before = [totals for marked_at, totals in self._marks if marked_at <= at]
        self._state.base = before[-1] if before else dict(self._state.totals)
        self._rings.sale.forget_before(at)

    def _frame(self, now_s: float, interval_s: float) -> Frame:
        at = self._clock.time()
        if self._marking.is_due():
            self._marks.append((at, dict(self._state.totals)))
        # By the time, so that neither another collector nor an emptied Redis goes back.
        self._state.seq = max(self._state.seq + 1, int(at * 10))
        fresh = [one for one in self._sources.values() if not one.is_late(now_s, interval_s)]
        rates = added(one.rates() for one in fresh)
        answers = _answers(fresh)
        leader = max(
            (one for one in self._sources.values() if one.digest.gauges),
            key=lambda one: one.heard_s,
            default=None,
        )
        seats_at = self._seats_at
        return Frame(
            seq=self._state.seq,
            at=round(at, 3),
            interval_s=interval_s,
            rates=_rounded(rates),
            answers=answers,
            sale_since=self._state.since,
            sale=_rounded(growth(self._state.base, self._state.totals)),
            sums=added(one.digest.sums for one in fresh),
            seats=SessionsNow(
                age_s=None if seats_at is None else round(now_s - seats_at, 1),
                sessions=self._board.sessions,
                left_out=self._board.left_out,
            ),
            leader=LeaderNow(
                age_s=None if leader is None else round(leader.age_s(now_s), 1),
                gauges=_gauges(self._sources.values()),
            ),
            sources=[
                SourceNow(
                    machine=one.digest.machine,
                    roles=one.digest.roles,
                    processes=one.digest.processes,
                    age_s=round(one.age_s(now_s), 1),
                    late=one.is_late(now_s, interval_s),
                )
                for _, one in sorted(self._sources.items())
            ],
            point=_point(rates, answers),
        )

    async def _write(self, frame: Frame) -> None:
        lives_s = int(GONE_AFTER_S)
        writes = [
            self._calls.command("SET", FRAME_KEY, msgspec.json.encode(frame), "EX", lives_s),
            self._calls.command(
                "SET", MINUTE_KEY, msgspec.json.encode(self._rings.minute.points), "EX", lives_s
            ),
        ]
        await asyncio.gather(*writes)
        if self._keeping.is_due():
            await self._keep()

    async def _keep(self) -> None:
        carried = {name: one.carried() for name, one in self._sources.items()}
        ended = list(self._state.sources.items())[-SOURCES_MAX:]  # they may come back
        self._state.sources = dict(ended)
        state = msgspec.structs.replace(self._state, sources=dict(ended) | carried)
        history = History(hour=self._rings.hour.points, sale=self._rings.sale.points)
        await asyncio.gather(
            self._calls.command("SET", STATE_KEY, msgspec.json.encode(state), "EX", KEPT_S),
            self._calls.command("SET", RINGS_KEY, msgspec.json.encode(history), "EX", KEPT_S),
        )


async def keep_collecting(collector: Collector) -> None:
    """Until it is cancelled."""

    def failed(failure: Exception, failures: int) -> None:
        if failures == 1 and not isinstance(failure, Problem):
            log.error("wall_not_collected", exc_info=failure)

    try:
        await repeat(
            collector.look,
            None,
            interval_s=WATCHED_INTERVAL_S,
            retry=WATCHED_INTERVAL_S,
            failed=failed,
        )
    finally:
        with contextlib.suppress(Problem):
            await collector.leave()


def decoded(body: bytes | None, kind: type[Stored]) -> Stored | None:
    """None as well for what another version of us has written."""
    try:
        return None if body is None else msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError:
        return None


def _answers(sources: list[Source]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, prefix in (("answers", ""), ("orders", "orders_")):
        buckets = added_buckets(one.answered(name) for one in sources)
        for word, share in (("p50_s", 0.5), ("p99_s", 0.99)):
            seconds = quantile(buckets, share)
            found[prefix + word] = None if seconds is None else round(seconds, 5)
    return found


def _point(rates: Counters, answers: dict[str, float | None]) -> dict[str, float | None]:
    """What a chart shows of a moment (booking.wall.rings.SERIES)."""
    refused = sum(value for name, value in rates.items() if name.startswith("refused."))
    plain = ("arrivals", "admitted", "limited", "shed", "failed", "orders")
    point: dict[str, float | None] = {name: round(rates.get(name, 0.0), 2) for name in plain}
    point |= {
        "holds": round(rates.get("holds.held", 0.0), 2),
        "paid": round(rates.get("orders_now.paid", 0.0), 2),
        "refused": round(refused, 2),
    }
    return point | answers


def _gauges(sources: Iterable[Source]) -> dict[str, Counters]:
    """Of a gauge that two have, what was heard last: a lead that has just moved."""
    merged: dict[str, Counters] = {}
    for one in sorted(sources, key=lambda one: one.heard_s):
        for name, values in one.digest.gauges.items():
            merged.setdefault(name, {}).update(values)
    checked = len(merged.get("audit_violations", {}))
    for name in ("audit_violations", "audit_unchecked"):  # the rest of them hold
        if name in merged:
            merged[name] = {one: value for one, value in merged[name].items() if value}
    if checked:
        merged["audit_checked"] = {"invariants": float(checked)}
    return merged


def _rounded(values: Counters) -> Counters:
    return {name: round(value, 2) for name, value in sorted(values.items())}
