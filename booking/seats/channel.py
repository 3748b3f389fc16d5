"""One session's changes, for all of its listeners.

While there are listeners, one task polls the version in Redis. When the version changes, the task reads the
seats and compares them with the previous ones. Recent deltas are kept, so that a client that reconnects
with its last version resumes there. A listener has no queue, only its version; if it is too slow for the
kept deltas it gets a snapshot. A sale that is paused or resumed is told between them.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from uuid import UUID

import msgspec

from booking.seats.bytes import public_form
from booking.seats.holds import SeatHolds
from booking.seats.keys import session_keys
from chassis.concurrency.rounds import repeat
from chassis.observability import logs
from chassis.problems import NotFound, Problem

POLL_S = 0.2
POLL_POSITIONS_PER_S = 2_000_000  # a session of a million is read at most twice a second
RETRY_S = 1.0  # after Redis or PostgreSQL was not available
DELTAS_MAX = 256  # kept for clients that reconnect
CHANGES_MAX = 2_000  # in one delta; with more changes a snapshot is shorter
COMPARE_PIECE = 1024  # bytes

log = logs.get("booking")


class LiveState(msgspec.Struct, frozen=True):
    """The seats at one version. `body` is their JSON: `{"version": …, "seats": "…"}`."""

    version: int
    positions: bytes
    body: bytes


class Event(msgspec.Struct, frozen=True):
    """A server-sent event. `version` is the listener's version afterwards; `wire` the bytes to send."""

    name: str
    version: int
    wire: bytes


class _Delta(msgspec.Struct, frozen=True):
    since: int
    event: Event


def live_state(version: int, positions: bytes) -> LiveState:
    seats = public_form(positions).decode("ascii")
    return LiveState(version, positions, msgspec.json.encode({"version": version, "seats": seats}))


def changes_between(before: bytes, after: bytes) -> list[tuple[int, str]]:
    """Seat ids with their new states. Both strings have the same length."""
    changes = []
    for start in range(0, len(before), COMPARE_PIECE):
        old, new = (
            before[start : start + COMPARE_PIECE],
            after[start : start + COMPARE_PIECE],
        )
        if old != new:
            changes += [
                (start + at + 1, chr(new[at])) for at in range(len(new)) if old[at] != new[at]
            ]
    return changes


def _event(name: str, version: int, data: bytes) -> Event:
    return Event(name, version, b"event: %b\nid: %d\ndata: %b\n\n" % (name.encode(), version, data))


def _sale_event(version: int, *, paused: bool) -> Event:
    """Without an id: it is no version of the seats."""
    data = msgspec.json.encode({"paused": paused})
    return Event("sale", version, b"event: sale\ndata: %b\n\n" % data)


class Channel:
    """Polls from its creation until `stop`; its creator stops it after the last listener has left."""

    def __init__(
        self,
        holds: SeatHolds,
        session_id: UUID,
        first: LiveState,
        *,
        is_paused: Callable[[UUID], bool],
        changes_max: int = CHANGES_MAX,
    ) -> None:
        self._is_paused = is_paused
        self._paused = is_paused(session_id)
        self._changes_max = changes_max
        self.listeners = 0
        self._holds = holds
        self._session_id = session_id
        self._state = first
        self._snapshot: Event | None = None  # of the current version; made on demand
        self._deltas: deque[_Delta] = deque(maxlen=DELTAS_MAX)
        self._changed = asyncio.Event()
        self._stopped = False
        self._poller = asyncio.get_running_loop().create_task(self._poll())

    @property
    def polling(self) -> bool:
        return not self._poller.done()

    def stop(self) -> None:
        """Ends the polling and every listener's stream."""
        self._stopped = True
        self._poller.cancel()
        self._changed.set()

    async def events(
        self, last_version: int | None, keep_alive_s: float
    ) -> AsyncGenerator[Event | None, None]:
        """An endless stream of events for a listener at `last_version`; None is a keep-alive.

        Whoever comes is told of a pause first; that none is told means that there is none.
        """
        version = last_version
        told_paused = False
        while not self._stopped:
            if told_paused is not self._paused:
                told_paused = self._paused
                yield _sale_event(version or 0, paused=told_paused)
                continue
            if version == self._state.version:
                changed = self._changed
                try:
                    async with asyncio.timeout(keep_alive_s):
                        await changed.wait()
                except TimeoutError:
                    yield None
                continue
            event = self._next_event(version)
            version = event.version
            yield event

    def _next_event(self, version: int | None) -> Event:
        for delta in reversed(self._deltas):
            if delta.since == version:
                return delta.event
        if self._snapshot is None:
            self._snapshot = _event("snapshot", self._state.version, self._state.body)
        return self._snapshot

    async def _poll(self) -> None:
        def failed(failure: Exception, _failures: int) -> None:
            if isinstance(failure, NotFound):
                self.stop()
            elif not isinstance(failure, Problem):  # else listeners keep what they have
                log.error("live_seats_failed", session=self._session_id, exc_info=failure)

        await repeat(
            self._look,
            None,
            interval_s=lambda _: max(POLL_S, len(self._state.positions) / POLL_POSITIONS_PER_S),
            retry=RETRY_S,
            failed=failed,
        )

    async def _look(self) -> None:
        paused = self._is_paused(self._session_id)
        if paused is not self._paused:
            self._paused = paused
            self._wake()
        meta = session_keys(self._session_id)[1]
        version = await self._holds.calls.command("HGET", meta, "version")
        if version is None or int(version) != self._state.version:
            self._advance(live_state(*await self._holds.positions(self._session_id)))

    def _advance(self, state: LiveState) -> None:
        before, self._state = self._state, state
        if state.version == before.version:
            return
        self._snapshot = None
        changes = None
        if len(state.positions) == len(before.positions) and state.version > before.version:
            changes = changes_between(before.positions, state.positions)
        if changes is None or len(changes) > self._changes_max:
            self._deltas.clear()  # everybody is given a snapshot
        else:
            data = msgspec.json.encode({"version": state.version, "changes": changes})
            event = _event("delta", state.version, data)
            self._deltas.append(_Delta(before.version, event))
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
