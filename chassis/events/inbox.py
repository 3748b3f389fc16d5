"""The inbox: applies each event once, however often it is delivered.

The row in `inbox` is committed in the transaction of the effect. If the effect fails, the event goes to
`dead_letters` and is retried there with backoff. After ATTEMPTS_MAX it is dead and waits for `stampede
dlq retry`. If the database does not answer, no event is to blame: the caller must deliver again.

Order by subject: while an event of a subject waits for a retry, later events of that subject are parked
behind it. Once it is dead, they continue without it. A consumer whose effects commute (sums) passes
`ordered=False`; then nothing waits for a failed event.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from chassis.concurrency.backoff import Backoff
from chassis.concurrency.rounds import Every, repeat
from chassis.events.envelope import Event
from chassis.events.tracing import trace_effects
from chassis.ids import eldest_since
from chassis.observability import metrics
from chassis.postgres.pool import (
    UNAVAILABLE,
    Connection,
    Pool,
    connection,
    load_queries,
    transaction,
)
from chassis.problems import Overloaded, Unavailable

ATTEMPTS_MAX = 8
RETRY = Backoff(first_s=5.0, most_s=900.0)  # all attempts together take about ten minutes
ROUND_RETRY = Backoff(first_s=5.0, most_s=40.0)
RETRIES_A_ROUND = 100
POLL_S = 1.0
MEASURE_INTERVAL_S = 15.0
PRUNE_INTERVAL_S = 3600.0
PRUNE_BATCH_MAX = 5000  # rows per transaction
KEEP_DAYS = 45  # longer than the archive keeps events for a replay (chassis.events.archive)
REASON_LENGTH_MAX = 500
LIST_MAX = 1000

Apply = Callable[[Connection, Sequence[Event]], Awaitable[None]]

_sql = load_queries(Path(__file__).parent / "sql" / "inbox.sql")

# The same statement may succeed in a moment: deadlock, serialization failure, no resources, a
# standby.
_TRANSIENT = (
    Overloaded,
    asyncpg.TransactionRollbackError,
    # A malformed argument is an InterfaceError too. A lost connection raises other errors as well.
    *(kind for kind in UNAVAILABLE if kind is not asyncpg.InterfaceError),
)


class Entered(NamedTuple):
    """Events of a delivery that are new; whether all of them are; whether any event waits for its retry."""

    new: list[Event]
    all_are_new: bool
    some_wait: bool


class Inbox:
    """One consumer. `apply(connection, events)` is its effect. It runs inside the transaction and gets
    only new events, oldest first. It must do nothing but SQL on that connection."""

    def __init__(
        self,
        pool: Pool,
        consumer: str,
        apply: Apply,
        log: Any,
        *,
        ordered: bool = True,
        poll_s: float = POLL_S,
        prune_batch_max: int = PRUNE_BATCH_MAX,
    ) -> None:
        self._poll_s, self._prune_batch_max = poll_s, prune_batch_max
        self._pool = pool
        self._consumer = consumer
        self._apply = apply
        self._log = log
        self._ordered = ordered
        self._taken = metrics.EVENTS_TAKEN.labels(consumer).inc
        self._delay = metrics.EVENT_DELAY.labels(consumer).observe
        self._retried = {
            outcome: metrics.RETRIES.labels(consumer, outcome)
            for outcome in ("applied", "failed", "dead")
        }
        metrics.EVENTS_SET_ASIDE.labels(consumer)  # 0 until there is one

    async def take(self, events: Sequence[Event]) -> None:
        """Returns once every event is applied (now or before) or is in dead_letters.

        Raises Unavailable if the database prevents this. Then all may be delivered again.
        """
        if not events:
            return
        try:
            await self._take_together(events)
            return
        except _TRANSIENT as failure:
            raise Unavailable("Events cannot be processed right now.") from failure
        except Exception as failure:
            self._log.warning("events_taken_singly", events=len(events), reason=repr(failure))
        for event in events:
            await self._take_alone(event)

    async def retry_due(self) -> int:
        """Retries due letters, at most RETRIES_A_ROUND. Returns the number of tries."""
        async with connection(self._pool) as db:
            if not await _sql.is_any_due(db):
                return 0
        tried = 0
        while tried < RETRIES_A_ROUND and await self._retry_one():
            tried += 1
        return tried

    async def run(self, stop: asyncio.Event) -> None:
        """The consumer's background loop: retries, gauges, pruning. Only `stop` ends it."""
        measuring, pruning = Every(MEASURE_INTERVAL_S), Every(PRUNE_INTERVAL_S)

        async def one_round() -> None:
            await self.retry_due()
            if measuring.is_due():
                await self._measure()
            if pruning.is_due():
                await self.prune()

        def failed(failure: Exception, _failures: int) -> None:
            self._log.warning("inbox_interrupted", reason=repr(failure))

        await repeat(one_round, stop, interval_s=self._poll_s, retry=ROUND_RETRY, failed=failed)

    async def prune(self) -> int:
        """Deletes rows of events older than KEEP_DAYS, in small batches. Returns their number."""
        pruned = 0
        eldest = eldest_since(time.time() - KEEP_DAYS * 86_400)
        while True:
            async with connection(self._pool) as db:
                batch = await _sql.prune_inbox(db, eldest=eldest, limit=self._prune_batch_max)
            pruned += _count(batch)
            if _count(batch) < self._prune_batch_max:
                return pruned

    async def _take_together(self, events: Sequence[Event]) -> None:
        began_s = time.perf_counter()
        async with transaction(self._pool) as tx:
            new, all_are_new, some_wait = await self._enter(tx, events)
            # An event that is known may have been entered while we waited for it, and may wait for its retry:
            # that is seen by the next statement only.
            parked = await self._to_park(tx, new) if some_wait or not all_are_new else set()
            ready = [event for event in new if event.subject not in parked]
            if ready:
                await self._apply(tx, ready)
            waiting = [event for event in new if event.subject in parked]
            if waiting:
                await _sql.park(
                    tx,
                    ids=[event.id for event in waiting],
                    events=[_encode(event) for event in waiting],
                )
        self._taken(len(ready))
        trace_effects(self._consumer, ready, began_s)
        now = time.time()
        for event in ready:
            self._delay(max(0.0, now - event.time.timestamp()))

    async def _enter(self, tx: Connection, events: Sequence[Event]) -> Entered:
        """Records these events."""
        by_id = {event.id: event for event in events}
        entered = await _sql.enter(tx, ids=list(by_id))
        for event_id in entered["known"]:
            del by_id[event_id]
        return Entered(list(by_id.values()), not entered["known"], entered["some_wait"])

    async def _to_park(self, tx: Connection, new: Sequence[Event]) -> set[str]:
        if not self._ordered or not new:
            return set()
        subjects = list({event.subject for event in new})
        rows = _sql.waiting_subjects(tx, subjects=subjects)
        return {row["subject"] async for row in rows}

    async def _take_alone(self, event: Event) -> None:
        try:
            try:
                await self._take_together([event])
            except _TRANSIENT:
                raise
            except Exception as failure:
                await self._set_aside(event, failure)
        except _TRANSIENT as failure:
            raise Unavailable("Events cannot be processed right now.") from failure

    async def _set_aside(self, event: Event, failure: Exception) -> None:
        async with transaction(self._pool) as tx:
            if not (await self._enter(tx, [event])).new:
                return  # another delivery of this event was first
            await _sql.set_aside(
                tx,
                event_id=event.id,
                event=_encode(event),
                reason=_reason(failure),
                delay_s=RETRY.delay_s(1),
            )
        self._failed(event.id, event.type, 1, failure)

    async def _retry_one(self) -> bool:
        async with transaction(self._pool) as tx:
            letter = await _sql.lock_due_letter(tx, ordered=self._ordered)
            if letter is None:
                return False
            try:
                event = msgspec.json.decode(letter["event"], type=Event)
                # a savepoint: the letter's lock must outlive a failure
                async with tx.transaction():
                    await self._apply(tx, [event])
            except Exception as failure:
                if isinstance(failure, _TRANSIENT) or tx.is_closed():
                    raise
                await self._letter_failed(tx, letter, failure)
            else:
                await _sql.drop_letter(tx, event_id=letter["event_id"])
                self._taken()
                self._delay(max(0.0, time.time() - event.time.timestamp()))
                self._retried["applied"].inc()
        return True

    async def _letter_failed(self, tx: Connection, letter: Any, failure: Exception) -> None:
        attempts = letter["attempts"] + 1
        delay_s = RETRY.delay_s(attempts) if attempts < ATTEMPTS_MAX else None
        await _sql.letter_failed(
            tx, event_id=letter["event_id"], reason=_reason(failure), delay_s=delay_s
        )
        self._retried["dead" if delay_s is None else "failed"].inc()
        self._failed(letter["event_id"], letter["type"], attempts, failure)

    def _failed(self, event_id: UUID, type_: str, attempts: int, failure: Exception) -> None:
        metrics.EVENTS_SET_ASIDE.labels(self._consumer).inc()
        self._log.error(
            "event_failed" if attempts < ATTEMPTS_MAX else "event_dead",
            event_id=event_id,
            type=type_,
            attempts=attempts,
            exc_info=failure,
        )

    async def _measure(self) -> None:
        async with connection(self._pool) as db:
            letters = await _sql.count_letters(db)
        for state in ("waiting", "dead"):
            metrics.DEAD_LETTERS.labels(self._consumer, state).set(letters[state])
            metrics.DEAD_LETTERS_AGE.labels(self._consumer, state).set(letters[f"oldest_{state}_s"])


