"""NATS JetStream as the broker: it stores events in files until every consumer has taken them.

Order by subject is kept at both ends. The relay publishes an event only once all earlier events of its
subject are acknowledged, so a connection that breaks in the middle of a batch cannot let a later event in
first. chassis.events.nats.consumer does the same for consumers.
"""

import asyncio
import time
from collections import deque
from collections.abc import Collection, Sequence
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import nats.errors
from nats.js import JetStreamContext
from nats.js.api import Header, PubAck
from nats.js.errors import NoStreamResponseError

from chassis.concurrency.backoff import Backoff
from chassis.concurrency.measuring import Measure, report_all
from chassis.concurrency.rounds import repeat
from chassis.events.broker import PartlyTaken, Subscriber
from chassis.events.envelope import Event
from chassis.events.nats.consumer import Consumer
from chassis.events.nats.link import CALL_TIMEOUT_S, PREFIX, Link, heed_cancellation
from chassis.observability import logs
from chassis.observability.metrics import CONSUMER_LAG
from chassis.observability.reports import Report
from chassis.observability.tracer import Tracer
from chassis.postgres.leadership import lead
from chassis.postgres.pool import open_pool
from chassis.problems import Unavailable

ACK_WAIT_S = 20.0  # longer than a subscriber's call may take
WAVE_MAX = 1000  # events on their way to NATS together
PROBE_TIMEOUT_S = 1.0
LAG_INTERVAL_S = 5.0
LOOK_INTERVAL_S = 0.2  # interval to check the connection on which acknowledgements arrive
RETRY = Backoff(first_s=0.2, most_s=5.0)
CONTENT_TYPE = "application/cloudevents+json"

log = logs.get("nats")


class NatsBroker:
    """`publish` for the relay, `run` for the worker. Connects on first use."""

    def __init__(
        self,
        url: str,
        subscribers: Sequence[Subscriber],
        *,
        database_url: str,
        tracer: Tracer | None = None,
        prefix: str = PREFIX,
        ack_wait_s: float = ACK_WAIT_S,
        call_timeout_s: float = CALL_TIMEOUT_S,
    ) -> None:
        self._call_timeout_s = call_timeout_s
        self._url = url
        self._database_url = database_url
        self.link = Link(url, subscribers, prefix=prefix, ack_wait_s=ack_wait_s)
        self._consumers = [
            Consumer(self.link, one, ack_wait_s=ack_wait_s, tracer=tracer) for one in subscribers
        ]
        self._looked_at = float("-inf")
        self._answers = False

    async def publish(self, events: Sequence[Event]) -> None:
        """Returns once JetStream has stored all events. It does not store an event twice.

        Raises Unavailable, or PartlyTaken if some were stored.
        """
        context = await self.link.jetstream()
        waiting: dict[str, deque[Event]] = {}
        for event in events:
            waiting.setdefault(event.subject, deque()).append(event)
        stored: set[UUID] = set()
        trouble = ""
        while waiting and not trouble:
            for wave in _waves([queue[0] for queue in waiting.values()]):
                kept, trouble = await self._store(context, wave)
                stored |= kept
                if trouble:
                    break
            else:
                for subject, queue in list(waiting.items()):
                    queue.popleft()
                    if not queue:
                        del waiting[subject]
        if trouble and stored:
            raise PartlyTaken(frozenset(stored), trouble)
        if trouble:
            raise Unavailable(trouble)

    async def run(self, stop: asyncio.Event) -> None:
        """Delivers to every subscriber until `stop`, while no other process does."""
        name = f"consumers of {self.link.stream}"

        async def one_round() -> None:
            pool = await open_pool(self._database_url, "public", size=1)
            try:
                await lead(pool, name, lambda: self._feed(stop), stop)
            finally:
                pool.terminate()

        def failed(failure: Exception, _failures: int) -> None:
            log.warning("consuming_interrupted", reason=repr(failure))

        await repeat(one_round, stop, interval_s=0.0, retry=RETRY, failed=failed)

    async def dependencies(self) -> dict[str, bool]:
        """Checked at most once per second, on the existing connection."""
        if time.monotonic() - self._looked_at > PROBE_TIMEOUT_S:
            self._looked_at = time.monotonic()
            found = await asyncio.gather(*(_greets(one) for one in self._url.split(",")))
            self._answers = any(found)
        return {"nats": self._answers}

    async def close(self) -> None:
        await self.link.close()

    async def _feed(self, stop: asyncio.Event) -> None:
        log.info("consumers_lead", consumers=len(self._consumers))
        async with asyncio.TaskGroup() as group:
            for consumer in self._consumers:
                group.create_task(consumer.run(stop), name=f"{consumer.name}-consumer")
            lag = Measure("consumer_lag", LAG_INTERVAL_S, self._measure_lag)
            group.create_task(report_all([lag], stop, log), name="consumer-lag")

    async def _measure_lag(self, report: Report) -> None:
        context = await self.link.jetstream()
        waiting: dict[tuple[str, ...], float] = {}
        for consumer in self._consumers:
            found = await context.consumer_info(self.link.stream, consumer.name)
            waiting[consumer.name, "nats"] = (found.num_pending or 0) + (found.num_ack_pending or 0)
        report.show(CONSUMER_LAG, waiting)

    async def _store(
        self, context: JetStreamContext, wave: Sequence[Event]
    ) -> tuple[set[UUID], str]:
        """The events that JetStream acknowledged, and the failure of the others."""
        under_way: dict[UUID, asyncio.Future[PubAck]] = {}
        trouble = ""
        try:
            for event in wave:
                under_way[event.id] = await context.publish_async(
                    self.link.subject_of(event.type, event.subject),
                    msgspec.json.encode(event),
                    wait_stall=self._call_timeout_s,
                    headers={Header.MSG_ID.value: str(event.id), "Content-Type": CONTENT_TYPE},
                )
        except (nats.errors.Error, OSError) as failure:
            trouble = repr(failure)
        heed_cancellation()
        await self._answered(under_way.values())
        stored = set()
        for event_id, answer in under_way.items():
            if not answer.done():
                answer.cancel()
                trouble = trouble or "NATS does not acknowledge."
            elif answer.exception() is None:
                stored.add(event_id)
            else:
                trouble = repr(answer.exception())
                if isinstance(answer.exception(), NoStreamResponseError):
                    self.link.doubt()
        return stored, trouble

    async def _answered(self, answers: Collection["asyncio.Future[PubAck]"]) -> None:
        """Returns when all acknowledgements are there, or no more can come."""
        give_up = time.monotonic() + self._call_timeout_s
        left: Collection[asyncio.Future[PubAck]] = answers
        while left and self.link.is_connected and time.monotonic() < give_up:
            _, left = await asyncio.wait(left, timeout=LOOK_INTERVAL_S)


def _waves(events: Sequence[Event]) -> list[Sequence[Event]]:
    return [events[start : start + WAVE_MAX] for start in range(0, len(events), WAVE_MAX)]


async def _greets(url: str) -> bool:
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 4222)
            try:
                return (await reader.readline()).startswith(b"INFO")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
