"""The live state of a session's seats for those who watch: one reader a session for all of them.

`read` answers a GET from a state at most STATE_TTL_S old. `follow` is an endless stream: a snapshot,
then what changed (channel.py).
"""

from collections.abc import AsyncGenerator
from uuid import UUID

from booking.seats.channel import CHANGES_MAX, Channel, Event, LiveState, live_state
from booking.seats.holds import SeatHolds
from chassis.concurrency.cache import FetchOnce
from chassis.problems import Overloaded

STATE_TTL_S = 0.2
STATES_MAX = 64  # sessions whose last state is kept; mostly 20 KB each, 4 MB at the outside
LISTENERS_MAX = 5_000  # a process; beyond it 503
KEEP_ALIVE_S = 15.0


class LiveSeats:
    """States and streams of every session, for all requests of this process."""

    def __init__(
        self,
        holds: SeatHolds,
        *,
        keep_alive_s: float = KEEP_ALIVE_S,
        listeners_max: int = LISTENERS_MAX,
        changes_max: int = CHANGES_MAX,
    ) -> None:
        self._holds = holds
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

    async def follow(
        self, session_id: UUID, last_version: int | None = None
    ) -> AsyncGenerator[Event | None, None]:
        """The stream of one listener; None stands for a keep-alive. It ends when this is closed.

        last_version: what the listener has; it goes on from there if that is still known, and begins
        with a snapshot if not. Raises NotFound, Unavailable or Overloaded now, not in the stream.
        """
        if self._closed or self.listeners >= self._listeners_max:
            raise Overloaded("Too many people are watching.")
        return self._events(await self.read(session_id), session_id, last_version)

    async def close(self) -> None:
        """Ends every stream; nobody is let in any more."""
        self._closed = True
        for channel in self.channels.values():
            channel.stop()
        self.channels.clear()

    async def _events(
        self, first: LiveState, session_id: UUID, last_version: int | None
    ) -> AsyncGenerator[Event | None, None]:
        """Joins when the first event is asked for: a stream never begun leaves nothing behind."""
        if self._closed:
            return
        channel = self.channels.get(session_id)
        if channel is None:
            channel = self.channels[session_id] = Channel(
                self._holds, session_id, first, changes_max=self._changes_max
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
