"""Granted refunds on their way: the provider is asked, under a key that was committed before.

    claim (processing, with a lease) → provider → settle

Whoever dies between leaves a lease that ends, and the next one asks about the key before it uses it
again. What the provider says may also come by webhook; it goes through `settle_refund` too, and
whichever is first wins.
"""

import asyncio
from uuid import UUID

from booking.domain.refund import REFUNDS, RefundState, RefundStep
from booking.events.store import record_and_publish
from booking.providers.metrics import timed
from booking.providers.protocol import Provider, RefundResult
from booking.refunds import store
from booking.refunds.granting import refund_told
from booking.refunds.store import DueRefund
from chassis.concurrency.backoff import Backoff
from chassis.context import CURRENT, RequestContext
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection, transaction
from contracts.booking import REFUND_FAILED, REFUND_SUCCEEDED

log = logs.get("booking")

LEASE_S = 30.0  # longer than any provider's deadline, twice: for the question and for the request
CONCURRENCY = 8  # refunds sent side by side
RETRY = Backoff(first_s=2.0, most_s=900.0)  # for ever: the money is owed
SPAN = "2"  # what came of a request after its answer; the request itself is span 1


class RefundSending:
    """`await sending.send_due()` now and then, from any number of processes."""

    def __init__(self, pool: Pool, *, provider: Provider) -> None:
        self._pool = pool
        self._provider = provider

    async def send_due(self, *, at_once: int = CONCURRENCY) -> int:
        """Sends a batch of what is due; how many refunds it was."""
        async with transaction(self._pool) as tx:
            due = await store.claim_due_refunds(tx, lease_s=LEASE_S, limit=at_once)
        await asyncio.gather(*(self._send(refund) for refund in due))
        return len(due)

    async def send_all_due(self) -> None:
        """Batch after batch, while they are full."""
        while await self.send_due() >= CONCURRENCY:
            pass

    async def _send(self, due: DueRefund) -> None:
        """One refund's trouble is its own: it is tried again later, and later each time."""
        token = CURRENT.set(RequestContext(due.request_id, SPAN))
        try:
            verdict = await self._ask(due)
            if verdict.state == "pending":
                await self._postpone(due, "pending")
                return
            async with transaction(self._pool) as tx:
                await settle_refund(tx, due.refund_id, verdict)
        except Exception as failure:
            log.warning("refund_postponed", refund=due.refund_id, reason=repr(failure))
            await self._postpone(due, type(failure).__name__)
        finally:
            CURRENT.reset(token)

    async def _ask(self, due: DueRefund) -> RefundResult:
        if due.amount == 0:  # the fee took it all, or it cost nothing: no provider would send it
            return RefundResult(state="succeeded")
        if due.attempts > 1:  # a provider remembers its keys for a day, and its refunds for ever
            looking = self._provider.look_up_refund(due.provider_key)
            verdict = await timed(self._provider.name, "look_up_refund", looking)
            if verdict is not None:
                return verdict
        sending = self._provider.refund(
            refund_id=due.provider_key,
            payment_id=due.payment_id,
            amount=due.amount,
            currency=due.currency,
        )
        return await timed(self._provider.name, "refund", sending)

    async def _postpone(self, due: DueRefund, failure: str) -> None:
        async with connection(self._pool) as db:
            await store.postpone_refund(
                db, due.refund_id, delay_s=RETRY.delay_s(due.attempts), failure=failure
            )


async def take_refund_verdict(tx: Connection, provider_key: UUID, verdict: RefundResult) -> bool:
    """What a provider tells of a refund by webhook, within the caller's transaction. Whether it was
    news; `pending` and refunds that we do not know never are."""
    refund_id = await store.find_refund_by_key(tx, provider_key)
    if refund_id is None or verdict.state == "pending":
        return False
    return await settle_refund(tx, refund_id, verdict)


async def settle_refund(tx: Connection, refund_id: UUID, verdict: RefundResult) -> bool:
    """The provider's last word takes effect, within the caller's transaction; False when it had."""
    refund = await store.get_refund(tx, refund_id)
    if refund is None or not await store.lock_any_order(tx, refund.order_id):
        return False
    succeeded = verdict.state == "succeeded"
    failure = None if succeeded else verdict.reason or "failed"
    settled = REFUNDS.advance(
        RefundState.PROCESSING, RefundStep.SUCCEED if succeeded else RefundStep.FAIL
    )
    if not await store.settle_refund(tx, refund_id, settled, failure=failure):
        return False
    if succeeded:
        entry, event = refund_told(REFUND_SUCCEEDED, refund)
        log.info("refund_succeeded", refund=refund_id, order=refund.order_id)
    else:
        entry, event = refund_told(REFUND_FAILED, refund, failure=failure)
        log.error("refund_failed", refund=refund_id, order=refund.order_id, reason=failure)
    await record_and_publish(tx, [entry], [event])
    return True
