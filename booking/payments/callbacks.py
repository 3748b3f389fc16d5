"""What providers tell us by webhook: verified by the provider's own rules, each event processed once."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from booking.domain.problems import BadSignature, PaymentMismatch, StaleTimestamp
from booking.payments.batched_outcomes import BatchedOutcomes
from booking.payments.metrics import CALLBACK_OUTCOMES, CALLBACKS, TOO_LATE
from booking.payments.outcomes import Outcome
from booking.payments.records import ReceivedEvent
from booking.providers.protocol import ChargeResult, Provider
from booking.refunds.sending import take_refund_verdict
from chassis.concurrency.cache import BoundedCache
from chassis.concurrency.coalescer import NOBODYS_FAULT
from chassis.observability import logs
from chassis.postgres.pool import Pool, transaction
from chassis.problems import NotFound, Overloaded, Unavailable, ValidationFailed

log = logs.get("booking")

# Events that this process has seen committed. PostgreSQL knows all of them; this saves asking for the copies
# that come within seconds. Not for longer: a failover may lose what was committed.
REMEMBERED_MAX = 20_000
REMEMBERED_S = 60.0

EventName = tuple[str, str, UUID]  # provider, id, payment


class Webhooks:
    """Takes a provider's messages, each once.

    signature ─▶ known to be committed: done
              ─▶ under way in this process: waits for it, then is a duplicate, or is taken itself
              ─▶ BatchedOutcomes.take, once an event
    """

    def __init__(
        self,
        pool: Pool,
        *,
        providers: Mapping[str, Provider],
        outcomes: BatchedOutcomes,
        remembered_s: float = REMEMBERED_S,
    ) -> None:
        self._pool = pool
        self._remembered_s = remembered_s
        self._providers = providers
        self._outcomes = outcomes
        self._counters = {
            (name, outcome): CALLBACKS.labels(name, outcome)
            for name in providers
            for outcome in CALLBACK_OUTCOMES
        }
        # The first of each event that is under way; its result is what kept everybody from deciding.
        self._under_way: dict[EventName, asyncio.Future[BaseException | None]] = {}
        self._committed: BoundedCache[EventName, float] = BoundedCache(REMEMBERED_MAX)

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
        name = (provider_name, event.event_id, event.payment_id)
        while not self._is_committed(name):
            first = self._under_way.get(name)
            if first is None:
                await self._take_first(name, received, event.verdict)
                return
            trouble = await asyncio.shield(first)
            if trouble is not None:
                raise _same(trouble)
        self._count(provider_name, "duplicate")

    def _is_committed(self, name: EventName) -> bool:
        at_s = self._committed.get(name)
        return at_s is not None and asyncio.get_running_loop().time() - at_s < self._remembered_s

    async def _take_first(
        self, name: EventName, event: ReceivedEvent, result: ChargeResult
    ) -> None:
        """Copies wait until this has ended. The same id with another body is a copy if this one is
        committed, as PostgreSQL would say; if it is refused, the other is judged by itself."""
        loop = asyncio.get_running_loop()
        self._under_way[name] = ended = loop.create_future()
        trouble: BaseException | None = None
        try:
            await self._take(event, result)
            self._committed.put(name, loop.time())
        except NOBODYS_FAULT as failure:
            trouble = failure
            raise
        finally:
            del self._under_way[name]
            ended.set_result(trouble)

    async def _take(self, event: ReceivedEvent, result: ChargeResult) -> None:
        try:
            outcome = await self._outcomes.take(event, result)
        except (NotFound, PaymentMismatch):
            self._count(event.provider, "rejected")
            raise
        self._count(event.provider, _kind(outcome))
        if outcome is not None:
            log.info(
                "webhook_taken", provider=event.provider, type=event.type,
                order=outcome.order.order_id, payment=event.payment_id,
            )  # fmt: skip

    def _count(self, provider: str, outcome: str) -> None:
        """`provider`: one of ours; a name of the URL is none before it is known."""
        self._counters[provider, outcome].inc()


def _same(trouble: BaseException) -> Overloaded:
    """For another caller: one exception object is raised to one of them only."""
    return type(trouble)(trouble.detail) if isinstance(trouble, Overloaded) else Unavailable()


def _kind(outcome: Outcome | None) -> str:
    if outcome is None:  # another process has had this event's effect
        return "duplicate"
    if outcome.state in TOO_LATE or outcome.seats_to_sync:
        return "late"
    return "first" if outcome.is_new else "duplicate"
