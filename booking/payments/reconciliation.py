"""Asking providers what they never told: payments without an answer, and refunds that are owed.

With every webhook lost everything still converges by this. A payment is first asked about after five
seconds, then after ten more, twenty, up to five minutes; taking it to be asked about puts it off, so
any number of processes may do this and one that dies has its share asked again.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any
from uuid import uuid5

from booking.domain.payment import NEVER_REACHED, PAYMENTS, PaymentState, PaymentStep
from booking.events.history import history_entry
from booking.events.store import record_and_publish
from booking.payments import store
from booking.payments.batched_outcomes import BatchedOutcomes
from booking.payments.metrics import PAYMENT_STATES
from booking.payments.records import PendingPayment, RefundDue
from booking.providers.metrics import timed
from booking.providers.protocol import ChargeResult, Provider
from chassis.events.envelope import pending
from chassis.observability import logs
from chassis.postgres.pool import Pool, connection, transaction
from chassis.problems import Unavailable
from contracts.booking import PAYMENT_REFUNDED, PaymentRefunded

log = logs.get("booking")

NEVER_COMES_AFTER_S = 15.0  # a call the provider has not heard of by then: its deadline is shorter
BATCH_MAX = 200
CONCURRENCY = 16  # questions under way
SEATS_GONE = (
    "seats_gone"  # names the refund of a payment; stays, since providers know refunds by it
)


class Reconciling:
    """`ask()` and `refund()` do a batch each and say how many payments they settled or refunded."""

    def __init__(self, pool: Pool, *, provider: Provider, outcomes: BatchedOutcomes) -> None:
        self._pool = pool
        self._provider = provider
        self._outcomes = outcomes
        self._places = asyncio.Semaphore(CONCURRENCY)

    async def ask(self, *, older_than_s: float | None = None) -> int:
        """Asks about payments whose turn it is; with `older_than_s` about all that have waited so long,
        and one that the provider has not heard of by then has failed."""
        async with connection(self._pool) as db:
            waiting = await store.lease_pending_payments(
                db, older_than_s=older_than_s, limit=BATCH_MAX
            )
        never_after_s = NEVER_COMES_AFTER_S if older_than_s is None else older_than_s
        return await self._all(
            [self._try(self._ask(each, never_after_s), each.payment_id) for each in waiting]
        )

    async def refund(self) -> int:
        """Gives money back that can buy nothing. Once: the provider knows the payment's id."""
        async with connection(self._pool) as db:
            due = await store.take_refunds_due(db, limit=BATCH_MAX)
        return await self._all([self._try(self._refund(each), each.payment_id) for each in due])

    async def _all(self, work: Sequence[Coroutine[Any, Any, bool]]) -> int:
        return sum(await asyncio.gather(*work))

    async def _try(self, work: Coroutine[Any, Any, bool], payment_id: Any) -> bool:
        """One payment's trouble must not keep the others waiting: its turn comes again by itself."""
        async with self._places:
            try:
                return await work
            except Exception as failure:
                log.warning("payment_postponed", payment=payment_id, reason=repr(failure))
                return False

    async def _ask(self, payment: PendingPayment, never_after_s: float) -> bool:
        name = self._provider.name
        result = await timed(name, "look_up", self._provider.look_up(payment.payment_id))
        if result is None:
            if payment.age_s < never_after_s:  # our call may still be on its way
                return False
            result = ChargeResult(
                state="declined",
                amount=payment.amount,
                currency=payment.currency,
                reason=NEVER_REACHED,
            )
        outcome = await self._outcomes.apply_outcome(payment.payment_id, result)
        if outcome is None:
            return False
        return outcome.is_new and outcome.state is not PaymentState.PROCESSING

    async def _refund(self, due: RefundDue) -> bool:
        sending = self._provider.refund(
            refund_id=uuid5(due.payment_id, SEATS_GONE),
            payment_id=due.payment_id,
            amount=due.amount,
            currency=due.currency,
        )
        result = await timed(self._provider.name, "refund", sending)
        if result.state != "succeeded":
            raise Unavailable(f"The refund is {result.state}.")
        async with transaction(self._pool) as tx:
            moved = await store.move_payment(
                tx,
                due.payment_id,
                PAYMENTS.advance(PaymentState.REFUND_DUE, PaymentStep.REFUND),
                reason=due.reason,
            )
            if moved:
                subject = str(due.order_id)
                data = {"payment_id": due.payment_id, "amount": due.amount}
                told = PaymentRefunded(
                    order_id=due.order_id,
                    order_no=due.order_no,
                    user_id=due.user_id,
                    session_id=due.session_id,
                    title=due.title,
                    payment_id=due.payment_id,
                    amount=due.amount,
                    currency=due.currency,
                    reason=due.reason or "seats_gone",
                )
                history = history_entry(due.order_id, PAYMENT_REFUNDED, data)
                await record_and_publish(tx, [history], [pending(PAYMENT_REFUNDED, subject, told)])
        if moved:
            PAYMENT_STATES.labels(self._provider.name, PaymentState.REFUNDED.value).inc()
        log.info("payment_refunded", payment=due.payment_id, order=due.order_id)
        return moved
