"""What providers tell us by webhook: verified by the provider's own rules, each event processed once."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from booking.domain.problems import BadSignature, PaymentMismatch, StaleTimestamp
from booking.payments.batch_store import look_up_events
from booking.payments.batched_outcomes import BatchedOutcomes
from booking.payments.metrics import CALLBACKS, TOO_LATE
from booking.payments.outcomes import Outcome
from booking.payments.records import EventTarget, ReceivedEvent
from booking.providers.protocol import ChargeResult, Provider
from booking.refunds.sending import take_refund_verdict
from chassis.concurrency.cache import BoundedCache
from chassis.concurrency.coalescer import Coalescer
from chassis.observability import logs
from chassis.postgres.pool import Pool, transaction
from chassis.problems import NotFound, ValidationFailed

log = logs.get("booking")

BATCH_MAX = 128  # events a statement
WAITING_MAX = 5_000
STATEMENT_CONCURRENCY = 2
# Events known here to be committed; PostgreSQL knows all, this saves asking.
REMEMBERED_MAX = 20_000


class Webhooks:
    """Takes a provider's messages, each once.

    signature ─▶ its payment is looked up, with others ─▶ BatchedOutcomes.apply, once an event
    """

    def __init__(
        self,
        pool: Pool,
        *,
        providers: Mapping[str, Provider],
        outcomes: BatchedOutcomes,
    ) -> None:
        self._pool = pool
        self._providers = providers
        self._outcomes = outcomes
        self._under_way: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._taken: BoundedCache[tuple[str, str], None] = BoundedCache(REMEMBERED_MAX)
        self._lookups: Coalescer[ReceivedEvent, EventTarget] = Coalescer(
            self._look_up_batch,
            name="booking_callback_lookups",
            batch_max=BATCH_MAX,
            queue_max=WAITING_MAX,
            concurrency=STATEMENT_CONCURRENCY,
        )

    async def take(self, provider_name: str, headers: Mapping[str, Any], body: bytes) -> None:
        """Returns when it is taken, now or before, or is of no interest. Raises NotFound,
        BadSignature, StaleTimestamp, ValidationFailed, PaymentMismatch."""
        provider = self._providers.get(provider_name)
        if provider is None:
            raise NotFound()
        try:
            event = provider.read_webhook(headers, body)
        except (BadSignature, StaleTimestamp, ValidationFailed) as refused:
            log.warning("webhook_refused", provider=provider_name, reason=refused.code)
            self._count(provider_name, "rejected")
            raise
        if event.refund_id is not None and event.refund_verdict is not None:
            async with transaction(self._pool) as tx:  # its state is compared: no need to note it
                changed = await take_refund_verdict(tx, event.refund_id, event.refund_verdict)
            log.info(
                "webhook_taken", provider=provider_name, type=event.type, news=changed,
                refund_key=event.refund_id,
            )  # fmt: skip
            self._count(provider_name, "first" if changed else "duplicate")
            return
        if event.payment_id is None or event.verdict is None:
            log.info("webhook_ignored", provider=provider_name, type=event.type)
            self._count(provider_name, "ignored")
            return
        received = ReceivedEvent(provider_name, event.event_id, event.type, event.payment_id)
        # A client that goes away must not stop what it has told us; copies wait for the first.
        name = (provider_name, event.event_id)
        if name in self._taken:
            self._count(provider_name, "duplicate")
            return
        task = self._under_way.get(name)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._take(received, event.verdict))
            self._under_way[name] = task
            task.add_done_callback(lambda done: self._ended(name, done))
        else:
            self._count(provider_name, "duplicate")
        await asyncio.shield(task)

    async def _take(self, event: ReceivedEvent, result: ChargeResult) -> None:
        target = await self._lookups.call(event)
        if target.processed:
            self._count(event.provider, "duplicate")
            return
        if target.payment is None:
            self._count(event.provider, "rejected")
            raise NotFound()
        try:
            outcome = await self._outcomes.apply(target.payment, result, event)
        except PaymentMismatch:
            self._count(event.provider, "rejected")
            raise
        self._count(event.provider, _kind(outcome))
        log.info(
            "webhook_taken", provider=event.provider, type=event.type,
            order=target.payment.order_id, payment=event.payment_id,
        )  # fmt: skip

    async def _look_up_batch(
        self, events: Sequence[ReceivedEvent]
    ) -> list[EventTarget | BaseException]:
        return await look_up_events(self._pool, events)

    def _count(self, provider: str, outcome: str) -> None:
        """`provider`: one of ours; a name of the URL is none before it is known."""
        CALLBACKS.labels(provider, outcome).inc()

    def _ended(self, name: tuple[str, str], task: "asyncio.Task[None]") -> None:
        del self._under_way[name]
        if not task.cancelled() and task.exception() is None:  # seen, should nobody have waited
            self._taken.put(name, None)


def _kind(outcome: Outcome | None) -> str:
    if outcome is None:  # another process has had this event's effect
        return "duplicate"
    if outcome.state in TOO_LATE or outcome.seats_to_sync:
        return "late"
    return "first" if outcome.is_new else "duplicate"
