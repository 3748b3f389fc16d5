"""Results take effect here: plain sales many at a time, all others one by one.

    callback ─▶ looked up with others ─┐
    result of a known payment ─────────┴─ decide
      ├─ sells an order ─▶ one statement for all that wait ─▶ sold
      │                    └─ something in the way ─┐
      ├─ changes nothing ─▶ its event is recorded   │
      └─ anything else ─────────────────────────────┴─▶ apply_outcome

What is known of the payment here was read without a lock, and of the order it is presumed that it waits. The
statement sells an order only while that is so and every seat is its own, so it needs no answer to "what if";
the transaction of outcomes.py has the facts under locks, and all the answers. It waits for locks, so it is
never part of a batch.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

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
from booking.payments.records import Callback, EventTarget, KnownPayment, ReceivedEvent, Sale
from booking.payments.sale import build_sale
from booking.payments.store import take_provider_event
from booking.providers.protocol import ChargeResult
from booking.seats.holds import SeatHolds
from booking.tickets.issuing import TicketIssuing
from chassis.concurrency.coalescer import Coalescer
from chassis.context import CURRENT, current
from chassis.postgres.pool import ROLLED_BACK, Pool, transaction
from chassis.problems import NotFound, Overloaded, Problem

SALES_MAX = 64  # a statement
WAITING_MAX = 5_000
SALES_CONCURRENCY = 2  # while one waits for the disk the next one works
# A statement costs much the same for one as for ten, so callbacks gather while the last batch is committed.
CALLBACKS_CONCURRENCY = 1


class Alone(msgspec.Struct, frozen=True):
    """Nothing has happened: this one is to be applied alone."""


# What a batch makes of a callback. None: its event has had its effect before.
Taken = Outcome | Alone | None


class BatchedOutcomes:
    """Three ways for a result to take effect, each once, whichever of them comes first:

    `await apply(payment, result)`: of a payment that is known;
    `await take(event, result)`: a callback's, whose payment is looked up; once an event;
    `await apply_outcome(payment_id, result)`: alone.

    Raise as outcomes.apply_outcome does, and Unavailable or Overloaded when nobody knows or nothing happened;
    then it may be said again.
    """

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
            concurrency=SALES_CONCURRENCY,
        )
        self._callbacks: Coalescer[Callback, Taken] = Coalescer(
            self._take_batch,
            name="booking_callbacks",
            batch_max=SALES_MAX,
            queue_max=WAITING_MAX,
            concurrency=CALLBACKS_CONCURRENCY,
        )

    async def apply(self, payment: KnownPayment, result: ChargeResult) -> Outcome | None:
        """As apply_outcome, together with others where the result does the plain thing."""
        refuse_mismatch(payment, result)
        if _sells(payment, result):
            sale = build_sale(self._tickets, payment)
            if await self._sales.call(sale):
                return await self._told(_sold(sale))
        return await self.apply_outcome(payment.payment_id, result)

    async def take(self, event: ReceivedEvent, result: ChargeResult) -> Outcome | None:
        """None when this event has had its effect before."""
        taken = await self._callbacks.call(Callback(event, result, current()))
        if isinstance(taken, Alone):
            return await self.apply_outcome(event.payment_id, result, event)
        return await self._told(taken) if taken is not None else None

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
        return await self._told(outcome)

    async def _told(self, outcome: Outcome) -> Outcome:
        """After the commit."""
        if outcome.is_new:
            PAYMENT_STATES.labels(self._provider, outcome.state.value).inc()
        await sync_redis_after_payment(self._holds, outcome)
        return outcome

    async def _sell_batch(self, sales: Sequence[Sale]) -> list[bool | BaseException]:
        return await store.sell_orders(self._pool, sales)

    async def _take_batch(self, callbacks: Sequence[Callback]) -> list[Taken | BaseException]:
        """One look, then one commit for those that change nothing, and one for all sales. Should the second
        fail for good, the first has an effect that may be had again."""
        found = await store.look_up_events(self._pool, [one.event for one in callbacks])
        taken = [self._plan(one, target) for one, target in zip(callbacks, found, strict=True)]
        unchanged = [place for place, plan in enumerate(taken) if isinstance(plan, Outcome)]
        if unchanged:
            events = [callbacks[place].event for place in unchanged]
            recorded = await store.record_events(self._pool, events)
            for place, trouble in zip(unchanged, recorded, strict=True):
                if isinstance(trouble, BaseException):
                    taken[place] = trouble
        sales = {place: plan for place, plan in enumerate(taken) if isinstance(plan, Sale)}
        if sales:
            sold = await store.sell_orders(self._pool, list(sales.values()))
            for (place, sale), told in zip(sales.items(), sold, strict=True):
                taken[place] = _sold(sale) if told is True else Alone() if told is False else told
        return taken  # type: ignore[return-value]  # no Sale is left

    def _plan(
        self, callback: Callback, target: EventTarget | BaseException
    ) -> Taken | Sale | BaseException:
        """The sale that a callback asks for, or its end. In the context of its own request."""
        if isinstance(target, BaseException) or target.processed:
            return target if isinstance(target, BaseException) else None
        if target.payment is None:
            return NotFound()
        payment, result = target.payment, callback.result
        token = CURRENT.set(callback.context)
        try:
            refuse_mismatch(payment, result)
            if _sells(payment, result):
                return build_sale(self._tickets, payment, callback.event)
        except Problem as refused:
            return refused
        finally:
            CURRENT.reset(token)
        if isinstance(decide(payment.state, result, WAITING), Nothing):
            return Outcome(order=payment, state=payment.state, is_new=False)
        return Alone()


def _sells(payment: KnownPayment, result: ChargeResult) -> bool:
    return payment.state in UNSETTLED and isinstance(decide(payment.state, result, WAITING), Sell)


def _sold(sale: Sale) -> Outcome:
    return Outcome(order=sale.order, state=PaymentState.SUCCEEDED, is_new=True, issued=sale.issued)
