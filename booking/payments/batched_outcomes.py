"""Verdicts take effect here: those that sell an order many at a time, all others one by one.

    verdict ─ succeeded, amount right ─▶ sale drawn up ─▶ one statement for all that wait ─▶ sold
                                                             └─ something in the way ─▶ settlement.settle
            └ anything else ────────────────────────────────────────────────────────▶ settlement.settle

The statement sells an order only while it and its payment wait and every seat is its own, so it needs
no answer to "what if"; the transaction of booking/payments/outcomes.py has all of them.
"""

from collections.abc import Sequence
from uuid import UUID

from booking.domain.payment import PaymentState
from booking.payments import batch_store as store
from booking.payments.outcomes import (
    Settled,
    apply_outcome,
    refuse_mismatch,
    sync_redis_after_payment,
)
from booking.payments.records import PayableOrder, ReceivedEvent, Sale
from booking.payments.sale import build_sale
from booking.payments.store import take_provider_event
from booking.providers.protocol import ChargeResult
from booking.seats.holds import SeatHolds
from booking.tickets.issuing import TicketIssuing
from chassis.concurrency.coalescer import Coalescer
from chassis.postgres.pool import ROLLED_BACK, Pool, transaction
from chassis.problems import Overloaded

BATCH_MAX = 64  # sales a statement
WAITING_MAX = 5_000
STATEMENTS_AT_ONCE = 2  # while one waits for the disk the next one works


class BatchedOutcomes:
    """`await sell(purchase, verdict)` where the purchase is known, `await settle(payment_id, verdict)`
    otherwise. With `news` both have their effect once an event. Raise as settlement.settle does, and
    Unavailable or Overloaded when nobody knows or nothing happened; then it may be said again."""

    def __init__(self, pool: Pool, *, tickets: TicketIssuing, holds: SeatHolds) -> None:
        self._pool = pool
        self._tickets = tickets
        self._holds = holds
        self._sales: Coalescer[Sale, bool] = Coalescer(
            self._sell_batch,
            batch_max=BATCH_MAX,
            queue_max=WAITING_MAX,
            concurrency=STATEMENTS_AT_ONCE,
        )

    async def sell(
        self, purchase: PayableOrder, verdict: ChargeResult, news: ReceivedEvent | None = None
    ) -> Settled | None:
        """As settle; for a payment that was waiting for its verdict when last looked at."""
        if verdict.state == "succeeded":
            refuse_mismatch(purchase.payment_id, verdict, purchase.total_amount, purchase.currency)
            sale = build_sale(self._tickets, purchase, news)
            if await self._sales.call(sale):
                settled = _sold(sale)
                await sync_redis_after_payment(self._holds, settled)
                return settled
        return await self.apply_outcome(purchase.payment_id, verdict, news)

    async def apply_outcome(
        self, payment_id: UUID, verdict: ChargeResult, news: ReceivedEvent | None = None
    ) -> Settled | None:
        """One by one; None when this news was taken before."""
        try:
            async with transaction(self._pool) as tx:
                if news is not None and not await take_provider_event(
                    tx, news.provider, news.event_id, news.type, payment_id
                ):
                    return None
                settled = await apply_outcome(tx, self._tickets, payment_id, verdict)
        except ROLLED_BACK as undone:  # the money has moved all the same: it is said again later
            raise Overloaded("The database is too busy.") from undone
        await sync_redis_after_payment(self._holds, settled)
        return settled

    async def _sell_batch(self, sales: Sequence[Sale]) -> list[bool | BaseException]:
        return await store.sell_orders(self._pool, sales)


def _sold(sale: Sale) -> Settled:
    return Settled(
        payment_id=sale.purchase.payment_id,
        order_id=sale.purchase.order_id,
        user_id=sale.purchase.user_id,
        session_id=sale.purchase.session_id,
        state=PaymentState.SUCCEEDED,
        reason=None,
        news=True,
        issued=sale.issued,
    )
