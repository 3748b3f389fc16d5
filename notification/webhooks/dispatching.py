"""Sending what is due: claim, sign, post, mark.

At least once: a sender that dies between sending and marking leaves its delivery to the next one when
the lease ends, and that one sends it again with the same webhook-id, by which receivers know it.
"""

import asyncio
from typing import Any

from prometheus_client import Counter

from chassis.concurrency.backoff import Backoff
from chassis.concurrency.rounds import Every, repeat
from chassis.context import CURRENT, RequestContext
from chassis.postgres.pool import Pool
from notification.webhooks import store
from notification.webhooks.posting import ATTEMPT_DEADLINE_S, BODY_DEADLINE_S, GONE, Outcome, Poster
from notification.webhooks.schedule import delay_s
from notification.webhooks.signing import signed_headers
from notification.webhooks.store import ClaimedDelivery

CONCURRENCY = 128  # requests under way in one process
EACH_CONCURRENCY = 8  # of them to one endpoint; one to an endpoint that fails
OWNER_CONCURRENCY = 32  # of them to the endpoints of one owner
RESERVED = 32  # of them for owners who have nothing on its way: one each
LEASE_S = 3 * (ATTEMPT_DEADLINE_S + BODY_DEADLINE_S)
POLL_S = 0.5
RETRY = Backoff(first_s=0.5, most_s=15.0)
SPAN = "3"  # what came of a request after its answer, beside its mails
PRUNE_INTERVAL_S = 3600.0
KEEP_DAYS = 14  # deliveries that have ended

ATTEMPTS = Counter(
    "stampede_webhook_attempts_total",
    "Requests made to organizers' receivers, by what came of them.",
    ["outcome"],
)


class Dispatcher:
    """Any number of processes may run one; each attempt is one sender's."""

    def __init__(self, pool: Pool, poster: Poster, log: Any) -> None:
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
        """Claims what is due, once, and sends it all; how many. For tests and tools."""
        claimed = await self._begin()
        await self.drain()
        return claimed

    async def drain(self) -> None:
        """Waits for what is under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _wait(self, stopping: "asyncio.Task[bool]", *, idle: bool) -> None:
        """Until an endpoint has a free turn, or it is time to look again.

        The others look again after POLL_S even when nothing ends: a slow receiver delays nobody.
        """
        if not self._under_way and not idle:
            return
        await asyncio.wait(
            {*self._under_way, stopping}, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED
        )

    async def _begin(self) -> int:
        """Starts what may be started now; how many."""
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
        token = CURRENT.set(RequestContext(delivery.request_id, SPAN))
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
        except Exception as failure:  # it could not be marked: sent again when its lease has ended
            self._log.warning("webhook_not_marked", delivery=delivery.delivery_id, exc_info=failure)
        finally:
            CURRENT.reset(token)

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
    """For the log: no URL, whose query may hold a secret of its owner's."""
    return {
        "endpoint": delivery.endpoint_id,
        "delivery": delivery.delivery_id,
        "attempt": delivery.attempt,
        "status": outcome.status or "-",
        "duration": f"{outcome.latency_ms}ms",
    }
