"""Frames for those who watch, in each process that serves them.

While somebody watches here, one task reads the last frame from Redis each second, whatever their number. A
viewer has no queue, only the number of the last frame that was sent: one that reads slowly misses frames and
keeps nobody waiting. Where Redis does not answer, viewers are told so, with the age of what they have.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator

import msgspec

from booking.wall.collecting import decoded
from booking.wall.frames import Frame, History, WallSnapshot
from booking.wall.rings import Points
from chassis.clock import MachineClock
from chassis.concurrency.cache import FetchOnce
from chassis.concurrency.rounds import repeat
from chassis.observability import logs
from chassis.problems import Overloaded, Problem
from chassis.redis.scripts import RedisCalls
from contracts.wall import (
    FRAME_KEY,
    MINUTE_KEY,
    RINGS_KEY,
    WATCHED_INTERVAL_S,
    WATCHED_KEY,
    WATCHED_TTL_S,
)

VIEWERS_MAX = 50  # a process; more get 503
STREAM_LIFE_S = 600.0  # then the page comes back with its last id, and its role is looked at again
FRAMES_KEPT = 30  # for viewers that come back
SILENT_AFTER_S = 3.0  # without a new frame viewers are told that there is none
RETRY = b"retry: 1000\n\n"
FIRST_FRAME_WITHIN_S = 3.0

log = logs.get("wall")


class _Sent(msgspec.Struct, frozen=True):
    seq: int
    wire: bytes


class WallFeed:
    """`follow` is a stream of server-sent events: `snapshot`, then a `frame` a second, or `silence`."""

    def __init__(
        self,
        calls: RedisCalls,
        *,
        clock: MachineClock = time,
        viewers_max: int = VIEWERS_MAX,
        silent_after_s: float = SILENT_AFTER_S,
        interval_s: float = WATCHED_INTERVAL_S,
    ) -> None:
        self._calls, self._clock = calls, clock
        self._viewers_max, self._silent_after_s = viewers_max, silent_after_s
        self._interval_s = interval_s
        self._snapshots: FetchOnce[str, WallSnapshot] = FetchOnce(
            self._fetch_snapshot, ttl_s=0.5, entries_max=1
        )
        self._frames: deque[_Sent] = deque(maxlen=FRAMES_KEPT)
        self._news = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._heard_s = self._clock.monotonic()
        self._closed = False
        self._begun = 0  # how often counting has begun again
        self.viewers = 0

    @property
    def is_reading(self) -> bool:
        return self._reading is not None

    async def snapshot(self) -> WallSnapshot:
        """Says that somebody watches; waits a moment for the first frame of a wall that nobody watched."""
        await self._watch()
        found = await self._snapshots.get("")
        until_s = self._clock.monotonic() + FIRST_FRAME_WITHIN_S
        while self._is_old(found.frame) and self._clock.monotonic() < until_s:
            await asyncio.sleep(WATCHED_INTERVAL_S / 2)
            found = await self._snapshots.get("")
        return found

    async def follow(self, last_seq: int | None, ends_at: float) -> AsyncGenerator[bytes, None]:
        """ends_at: Unix seconds, when the viewer's token ends. Raises Overloaded, Unavailable at once."""
        resumes = any(one.seq == last_seq for one in self._frames)
        first = None
        if not resumes:
            await self._watch()
            first = await self._snapshots.get("")
        if self._closed or self.viewers >= self._viewers_max:
            raise Overloaded("Too many people are watching the wall.", retry_after_s=5)
        return self._events(first, last_seq, ends_at)

    async def close(self) -> None:
        """Ends every stream and refuses new ones."""
        self._closed = True
        self._news.set()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _events(
        self, first: WallSnapshot | None, last_seq: int | None, ends_at: float
    ) -> AsyncGenerator[bytes, None]:
        """Counts from the first event, so that a stream that is never read leaves nothing behind."""
        self.viewers += 1
        if self._reading is None and not self._closed:
            self._heard_s = self._clock.monotonic()
            self._reading = asyncio.create_task(self._keep_reading(), name="wall-feed")
        try:
            async for event in self._sent(first, last_seq, ends_at):
                yield event
        finally:
            self.viewers -= 1
            if not self.viewers and self._reading is not None:
                self._reading.cancel()
                self._reading = None
                self._frames.clear()

    async def _sent(
        self, first: WallSnapshot | None, last_seq: int | None, ends_at: float
    ) -> AsyncGenerator[bytes, None]:
        yield RETRY
        seq = last_seq or 0
        if first is not None:
            seq = first.frame.seq if first.frame is not None else 0
            yield _event("snapshot", seq, msgspec.json.encode(first))
        ends_at = min(ends_at, self._clock.time() + STREAM_LIFE_S)
        begun = self._begun
        while not self._closed and self._clock.time() < ends_at and begun == self._begun:
            news = self._news
            sent = next((one for one in self._frames if one.seq > seq), None)
            if sent is not None:
                seq = sent.seq
                yield sent.wire
                continue
            try:
                async with asyncio.timeout(self._silent_after_s):
                    await news.wait()
            except TimeoutError:
                silent_s = self._clock.monotonic() - self._heard_s
                yield b'event: silence\ndata: {"age_s":%.1f}\n\n' % silent_s

    async def _keep_reading(self) -> None:
        def failed(failure: Exception, failures: int) -> None:
            if failures == 1 and not isinstance(failure, Problem):
                log.error("wall_not_read", exc_info=failure)

        await repeat(
            self._read,
            None,
            interval_s=self._interval_s,
            retry=self._interval_s,
            failed=failed,
        )

    async def _read(self) -> None:
        _, body = await asyncio.gather(self._watch(), self._calls.command("GET", FRAME_KEY))
        if body is None:
            return
        seq = msgspec.json.decode(body, type=_Seq).seq
        last = self._frames[-1].seq if self._frames else 0
        if seq == last:
            return
        if seq < last:  # Redis was emptied: counting has begun again, and so do the viewers
            self._frames.clear()
            self._begun += 1
        self._frames.append(_Sent(seq, _event("frame", seq, body)))
        self._heard_s = self._clock.monotonic()
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def _watch(self) -> None:
        await self._calls.command("SET", WATCHED_KEY, "1", "EX", WATCHED_TTL_S)

    async def _fetch_snapshot(self, _: str) -> WallSnapshot:
        frame, minute, rings = await asyncio.gather(
            *(self._calls.command("GET", key) for key in (FRAME_KEY, MINUTE_KEY, RINGS_KEY))
        )
        history = decoded(rings, History)
        return WallSnapshot(
            frame=decoded(frame, Frame),
            minute=decoded(minute, Points) or Points(step_s=1.0),
            hour=history.hour if history else Points(step_s=10.0),
            sale=history.sale if history else Points(step_s=10.0),
        )

    def _is_old(self, frame: Frame | None) -> bool:
        return frame is None or self._clock.time() - frame.at > 2 * WATCHED_INTERVAL_S


class _Seq(msgspec.Struct, frozen=True):
    seq: int


def _event(name: str, seq: int, data: bytes) -> bytes:
    return b"event: %b\nid: %d\ndata: %b\n\n" % (name.encode("ascii"), seq, data)
