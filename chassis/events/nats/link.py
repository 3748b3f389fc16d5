"""One connection to NATS that reconnects by itself, and the stream and consumers that we need.

Any number of processes may do all of this at once and repeatedly: declaring is idempotent.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from urllib.parse import quote, urlsplit

import nats.errors
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, NotFoundError, ServerError

from chassis.events.broker import Subscriber
from chassis.observability import logs
from chassis.problems import Unavailable

PREFIX = "stampede.events"  # subjects are PREFIX.<event type>.<event subject>
REPLICAS = 3  # in a cluster of at least that many servers; a single server keeps one
# JetStream's errors if it has too few servers for the replicas
TOO_FEW_SERVERS = {10005, 10052, 10074}
DEDUPE_S = 600.0  # a relay publishes uncertain events again within seconds
CONNECT_TIMEOUT_S = 1
RECONNECT_INTERVAL_S = 0.25
PING_INTERVAL_S = 0.5  # a half-open connection is noticed after three of them
# For an answer of JetStream. A leader that died answers never, and its successor is elected meanwhile; what
# was late all the same is done again without a second effect (ADR 58).
CALL_TIMEOUT_S = 1.5
START_TIMEOUT_S = 5.0  # at the start of a process there is time
UNACKED_MAX = 1000  # events in progress at one consumer

log = logs.get("nats")


class NatsUnreachable(Exception):
    """NATS does not answer, or is unusable. One sentence says what to do."""


class Link:
    """`await link.jetstream()` returns JetStream with a declared stream, on a living connection.

    `epoch` counts connections: work in progress on an earlier one is uncertain.
    """

    def __init__(
        self, url: str, subscribers: Sequence[Subscriber], *, prefix: str, ack_wait_s: float
    ) -> None:
        self.prefix = prefix
        self.stream = prefix.upper().replace(".", "_")
        self.epoch = 0
        self._servers = url.split(",")
        self._subscribers = subscribers
        self._ack_wait_s = ack_wait_s
        self._client: Client | None = None
        # one per client: it subscribes to its answers
        self._context: JetStreamContext | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._declaring = asyncio.Lock()
        self._declared = False
        self._told = False

    async def jetstream(self) -> JetStreamContext:
        """Raises Unavailable while there is no connection. Reconnecting never stops."""
        client = await self.client()
        context = self._context = self._context or client.jetstream(timeout=CALL_TIMEOUT_S)
        async with self._declaring:
            if not self._declared:
                try:
                    await self._declare(context)
                except (nats.errors.Error, TimeoutError) as failure:
                    raise Unavailable(f"NATS cannot create the stream: {failure!r}") from failure
                self._declared = True
        return context

    async def client(self) -> Client:
        if self._client is None or (self._client.is_closed and _over(self._connecting)):
            self._client, self._context = Client(), None
            self._connecting = asyncio.create_task(self._connect(self._client))
        if not self._client.is_connected and self._connecting is not None:
            await asyncio.wait([self._connecting], timeout=CONNECT_TIMEOUT_S)
        if not self._client.is_connected:
            raise Unavailable("NATS does not answer.")
        return self._client

    @property
    def is_connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    def doubt(self) -> None:
        """The stream or a consumer no longer exists: it is declared again before the next use."""
        self._declared = False

    async def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.gather(self._connecting, return_exceptions=True)
        if self._client is not None:
            with contextlib.suppress(nats.errors.Error, TimeoutError, OSError):
                await self._client.close()

    def subject_of(self, type_: str, subject: str) -> str:
        return f"{self.prefix}.{type_}.{_token(subject)}"

    async def _connect(self, client: Client) -> None:
        async def reconnected() -> None:
            self._came_up()

        await client.connect(
            servers=self._servers,
            name="stampede",
            error_cb=self._tell,
            reconnected_cb=reconnected,
            connect_timeout=CONNECT_TIMEOUT_S,
            reconnect_time_wait=RECONNECT_INTERVAL_S,  # type: ignore[arg-type]  # passed to sleep
            max_reconnect_attempts=-1,
            ping_interval=PING_INTERVAL_S,  # type: ignore[arg-type]  # passed to sleep
            max_outstanding_pings=2,
        )
        self._came_up()

    def _came_up(self) -> None:
        self.epoch += 1
        self._declared = self._told = False
        log.info("nats_connected", connection=self.epoch)

    async def _tell(self, failure: Exception) -> None:
        if not self._told:  # once per outage, not four times a second
            self._told = True
            log.warning("nats_interrupted", reason=repr(failure))

    async def _declare(self, context: JetStreamContext) -> None:
        try:
            kept = await self._declare_stream(context, REPLICAS)
        except (APIError, ServerError) as refusal:
            if refusal.err_code not in TOO_FEW_SERVERS:
                raise
            kept = await self._declare_stream(context, 1)
        for subscriber in self._subscribers:
            await context.add_consumer(
                self.stream,
                ConsumerConfig(
                    name=subscriber.name,
                    durable_name=subscriber.name,
                    ack_policy=AckPolicy.EXPLICIT,
                    ack_wait=self._ack_wait_s,
                    max_deliver=-1,  # the inbox decides when to give up, and records a reason
                    max_ack_pending=UNACKED_MAX,
                    filter_subjects=[f"{self.prefix}.{one}.*" for one in sorted(subscriber.types)],
                ),
            )
        log.info("stream_declared", stream=self.stream, replicas=kept)

    async def _declare_stream(self, context: JetStreamContext, replicas: int) -> int:
        """An event stays until every consumer that wants it has acknowledged it, however long.

        Other changes by an operator are kept, and replicas are never removed.
        """
        try:
            found = (await context.stream_info(self.stream)).config
        except NotFoundError:
            found = None
        if found is None:
            await context.add_stream(
                StreamConfig(
                    name=self.stream,
                    subjects=[f"{self.prefix}.>"],
                    retention=RetentionPolicy.INTEREST,
                    storage=StorageType.FILE,
                    num_replicas=replicas,
                    duplicate_window=DEDUPE_S,
                )
            )
        elif (found.num_replicas or 1) < replicas:
            await context.update_stream(found.evolve(num_replicas=replicas))
        else:
            return found.num_replicas or 1
        return replicas


def heed_cancellation() -> None:
    """Call it after every wait on the client, which swallows some cancellations.

    Otherwise, a process that lost the lead would continue beside the new leader.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def check(url: str) -> None:
    """For the start of a process. Raises NatsUnreachable."""
    client = Client()
    where = ", ".join(_without_secrets(one) for one in url.split(","))

    reasons: list[str] = []

    async def note(failure: Exception) -> None:
        reasons.append(str(failure) or type(failure).__name__)

    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await client.connect(
                servers=url.split(","),
                error_cb=note,
                allow_reconnect=False,
                connect_timeout=CONNECT_TIMEOUT_S,
                max_reconnect_attempts=1,
                reconnect_time_wait=RECONNECT_INTERVAL_S,  # type: ignore[arg-type]
            )
        await client.jetstream(timeout=START_TIMEOUT_S).account_info()
    except (APIError, ServerError) as refusal:
        raise NatsUnreachable(
            f"NATS at {where} has no JetStream ({refusal.description}); start it with JetStream."
        ) from None
    except (nats.errors.Error, OSError, TimeoutError) as failure:
        reason = reasons[-1] if reasons else str(failure) or type(failure).__name__
        raise NatsUnreachable(
            f"NATS at {where} does not answer ({reason}); start it, or correct STAMPEDE_NATS_URL."
        ) from None
    finally:
        with contextlib.suppress(nats.errors.Error, OSError, TimeoutError):
            await client.close()


def _over(task: "asyncio.Task[None] | None") -> bool:
    return task is None or task.done()


def _token(subject: str) -> str:
    """One token of a NATS subject, for any event subject."""
    return quote(subject, safe="").replace(".", "%2E").replace("~", "%7E") or "%"


def _without_secrets(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
