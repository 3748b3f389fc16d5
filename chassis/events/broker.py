"""The brokers. The relay publishes; the composition root says who subscribes to what.

`MemoryBroker` stores nothing. It hands each batch to its subscribers by a call to their service, and the
outbox row stays until all of them have taken it. A subscriber that is down or slow delays nobody else:
each has a lane of its own.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from chassis.concurrency.cache import BoundedCache
from chassis.events.envelope import Event, EventBatch
from chassis.seam.client import ServiceClient, UpstreamRefused

EVENTS_PATH = "/internal/events"  # POST EventBatch; 204 once all events are applied, now or before
CALL_EVENTS_MAX = 500
CALL_BYTES_MAX = 512 * 1024  # of event data; a service accepts bodies of twice that
PATIENCE_S = 1.0  # wait for one subscriber before the others get the next events
REMEMBERED_MAX = 50_000  # events per lane; more than a relay ever reads together


class PartlyTaken(Exception):
    """Not every subscriber has taken every event. `taken`: the ids that need no more delivery."""

    def __init__(self, taken: frozenset[UUID], reason: str) -> None:
        super().__init__(reason)
        self.taken = taken


class Broker(Protocol):
    async def publish(self, events: Sequence[Event]) -> None:
        """Returns once all events are taken. Otherwise raises, and then all may be delivered again,
        except those that a PartlyTaken lists."""

    async def run(self, stop: asyncio.Event) -> None:
        """For the worker: delivers the broker's stored events to the subscribers, until `stop`."""

    async def dependencies(self) -> dict[str, bool]:
        """For readiness: dependencies beside the subscribers, and whether they answer."""

    async def close(self) -> None:
        """Closes the connections. No published event is lost."""


class Subscriber(msgspec.Struct, frozen=True):
    """A consumer of events. `types` are full event types, such as `stampede.order.paid.v1`."""

    name: str
    client: ServiceClient
    types: frozenset[str]


class MemoryBroker:
    """The default broker: delivers within the call.

    A delivery that takes longer than PATIENCE_S continues beside the next calls, which skip its lane
    until it ends.
    """

    def __init__(self, subscribers: Sequence[Subscriber]) -> None:
        self._lanes = [_Lane(subscriber) for subscriber in subscribers]
        self.consumers = {one.name: one.types for one in subscribers}

    async def publish(self, events: Sequence[Event]) -> None:
        tasks = [task for lane in self._lanes if (task := lane.depart(events)) is not None]
        if tasks:
            try:
                await asyncio.wait(tasks, timeout=PATIENCE_S)
            except asyncio.CancelledError:
                for task in tasks:
                    task.cancel()
                raise
        if all(lane.has_taken(events) for lane in self._lanes):
            for lane in self._lanes:
                lane.forget()
            return
        for lane in self._lanes:
            lane.remember()
        taken = [event.id for event in events if all(lane.is_done(event) for lane in self._lanes)]
        if len(taken) < len(events):
            reasons = [f"{lane.name}: {lane.trouble}" for lane in self._lanes if lane.trouble]
            raise PartlyTaken(frozenset(taken), "; ".join(reasons) or "a delivery is under way")

    async def run(self, stop: asyncio.Event) -> None:
        """Nothing is stored, so nothing is left to deliver."""

    async def dependencies(self) -> dict[str, bool]:
        return {}

    async def close(self) -> None:
        """There is no connection."""


class _Lane:
    """One subscriber's lane: one delivery at a time, in order. While another subscriber is waited for, it
    remembers what this one has taken, so that waiting repeats nothing here."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.name = subscriber.name
        self.trouble = ""  # the last delivery's failure; empty if it succeeded
        self._subscriber = subscriber
        self._taken: BoundedCache[UUID, None] = BoundedCache(REMEMBERED_MAX)
        self._fresh: list[Event] = []  # taken, and not remembered yet
        self._whole: Sequence[Event] | None = None  # the last events offered, if all were taken
        self._task: asyncio.Task[None] | None = None

    def has_taken(self, events: Sequence[Event]) -> bool:
        """Whether these were offered last, and the subscriber has all that it wants of them."""
        return self._whole is events

    def is_done(self, event: Event) -> bool:
        return event.type not in self._subscriber.types or (
            len(self._taken) > 0 and event.id in self._taken
        )

    def forget(self) -> None:
        """Every subscriber has what was offered last: it is not offered again."""
        self._whole = None
        self._fresh = []

    def remember(self) -> None:
        for event in self._fresh:
            self._taken.put(event.id, None)
        self._fresh = []

    def depart(self, events: Sequence[Event]) -> "asyncio.Task[None] | None":
        """Starts to deliver the events that this subscriber wants and has not taken, unless a delivery is
        under way."""
        if self._task is None or self._task.done():
            self.remember()
            wanted = [event for event in events if not self.is_done(event)]
            self._whole = None if wanted else events
            if not wanted:
                return None
            self._task = asyncio.create_task(self._deliver(wanted, events))
        return self._task

    async def _deliver(self, wanted: Sequence[Event], offered: Sequence[Event]) -> None:
        self.trouble = ""
        try:
            for call in calls(wanted):
                try:
                    await self._send(call)
                except UpstreamRefused:
                    await self._send_singly(call)
        except Exception as failure:
            self.trouble = str(failure) or type(failure).__name__
        if not self.trouble:
            self._whole = offered

    async def _send(self, events: Sequence[Event]) -> None:
        body = msgspec.json.encode(EventBatch(list(events)))
        await self._subscriber.client.request("POST", EVENTS_PATH, body)
        self._fresh += events

    async def _send_singly(self, events: Sequence[Event]) -> None:
        """The call was refused (4xx): only the event that causes it, and later ones of its subject, stay
        back."""
        refused: set[str] = set()
        for event in events:
            if event.subject not in refused:
                try:
                    await self._send([event])
                except UpstreamRefused as refusal:
                    refused.add(event.subject)
                    self.trouble = f"event {event.id}: {refusal}"


def calls(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Splits the events into lists that one call may carry."""
    call: list[Event] = []
    size = 0
    for event in events:
        length = len(bytes(event.data))
        if call and (len(call) >= CALL_EVENTS_MAX or size + length > CALL_BYTES_MAX):
            yield call
            call, size = [], 0
        call.append(event)
        size += length
    if call:
        yield call
