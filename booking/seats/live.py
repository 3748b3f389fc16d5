"""The live state of a session's seats, for clients: one reader of Redis a session.

`read` returns a state that is at most STATE_TTL_S old. `follow` is an endless stream: a snapshot, then
changes (channel.py).
"""

from collections.abc import AsyncGenerator, Callable
from uuid import UUID

from booking.seats.channel import CHANGES_MAX, Channel, Event, LiveState, live_state
from booking.seats.holds import SeatHolds
from chassis.concurrency.cache import FetchOnce
from chassis.problems import Overloaded

STATE_TTL_S = 0.2
STATES_MAX = 64  # sessions with a cached state; usually 20 KB each, at most 4 MB
LISTENERS_MAX = 5_000  # a process; more get 503
KEEP_ALIVE_S = 15.0


class LiveSeats:
    """States and streams of all sessions, for all requests of this process."""

    def __init__(
        self,
        holds: SeatHolds,
        *,
        is_paused: Callable[[UUID], bool] = lambda _: False,
        keep_alive_s: float = KEEP_ALIVE_S,
        listeners_max: int = LISTENERS_MAX,
        changes_max: int = CHANGES_MAX,
    ) -> None:
        self._holds = holds
        self._is_paused = is_paused
        self._listeners_max, self._changes_max = listeners_max, changes_max
        self._keep_alive_s = keep_alive_s
        self._states: FetchOnce[UUID, LiveState] = FetchOnce(
            self._fetch, ttl_s=STATE_TTL_S, entries_max=STATES_MAX
        )
        self.channels: dict[UUID, Channel] = {}
        self.listeners = 0
        self._closed = False

    async def read(self, session_id: UUID) -> LiveState:
        """At most STATE_TTL_S old. Raises NotFound, Unavailable, Overloaded."""
        return await self._states.get(session_id)

    def is_current(self, session_id: UUID, state: LiveState) -> bool:
        """True while `read` would return this state at once."""
        return self._states.is_current(session_id, state)

    async def follow(
        self, session_id: UUID, last_version: int | None = None
    ) -> AsyncGenerator[Event | None, None]:
        """The stream of one listener; None is a keep-alive. It ends on `close`.

        last_version: the listener's version. The stream resumes there if possible, else it begins with a
        snapshot. Raises NotFound, Unavailable or Overloaded immediately, never within the stream.
        """
        if self._closed or self.listeners >= self._listeners_max:
            raise Overloaded("Too many people are watching.")
        return self._events(await self.read(session_id), session_id, last_version)

    async def close(self) -> None:
        """Ends every stream and refuses new ones."""
        self._closed = True
        for channel in self.channels.values():
            channel.stop()
        self.channels.clear()

    async def _events(
        self, first: LiveState, session_id: UUID, last_version: int | None
    ) -> AsyncGenerator[Event | None, None]:
        """Joins the channel at the first event, so that a stream that is never read leaves nothing behind."""
        if self._closed:
            return
        channel = self.channels.get(session_id)
        if channel is None:
            channel = self.channels[session_id] = Channel(
                self._holds,
                session_id,
                first,
                is_paused=self._is_paused,
                changes_max=self._changes_max,
            )
        self.listeners += 1
        channel.listeners += 1
        try:
            async for event in channel.events(last_version, self._keep_alive_s):
                yield event
        finally:
            self.listeners -= 1
            channel.listeners -= 1
            if not channel.listeners and self.channels.get(session_id) is channel:
                channel.stop()
                del self.channels[session_id]

    async def _fetch(self, session_id: UUID) -> LiveState:
        return live_state(*await self._holds.positions(session_id))
