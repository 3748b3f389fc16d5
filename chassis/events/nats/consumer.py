"""Delivers one subscriber's events from JetStream: a durable pull consumer, delivered by calls to the
service.

    ask for more ─▶ pending ─POST /internal/events─▶ taken ─▶ acknowledged

Events that a subscriber does not take stay pending here and are offered again before newer events of
their subject. Meanwhile JetStream is told that they are in progress, so they are not redelivered, and
they never go back to the end of the queue. If a process died or a connection broke, JetStream waits
`ack_wait_s` before it redelivers its events. So a new consumer that finds such events waits as long: they
come before all newer ones.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from uuid import UUID

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from chassis.concurrency.backoff import Backoff, pause
from chassis.concurrency.rounds import repeat
from chassis.events.broker import EVENTS_PATH, Subscriber, calls
from chassis.events.envelope import Event, EventBatch
from chassis.events.nats.link import UNACKED_MAX, Link, heed_cancellation
from chassis.events.tracing import delivery
from chassis.observability import logs
from chassis.observability.tracer import Tracer
from chassis.problems import Unavailable
from chassis.seam.client import UpstreamRefused
from chassis.spans import CONSUMER

# How long JetStream keeps a request for more. With its leader it forgets them: then we wait for nothing.
PULL_S = 1.0
PULL_MARGIN_S = 0.5  # for JetStream's word that a request is over
ACK_TIMEOUT_S = (
    1.5  # then the acknowledgement is uncertain: the events are offered and acknowledged again
)
WAIT_S = 0.25  # for the next event, before checking whether to stop
RETRY = Backoff(first_s=0.1, most_s=2.0)

log = logs.get("nats")


class _Pending(msgspec.Struct):
    """A received event, and the message that acknowledges it (from its latest delivery)."""

    event: Event
    message: Msg


class Consumer:
    """Call `run` in one process at a time. JetStream remembers its position."""

    def __init__(
        self,
        link: Link,
        subscriber: Subscriber,
        *,
        ack_wait_s: float,
        tracer: Tracer | None = None,
    ) -> None:
        self._tracer = tracer
        self.name = subscriber.name
        self._client = subscriber.client
        self._link = link
        self._ack_wait_s = ack_wait_s
        self._pending: dict[UUID, _Pending] = {}  # in the order of their first delivery

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop`. Waits for NATS and the subscriber if they are down."""

        def failed(failure: Exception, failures: int) -> None:
            heed_cancellation()
            if failures & (failures - 1) == 0:  # the 1st, 2nd, 4th, 8th … in a row
                log.warning("consumer_waits", consumer=self.name, reason=repr(failure))

        await repeat(
            lambda: self._consume(stop),
            stop,
            interval_s=0.0,
            retry=RETRY,
            failed=failed,
            expected=(nats.errors.Error, Unavailable, TimeoutError, OSError),
        )

    async def _consume(self, stop: asyncio.Event) -> None:
        """Consumes while this connection lives."""
        context = await self._link.jetstream()
        epoch = self._link.epoch
        found = await context.consumer_info(self._link.stream, self.name)
        if (found.num_ack_pending or 0) > len(self._pending):
            log.info("events_with_nobody", consumer=self.name, events=found.num_ack_pending)
            await pause(stop, self._ack_wait_s)
        requests = _Requests(await self._link.client(), self._link, self.name)
        alive = asyncio.create_task(self._stay_alive(requests))
        failures = 0
        try:
            await requests.open()
            while not stop.is_set() and self._link.epoch == epoch:
                await self._receive(requests, wait_s=0 if self._pending else WAIT_S)
                trouble = await self._deliver() if self._pending else ""
                heed_cancellation()
                failures = failures + 1 if trouble else 0
                if failures:
                    if failures & (failures - 1) == 0:
                        log.warning(
                            "events_wait", consumer=self.name, failures=failures, reason=trouble
                        )
                    await pause(stop, RETRY.delay_s(failures))
        finally:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)
            await requests.close()
            if stop.is_set():
                await self._hand_back(requests)

    async def _receive(self, requests: "_Requests", *, wait_s: float) -> None:
        for message in await requests.next(UNACKED_MAX - len(self._pending), wait_s):
            try:
                event = msgspec.json.decode(message.data, type=Event)
            except msgspec.DecodeError as wrong:  # the event is malformed: no redelivery can help
                log.error("no_event_dropped", subject=message.subject, reason=str(wrong))
                await message.term()
                continue
            known = self._pending.get(event.id)
            if known is None:
                self._pending[event.id] = _Pending(event, message)
            else:
                known.message = message

    async def _deliver(self) -> str:
        """Delivers pending events, oldest first. Returns why some were not taken, if so.

        Raises a NATS error if it is uncertain whether taken events are acknowledged.
        """
        taken: list[Event] = []
        refused: set[str] = set()  # subjects whose next event the subscriber refuses
        trouble = ""
        try:
            for call in calls([one.event for one in self._pending.values()]):
                wanted = [event for event in call if event.subject not in refused]
                try:
                    await self._send(wanted)
                    taken += wanted
                except UpstreamRefused:
                    for event in wanted:
                        if event.subject in refused:
                            continue
                        try:
                            await self._send([event])
                            taken.append(event)
                        except UpstreamRefused as refusal:
                            refused.add(event.subject)
                            trouble = f"event {event.id}: {refusal}"
        except Exception as failure:
            trouble = str(failure) or type(failure).__name__
        await self._acknowledge(taken)
        return trouble

    async def _send(self, events: Sequence[Event]) -> None:
        if events:
            body = msgspec.json.encode(EventBatch(list(events)))
            name = f"receive {self.name}"
            with delivery(self._tracer, events, name=name, service="worker", kind=CONSUMER):
                await self._client.request("POST", EVENTS_PATH, body)

    async def _acknowledge(self, taken: Sequence[Event]) -> None:
        """The server handles acknowledgements in order, so its answer to the last one covers all.

        Until it is there, the events stay pending. Waiting for JetStream to redeliver them would take
        `ack_wait_s`; the subscriber's inbox knows that they have taken effect.
        """
        messages = [self._pending[event.id].message for event in taken]
        client = await self._link.client()
        for message in messages[:-1]:
            await client.publish(message.reply)  # nats-py's ack() can be said only once
        for message in messages[-1:]:
            await message.ack_sync(timeout=ACK_TIMEOUT_S)
        for event in taken:
            del self._pending[event.id]

    async def _stay_alive(self, requests: "_Requests") -> None:
        """Of all that JetStream has sent, oldest first: should this process die, it redelivers in the order
        in which their time runs out."""
        while True:
            await asyncio.sleep(self._ack_wait_s / 3)
            waiting = [one.message for one in self._pending.values()]
            for message in [*waiting, *(one for one in requests.arrived if one.reply)]:
                with contextlib.suppress(nats.errors.Error):
                    await message.in_progress()
                heed_cancellation()

    async def _hand_back(self, requests: "_Requests") -> None:
        """At the end, returns undelivered events, so that the next consumer gets them at once."""
        messages = [one.message for one in self._pending.values()]
        messages += [one for one in requests.arrived if one.reply]
        self._pending.clear()
        with contextlib.suppress(nats.errors.Error, TimeoutError, OSError):
            for message in messages:
                await message.nak()
            await requests.flush()


