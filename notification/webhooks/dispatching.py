"""Sends due deliveries: claim, sign, post, mark.

A delivery is sent at least once. If a sender dies between sending and marking, the next one sends the
delivery again after the lease ends, with the same webhook-id, by which receivers recognise it.
"""

import asyncio
from typing import Any

from prometheus_client import Counter

from chassis.concurrency.backoff import Backoff
from chassis.concurrency.rounds import Every, repeat
from chassis.context import RequestContext
from chassis.observability.tracer import Tracer, continued
from chassis.postgres.pool import Pool
from chassis.spans import CLIENT
from notification.webhooks import store
from notification.webhooks.posting import ATTEMPT_DEADLINE_S, BODY_DEADLINE_S, GONE, Outcome, Poster
from notification.webhooks.schedule import delay_s
from notification.webhooks.signing import signed_headers
from notification.webhooks.store import ClaimedDelivery

CONCURRENCY = 128  # concurrent requests of one process
EACH_CONCURRENCY = 8  # of these to one endpoint; to an endpoint that fails, one
OWNER_CONCURRENCY = 32  # of these to the endpoints of one owner
RESERVED = 32  # of these reserved for owners without a request in progress, one each
LEASE_S = 3 * (ATTEMPT_DEADLINE_S + BODY_DEADLINE_S)
POLL_S = 0.5
RETRY = Backoff(first_s=0.5, most_s=15.0)
SERVICE = "notification"
SPAN = "3"  # what came of a request after its answer, beside its mails
PRUNE_INTERVAL_S = 3600.0
KEEP_DAYS = 14  # deliveries that have ended

ATTEMPTS = Counter(
    "stampede_webhook_attempts_total",
    "Requests made to organizers' receivers, by what came of them.",
    ["outcome"],
)
for _outcome in ("delivered", "failed", "given_up"):
    ATTEMPTS.labels(_outcome)


class Dispatcher:
    """Any number of processes may run one; each attempt has one sender."""

    def __init__(self, pool: Pool, poster: Poster, log: Any, tracer: Tracer | None = None) -> None:
        self._tracer = tracer
        self._pool = pool
        self._poster = poster
        self._log = log
        self._under_way: dict[asyncio.Task[None], ClaimedDelivery] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Sends until `stop`, then waits for what is under way. Nothing else ends this."""
        pruning = Every(PRUNE_INTERVAL_S)
        stopping = asyncio.create_task(stop.wait())

        async def one_round() -> None:
            claimed = await self._begin()
            if pruning.is_due():
                await store.prune(self._pool, days=KEEP_DAYS, lease_s=LEASE_S)
            await self._wait(stopping, idle=not claimed)

        def failed(failure: Exception, _failures: int) -> None:
            self._log.warning("webhooks_interrupted", reason=repr(failure))

        try:
            await repeat(one_round, stop, interval_s=0.0, retry=RETRY, failed=failed)
        finally:
            stopping.cancel()
            await self.drain()

    async def round(self) -> int:
        """Claims due deliveries once and sends them. Returns their number. For tests and tools."""
        claimed = await self._begin()
        await self.drain()
        return claimed

    async def drain(self) -> None:
        """Waits for requests in progress."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _wait(self, stopping: "asyncio.Task[bool]", *, idle: bool) -> None:
        """Waits until a request ends, but at most POLL_S: a slow receiver must not delay other endpoints."""
        if not self._under_way and not idle:
            return
        await asyncio.wait(
            {*self._under_way, stopping}, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED
        )

    async def _begin(self) -> int:
        """Starts as many due deliveries as the limits allow. Returns their number."""
        free = CONCURRENCY - len(self._under_way)
        if free <= 0:
            return 0
        plenty = free > RESERVED
        claimed = await store.claim_deliveries(
            self._pool,
            limit=free - RESERVED if plenty else free,
            each=EACH_CONCURRENCY,
            busy={one.endpoint_id for one in self._under_way.values()},
            owners=[one.owner_id for one in self._under_way.values()],
            owner_most=OWNER_CONCURRENCY if plenty else 1,
            lease_s=LEASE_S,
        )
        for delivery in claimed:
            task = asyncio.create_task(self._attempt(delivery))
            self._under_way[task] = delivery
            task.add_done_callback(self._under_way.pop)
        return len(claimed)

    async def _attempt(self, delivery: ClaimedDelivery) -> None:
        """One attempt, within the trace of the request that caused the event."""
        context = RequestContext(delivery.request_id, SPAN)
        with continued(
            self._tracer, context, SERVICE, delivery.traceparent, name="POST webhook", kind=CLIENT
        ):
            await self._send(delivery)

    async def _send(self, delivery: ClaimedDelivery) -> None:
        try:
            sent_at = int(delivery.claimed_at.timestamp())
            headers = signed_headers(
                str(delivery.event_id), sent_at, delivery.body, delivery.secrets
            )
            outcome = await self._poster.post(delivery, headers)
            if outcome.error is None:
                await self._succeeded(delivery, outcome)
            else:
                await self._failed(delivery, outcome)
        except Exception as failure:  # not marked: sent again after its lease ends
            self._log.warning("webhook_not_marked", delivery=delivery.delivery_id, exc_info=failure)

    async def _succeeded(self, delivery: ClaimedDelivery, outcome: Outcome) -> None:
        await store.mark_delivered(
            self._pool,
            delivery,
            status=outcome.status,
            latency_ms=outcome.latency_ms,
            response=outcome.response,
        )
        ATTEMPTS.labels("delivered").inc()
        self._log.info("webhook_delivered", **_facts(delivery, outcome))

    async def _failed(self, delivery: ClaimedDelivery, outcome: Outcome) -> None:
        gone = outcome.status == GONE
        verdict = await store.mark_failed(
            self._pool,
            delivery,
            delay_s=None if gone else delay_s(delivery.attempt, outcome.retry_after_s),
            gone=gone,
            status=outcome.status,
            error=outcome.error,
            latency_ms=outcome.latency_ms,
            response=outcome.response,
        )
        if verdict is None:
            return
        given_up = verdict.state == "failed"
        ATTEMPTS.labels("given_up" if given_up else "failed").inc()
        self._log.warning(
            "webhook_given_up" if given_up else "webhook_failed",
            reason=outcome.error,
            **_facts(delivery, outcome),
        )
        if not verdict.active and verdict.disabled_reason is not None:
            self._log.warning(
                "webhook_endpoint_disabled",
                endpoint=delivery.endpoint_id,
                reason=verdict.disabled_reason,
            )


def _facts(delivery: ClaimedDelivery, outcome: Outcome) -> dict[str, Any]:
    """Fields for the log. No URL: its query may contain the owner's secret."""
    return {
        "endpoint": delivery.endpoint_id,
        "delivery": delivery.delivery_id,
        "attempt": delivery.attempt,
        "status": outcome.status or "-",
        "duration": f"{outcome.latency_ms}ms",
    }
