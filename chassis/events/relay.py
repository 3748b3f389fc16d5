"""The outbox relay: delivers committed events to the broker, and deletes them once all subscribers have
them.

One relay per schema is active. It holds a session-level advisory lock on the connection that also reads
and deletes, so a reader has the lead at that moment. The others stand by and take over when that
connection dies. No transaction is open during network calls. If a relay dies between publishing and
deleting, its successor sends the rows again, and each consumer's inbox applies them once.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from chassis.concurrency.backoff import Backoff, pause
from chassis.concurrency.rounds import repeat
from chassis.events.broker import Broker, MemoryBroker, PartlyTaken
from chassis.events.envelope import Event
from chassis.events.floor import ReadingFloor, read_by_key
from chassis.events.tracing import delivery
from chassis.events.unfolding import Unfolding, events_of
from chassis.observability import metrics
from chassis.observability.tracer import Tracer
from chassis.postgres.leadership import lead_by
from chassis.postgres.pool import UNAVAILABLE, Connection, Pool, connection, load_queries
from chassis.spans import PRODUCER

BATCH_MAX = 500  # rows per round
# Rows read while a subscriber takes nothing, so that the others still get theirs.
WINDOW_MAX = 16_000
GATHER_S = 0.25  # after a batch that was not full: a round costs about the same whatever its size
MEASURE_INTERVAL_S = 5.0
RETRY = Backoff(first_s=0.1, most_s=1.0)  # other subscribers than the failing one wait for this too

_sql = load_queries(Path(__file__).parent / "sql" / "outbox.sql")


class Relay:
    """Run `await Relay(pool, broker, source="booking", log=log).run(stop)` in the worker process.

    It keeps one connection of the pool while it runs. With `archive`, delivered rows move to the schema's
    archive (chassis.events.archive) instead of being deleted. Rows are sent in `position` order, and each
    subscriber takes a subject's events in that order. `unfolding`: for rows that stand for several events.
    """

    def __init__(
        self,
        pool: Pool,
        broker: Broker,
        *,
        source: str,
        log: Any,
        archive: bool = False,
        count: Callable[[Sequence[Event]], None] = lambda _: None,
        unfolding: Unfolding | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._pool = pool
        self._broker = broker
        self._source = source
        self._log = log
        self._archive = archive
        self._unarchived = list(unfolding.unarchived) if unfolding is not None else []
        self._count = count
        self._unfolding = unfolding
        self._tracer = tracer
        metrics.RELAY_FAILURES.labels(source)  # 0 until there is one
        self._batch_events = metrics.RELAY_BATCH.labels(source).observe
        self._batch_seconds = metrics.RELAY_SECONDS.labels(source).observe
        self._measured_at = float("-inf")
        self.floor = ReadingFloor()  # of the time that this relay leads

    async def run(self, stop: asyncio.Event) -> None:
        """Relays until `stop`. Waits for a lost database; only `stop` ends it."""

        def failed(failure: Exception, _failures: int) -> None:
            self._log.warning("relay_interrupted", source=self._source, reason=repr(failure))

        await repeat(lambda: self._stand_by(stop), stop, interval_s=0.0, retry=RETRY, failed=failed)

    async def round(self) -> int:
        """Sends one batch, without regard to the lead. Returns the number of events that every subscriber
        took.

        For tests and tools. Raises the broker's exception if not everything was taken.
        """
        self.floor = ReadingFloor()
        async with connection(self._pool) as db:
            return await self._relay_batch(db, BATCH_MAX)

    async def _stand_by(self, stop: asyncio.Event) -> None:
        """Stands by, then leads. The lock goes when the pool gets its connection back."""
        try:
            await lead_by(
                self._pool, _sql.try_lead, lambda held: self._run_as_leader(held, stop), stop
            )
        finally:
            self._forget_measures()

    async def _run_as_leader(self, db: Connection, stop: asyncio.Event) -> None:
        self._log.info("relay_leads", source=self._source)
        await read_by_key(db)
        self.floor = ReadingFloor()
        failures, limit = 0, BATCH_MAX
        while not stop.is_set():
            try:
                relayed = await self._relay_batch(db, limit)
            except (asyncpg.PostgresError, *UNAVAILABLE):
                raise  # the database failed, so the lead is uncertain
            except Exception as failure:
                failures += 1
                metrics.RELAY_FAILURES.labels(self._source).inc()
                if isinstance(failure, PartlyTaken):
                    limit = min(limit * 2, WINDOW_MAX)
                if failures & (failures - 1) == 0:  # the 1st, 2nd, 4th, 8th … in a row
                    self._log.warning(
                        "events_wait", source=self._source, failures=failures, reason=str(failure)
                    )
                delay_s = RETRY.delay_s(failures)
            else:
                delay_s = 0.0 if relayed >= limit else GATHER_S
                failures, limit = 0, BATCH_MAX
            await self.floor.rise(db)
            await self._measure(db)
            await pause(stop, delay_s)

    async def _relay_batch(self, db: Connection, limit: int) -> int:
        began = time.monotonic()
        found = _sql.undelivered(db, floor=self.floor.position, limit=limit)
        rows = [row async for row in found]
        self.floor.has_read([row["position"] for row in rows])
        if not rows:
            return 0
        told = await events_of(db, rows, self._source, self._unfolding)
        events = [event for one in told for event in one]
        self._batch_events(len(events))
        name = f"publish {self._source}"
        try:
            with delivery(self._tracer, events, name=name, service=self._source, kind=PRODUCER):
                await self._broker.publish(events)
        except PartlyTaken as partly:
            done = [
                n for n, one in enumerate(told) if all(event.id in partly.taken for event in one)
            ]
            await self._delete(db, [rows[n] for n in done], [told[n] for n in done])
            raise
        await self._delete(db, rows, told)
        self._batch_seconds(time.monotonic() - began)
        return len(rows)

    async def _delete(
        self, db: Connection, rows: Sequence[Any], told: Sequence[Sequence[Event]]
    ) -> None:
        """`told`: the events of each row."""
        if rows:
            positions = [row["position"] for row in rows]
            if self._archive:
                await _sql.archive_delivered(db, positions=positions, unarchived=self._unarchived)
            else:
                await _sql.delete_delivered(db, positions=positions)
            events = [event for one in told for event in one]
            metrics.EVENTS_RELAYED.labels(self._source).inc(len(events))
            self._count(events)

    async def _measure(self, db: Connection) -> None:
        if time.monotonic() - self._measured_at < MEASURE_INTERVAL_S:
            return
        self._measured_at = time.monotonic()
        backlog = await _sql.backlog(db, floor=self.floor.position)
        metrics.OUTBOX_DEPTH.labels(self._source).set(backlog["depth"])
        metrics.OUTBOX_AGE.labels(self._source).set(backlog["age_s"])
        if isinstance(self._broker, MemoryBroker):
            await self._measure_consumers(db, self._broker)

    async def _measure_consumers(self, db: Connection, broker: MemoryBroker) -> None:
        """This broker stores nothing: what a consumer has not taken is here."""
        waiting: Counter[str] = Counter()
        folded = self._unfolding.types if self._unfolding is not None else {}
        async for row in _sql.backlog_by_type(db, floor=self.floor.position):
            for type_ in folded.get(row["type"], (row["type"],)):
                waiting[type_] += row["events"]
        for name, types in broker.consumers.items():
            lag = sum(events for type_, events in waiting.items() if type_ in types)
            metrics.CONSUMER_LAG.labels(name, self._source).set(lag)

    def _forget_measures(self) -> None:
        """Only the leader reports about the outbox."""
        self._measured_at = float("-inf")
        for gauge in (metrics.OUTBOX_DEPTH, metrics.OUTBOX_AGE):
            metrics.forget(gauge, self._source)
        if isinstance(self._broker, MemoryBroker):
            for name in self._broker.consumers:
                metrics.forget(metrics.CONSUMER_LAG, name, self._source)