class _Requests:
    """Standing requests for more, so that an event arrives as soon as JetStream has it."""

    def __init__(self, client: Client, link: Link, consumer: str) -> None:
        self.arrived: deque[Msg] = deque()
        self._client = client
        self._link = link
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{link.stream}.{consumer}"
        self._inbox = client.new_inbox()
        self._bell = asyncio.Event()
        self._subscription: Subscription | None = None
        self._asked = 0  # events that JetStream may still send for the last request
        self._asked_until = 0.0

    async def open(self) -> None:
        async def arrive(message: Msg) -> None:
            self.arrived.append(message)
            self._bell.set()

        self._subscription = await self._client.subscribe(self._inbox, cb=arrive)

    async def close(self) -> None:
        if self._subscription is not None:
            with contextlib.suppress(nats.errors.Error):
                await self._subscription.unsubscribe()

    async def flush(self) -> None:
        await self._client.flush(1)

    async def next(self, room: int, wait_s: float) -> list[Msg]:
        """Events that have arrived. Waits up to `wait_s` for the first. Requests as many as there is room
        for."""
        if room > 0 and (self._asked < 1 or time.monotonic() > self._asked_until):
            request = {"batch": room, "expires": int(PULL_S * 1e9)}
            await self._client.publish(self._next, msgspec.json.encode(request), reply=self._inbox)
            self._asked, self._asked_until = room, time.monotonic() + PULL_S + PULL_MARGIN_S
        if not self.arrived and wait_s:
            self._bell.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._bell.wait()
        messages = []
        while self.arrived:
            message = self.arrived.popleft()
            status = (message.headers or {}).get("Status")
            if status is None:
                self._asked -= 1
                messages.append(message)
            else:
                self._heed(status, (message.headers or {}).get("Description", ""))
        return messages

    def _heed(self, status: str, description: str) -> None:
        """A request has ended: its time is over, or its consumer does not exist."""
        self._asked = 0
        if status == "503" or "Deleted" in description:
            self._link.doubt()
            raise Unavailable(f"The consumer does not exist: {status} {description}")
