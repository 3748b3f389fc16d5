"""Results take effect here: plain sales many at a time, all others one by one.

    result ─ decide ─┬─ sells an order ─▶ sale built ─▶ one statement for all that wait ─▶ sold
                     │                                   └─ something in the way ─┐
                     ├─ changes nothing ─▶ its event is recorded with others      │
                     └─ anything else ────────────────────────────────────────────┴─▶ apply_outcome

What is known of the payment here was read without a lock, and of the order it is presumed that it waits. The
statement sells an order only while that is so and every seat is its own, so it needs no answer to "what if";
the transaction of outcomes.py has the facts under locks, and all the answers.
"""

from collections.abc import Sequence
from uuid import UUID

from booking.domain.payment import UNSETTLED, PaymentState
from booking.payments import batch_store as store
from booking.payments.decision import WAITING, Nothing, Sell, decide
from booking.payments.metrics import PAYMENT_STATES, begin_at_zero
from booking.payments.outcomes import (
    Outcome,
    apply_outcome,
    refuse_mismatch,
    sync_redis_after_payment,
)
from booking.payments.records import KnownPayment, ReceivedEvent, Sale
from booking.payments.sale import build_sale
from booking.payments.store import take_provider_event
from booking.providers.protocol import ChargeResult
from booking.seats.holds import SeatHolds
from booking.tickets.issuing import TicketIssuing
from chassis.concurrency.coalescer import Coalescer
from chassis.postgres.pool import ROLLED_BACK, Pool, transaction
from chassis.problems import Overloaded

SALES_MAX = 64  # a statement
EVENTS_MAX = 128  # a statement
WAITING_MAX = 5_000
STATEMENT_CONCURRENCY = 2  # while one waits for the disk the next one works


class BatchedOutcomes:
    """`await apply(payment, result)` where the payment is known, `await apply_outcome(payment_id, result)`
    otherwise. With an `event` both have their effect once an event. Raise as outcomes.apply_outcome does,
    and Unavailable or Overloaded when nobody knows or nothing happened; then it may be said again."""

    def __init__(
        self, pool: Pool, *, tickets: TicketIssuing, holds: SeatHolds, provider: str = "unknown"
    ) -> None:
        begin_at_zero(provider)
        self._provider = provider
        self._pool = pool
        self._tickets = tickets
        self._holds = holds
        self._sales: Coalescer[Sale, bool] = Coalescer(
            self._sell_batch,
            name="booking_sales",
            batch_max=SALES_MAX,
            queue_max=WAITING_MAX,
            concurrency=STATEMENT_CONCURRENCY,
        )
        self._records: Coalescer[ReceivedEvent, bool] = Coalescer(
            self._record_batch,
            name="booking_provider_events",
            batch_max=EVENTS_MAX,
            queue_max=WAITING_MAX,
            concurrency=STATEMENT_CONCURRENCY,
        )

    async def apply(
        self, payment: KnownPayment, result: ChargeResult, event: ReceivedEvent | None = None
    ) -> Outcome | None:
        """As apply_outcome, together with others where the result does the plain thing."""
        refuse_mismatch(payment, result)
        decision = decide(payment.state, result, WAITING)
        if isinstance(decision, Nothing) and event is not None:
            await self._records.call(event)
            return Outcome(order=payment, state=payment.state, is_new=False)
        if isinstance(decision, Sell) and payment.state in UNSETTLED:
            sale = build_sale(self._tickets, payment, event)
            if await self._sales.call(sale):
                outcome = Outcome(
                    order=payment, state=PaymentState.SUCCEEDED, is_new=True, issued=sale.issued
                )
                PAYMENT_STATES.labels(self._provider, outcome.state.value).inc()
                await sync_redis_after_payment(self._holds, outcome)
                return outcome
        return await self.apply_outcome(payment.payment_id, result, event)

    async def apply_outcome(
        self, payment_id: UUID, result: ChargeResult, event: ReceivedEvent | None = None
    ) -> Outcome | None:
        """Alone, under locks; None when this event has had its effect before."""
        try:
            async with transaction(self._pool) as tx:
                if event is not None and not await take_provider_event(
                    tx, event.provider, event.event_id, event.type, payment_id
                ):
                    return None
                outcome = await apply_outcome(tx, self._tickets, payment_id, result)
        except ROLLED_BACK as undone:  # the money has moved all the same: it is said again later
            raise Overloaded("The database is too busy.") from undone
        if outcome.is_new:
            PAYMENT_STATES.labels(self._provider, outcome.state.value).inc()
        await sync_redis_after_payment(self._holds, outcome)
        return outcome

    async def _sell_batch(self, sales: Sequence[Sale]) -> list[bool | BaseException]:
        return await store.sell_orders(self._pool, sales)

    async def _record_batch(self, events: Sequence[ReceivedEvent]) -> list[bool | BaseException]:
        return await store.record_events(self._pool, events)
