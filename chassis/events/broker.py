"""Where events go. The relay publishes; who subscribes to what is told by the composition root.

`MemoryBroker` stores nothing: it hands each batch straight to its subscribers through the seam, and
the outbox row stays until every one of them took it. A subscriber that is away or slow holds up
nobody else: each has a lane of its own.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from chassis.events.envelope import Event, EventBatch
from chassis.seam.client import ServiceClient, UpstreamRefused

EVENTS_PATH = "/internal/events"  # POST EventBatch → 204 when all are taken, or taken already
CALL_EVENTS_MAX = 500
CALL_BYTES_MAX = 512 * 1024  # of event data; a service takes bodies of twice that
PATIENCE_S = 1.0  # for one subscriber before the others get what is new
REMEMBERED_MAX = 50_000  # events a lane; more than a relay ever looks at together


class PartlyTaken(Exception):
    """Not every subscriber took every event. `taken`: the ids that need no other delivery."""

    def __init__(self, taken: frozenset[UUID], reason: str) -> None:
        super().__init__(reason)
        self.taken = taken


class Broker(Protocol):
    async def publish(self, events: Sequence[Event]) -> None:
        """Returns when everything has been taken. Raises otherwise, and then all may come again,
        but for those that a PartlyTaken names."""

    async def run(self, stop: asyncio.Event) -> None:
        """In the worker: brings to the subscribers what the broker has stored, until `stop`."""

    async def dependencies(self) -> dict[str, bool]:
        """For readiness: what it needs besides the subscribers, and whether that answers."""

    async def close(self) -> None:
        """Connections end; nothing that was published is lost."""


class Subscriber(msgspec.Struct, frozen=True):
    """A consumer of events: `types` are whole event types, such as `stampede.order.paid.v1`."""

    name: str
    client: ServiceClient
    types: frozenset[str]


class MemoryBroker:
    """The default broker: delivery in the call itself.

    A delivery that takes longer than PATIENCE_S goes on behind the next calls, which leave its lane
    alone until it has ended.
    """

    def __init__(self, subscribers: Sequence[Subscriber]) -> None:
        self._lanes = [_Lane(subscriber) for subscriber in subscribers]

    async def publish(self, events: Sequence[Event]) -> None:
        tasks = [task for lane in self._lanes if (task := lane.depart(events)) is not None]
        if tasks:
            try:
                await asyncio.wait(tasks, timeout=PATIENCE_S)
            except asyncio.CancelledError:
                for task in tasks:
                    task.cancel()
                raise
        taken = [event.id for event in events if all(lane.is_done(event) for lane in self._lanes)]
        if len(taken) < len(events):
            reasons = [f"{lane.name}: {lane.trouble}" for lane in self._lanes if lane.trouble]
            raise PartlyTaken(frozenset(taken), "; ".join(reasons) or "a delivery is under way")

    async def run(self, stop: asyncio.Event) -> None:
        """Nothing is stored here, so nothing is left to bring."""

    async def dependencies(self) -> dict[str, bool]:
        return {}

    async def close(self) -> None:
        """There is no connection."""


class _Lane:
    """The way to one subscriber: one delivery at a time, in order; what it took is remembered, so
    that waiting for another subscriber repeats nothing here."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.name = subscriber.name
        self.trouble = ""  # what the last delivery met; empty when it went well
        self._subscriber = subscriber
        self._taken: OrderedDict[UUID, None] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def is_done(self, event: Event) -> bool:
        return event.type not in self._subscriber.types or event.id in self._taken

    def depart(self, events: Sequence[Event]) -> "asyncio.Task[None] | None":
        """Starts delivering what is wanted and not taken yet, unless a delivery is under way."""
        if self._task is None or self._task.done():
            wanted = [event for event in events if not self.is_done(event)]
            if not wanted:
                return None
            self._task = asyncio.create_task(self._deliver(wanted))
        return self._task

    async def _deliver(self, events: Sequence[Event]) -> None:
        self.trouble = ""
        try:
            for call in calls(events):
                try:
                    await self._send(call)
                except UpstreamRefused:
                    await self._send_singly(call)
        except Exception as failure:
            self.trouble = str(failure) or type(failure).__name__

    async def _send(self, events: Sequence[Event]) -> None:
        body = msgspec.json.encode(EventBatch(list(events)))
        await self._subscriber.client.request("POST", EVENTS_PATH, body)
        self._taken.update((event.id, None) for event in events)
        while len(self._taken) > REMEMBERED_MAX:
            self._taken.popitem(last=False)

    async def _send_singly(self, events: Sequence[Event]) -> None:
        """The call as such was refused (4xx): only what causes it stays back, with its subject."""
        refused: set[str] = set()
        for event in events:
            if event.subject not in refused:
                try:
                    await self._send([event])
                except UpstreamRefused as refusal:
                    refused.add(event.subject)
                    self.trouble = f"event {event.id}: {refusal}"


def calls(events: Sequence[Event]) -> Iterator[list[Event]]:
    """The events cut into what one call may carry."""
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