class DeadLetter(msgspec.Struct, frozen=True):
    """An event that was set aside. `next_attempt` is None if it is dead. attempts 0: not tried yet, or
    sent back."""

    event_id: UUID
    type: str
    subject: str
    request_id: str
    reason: str
    attempts: int
    first_failed: datetime
    last_failed: datetime
    next_attempt: datetime | None


async def list_dead(db: Connection, *, limit: int = LIST_MAX) -> list[DeadLetter]:
    """All letters of the connection's schema: the dead ones first, oldest first."""
    return [DeadLetter(**row) async for row in _sql.list_letters(db, limit=limit)]


async def page_of_letters(
    db: Connection, *, since: datetime | None, event_id: UUID, itself: bool, limit: int
) -> list[DeadLetter]:
    """Letters of the connection's schema after that one, oldest first. `since`: None for the first page."""
    found = _sql.page_of_letters(db, since=since, event_id=event_id, itself=itself, limit=limit)
    return [DeadLetter(**row) async for row in found]


async def find_letter(db: Connection, event_id: UUID) -> DeadLetter | None:
    row = await _sql.find_letter(db, event_id=event_id)
    return None if row is None else DeadLetter(**row)


async def retry(db: Connection, ids: Sequence[UUID] | None = None) -> int:
    """Makes these letters due now (None: all dead ones); the worker tries them. Returns their number."""
    return _count(await _sql.retry_letters(db, ids=ids))


async def purge(db: Connection, ids: Sequence[UUID] | None = None) -> int:
    """Deletes these letters (None: all dead ones): they will never take effect. Returns their number."""
    return _count(await _sql.purge_letters(db, ids=ids))


def _count(status: str) -> int:
    """PostgreSQL's `DELETE 5` as 5."""
    return int(status.rpartition(" ")[2])


def _encode(event: Event) -> str:
    return msgspec.json.encode(event).decode()


def _reason(failure: Exception) -> str:
    """Type and message, shortened, in a form that PostgreSQL can store."""
    text = f"{type(failure).__name__}: {failure}".replace("\x00", "")
    return text[:REASON_LENGTH_MAX].encode("utf-8", "replace").decode()
