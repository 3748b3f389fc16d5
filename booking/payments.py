"""Paying an order: the intent is committed, then the provider is called, then its verdict settles.

No network inside a transaction. A process that dies anywhere in between leaves an intent behind,
and the reconciler asks the provider what became of it.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

from booking.answers import PayAnswer, PaymentAnswer
from booking.contract import PAYMENT_REFUNDED, PAYMENT_STARTED
from booking.domain.order import IllegalTransition, OrderStep, advance
from booking.domain.payment import PaymentState
from booking.domain.problems import (
    OrderExpired,
    OrderNotPayable,
    PaymentDeclined,
    PaymentInProgress,
)
from booking.providers.protocol import Charge, Provider, Verdict
from booking.requests import PayOrder
from booking.seats.holds import SeatHolds
from booking.settlement import Settled, after_settling, settle
from booking.store import orders as stored_orders
from booking.store import payments as stored
from booking.store.ending import tell
from booking.store.payments import NewPayment
from booking.store.records import LockedOrder, PreviousPayment, RefundDue
from booking.telling import remembered
from booking.tickets import Tickets
from chassis import logs
from chassis.context import current
from chassis.idempotency import body_hash
from chassis.ids import uuid7
from chassis.postgres import Connection, Pool, connection, transaction
from chassis.problems import (
    IdempotencyInFlight,
    IdempotencyKeyReused,
    NotFound,
    Unavailable,
)

log = logs.get("booking")

UNANSWERED_AFTER_S = 15.0  # when an intent is asked about: every provider's deadline is shorter
RECONCILE_BATCH_MAX = 50


class _Replay(Exception):
    """This key has paid before: what became of that is the answer."""

    def __init__(self, payment: PreviousPayment) -> None:
        self.payment = payment


class Payments:
    """Takes the money for orders, through one provider."""

    def __init__(
        self, pool: Pool, *, provider: Provider, tickets: Tickets, holds: SeatHolds
    ) -> None:
        self._pool = pool
        self._provider = provider
        self._tickets = tickets
        self._holds = holds
        self._under_way: set[asyncio.Task[Any]] = set()

    async def pay(
        self, user_id: UUID, order_id: UUID, wanted: PayOrder, key: str | None
    ) -> tuple[PayAnswer, bool]:
        """The answer, and whether it is a replay. Raises the problems of the route."""
        try:
            charge = await self._begin(user_id, order_id, wanted, key)
        except _Replay as earlier:
            return await self._replay(earlier.payment), True
        # Money is about to move: a client that goes away must not stop what settles it.
        task = asyncio.get_running_loop().create_task(self._charge_and_settle(charge))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        settled = await asyncio.shield(task)
        return await self._answer(settled.order_id, settled.payment_id, settled.state), False

    async def _begin(
        self, user_id: UUID, order_id: UUID, wanted: PayOrder, key: str | None
    ) -> Charge:
        """Commits the intent. The order's row is locked, so of many who pay one gets here first."""
        hashed = body_hash(wanted) if key is not None else None
        async with transaction(self._pool) as one:
            order = await stored_orders.lock_order(one, order_id, user_id)
            if order is None:
                raise NotFound()
            if key is not None:
                await _refuse_repeated_key(one, order_id, key, hashed)
            _refuse_unpayable(order)
            intent = self._intent(user_id, order, wanted, key, hashed)
            await stored.insert_payment(one, intent)
            data = {"payment_id": intent.payment_id, "method": wanted.payment_method}
            await tell(one, [remembered(order_id, PAYMENT_STARTED, data)], [])
        return Charge(
            payment_id=intent.payment_id,
            order_id=order_id,
            amount=intent.amount,
            currency=intent.currency,
            method=wanted.payment_method,
            token=wanted.payment_token,
        )

    def _intent(
        self,
        user_id: UUID,
        order: LockedOrder,
        wanted: PayOrder,
        key: str | None,
        hashed: bytes | None,
    ) -> NewPayment:
        return NewPayment(
            payment_id=uuid7(),
            order_id=order.order_id,
            user_id=user_id,
            provider=self._provider.name,
            method=wanted.payment_method,
            amount=order.total_amount,
            currency=order.currency,
            idempotency_key=key,
            body_hash=hashed,
            request_id=current().request_id,
        )

    async def _charge_and_settle(self, charge: Charge) -> Settled:
        if charge.amount == 0:  # a promo code paid it all: there is nothing to ask a provider for
            free = Verdict(state="succeeded", amount=0, currency=charge.currency)
            return await self.settle(charge.payment_id, free)
        try:
            verdict = await self._provider.charge(charge)
        except Unavailable:  # perhaps it took the money: the reconciler will ask
            log.warning("payment_unanswered", payment=charge.payment_id, order=charge.order_id)
            verdict = Verdict(state="pending", amount=charge.amount, currency=charge.currency)
        return await self.settle(charge.payment_id, verdict)

    async def settle(self, payment_id: UUID, verdict: Verdict) -> Settled:
        """The verdict takes effect; see settlement."""
        async with transaction(self._pool) as one:
            settled = await settle(one, self._tickets, payment_id, verdict)
        await after_settling(self._holds, settled)
        return settled

    async def reconcile(self, *, older_than_s: float = UNANSWERED_AFTER_S) -> int:
        """Asks the provider about a batch of intents without an answer; how many were settled."""
        async with connection(self._pool) as one:
            waiting = await stored.unanswered_payments(
                one, older_than_s=older_than_s, limit=RECONCILE_BATCH_MAX
            )
        return sum([await self._try(self._reconcile_one(one), one) for one in waiting])

    async def refund_what_is_due(self) -> int:
        """Gives money back that can buy nothing. Once: the provider knows the payment's id."""
        async with connection(self._pool) as one:
            due = await stored.refunds_due(one, limit=RECONCILE_BATCH_MAX)
        return sum([await self._try(self._refund_one(one), one.payment_id) for one in due])

    async def _try(self, work: Coroutine[Any, Any, bool], payment_id: UUID) -> bool:
        """One payment's trouble must not keep the others waiting: it goes to the end of the queue."""
        try:
            return await work
        except Exception as failure:
            log.warning("payment_postponed", payment=payment_id, reason=repr(failure))
            async with connection(self._pool) as one:
                await stored.touch_payment(one, payment_id)
            return False

    async def _reconcile_one(self, payment_id: UUID) -> bool:
        verdict = await self._provider.look_up(payment_id)
        async with transaction(self._pool) as one:
            if verdict is not None and verdict.state == "pending":
                await stored.touch_payment(one, payment_id)
                return False
            if verdict is None:
                payment = await stored.lock_payment(one, payment_id)
                if payment is None:
                    return False
                verdict = Verdict(
                    state="declined",
                    amount=payment.amount,
                    currency=payment.currency,
                    reason="never_reached_provider",
                )
            settled = await settle(one, self._tickets, payment_id, verdict)
        await after_settling(self._holds, settled)
        return settled.news

    async def _refund_one(self, due: RefundDue) -> bool:
        await self._provider.refund(due.payment_id, due.amount, due.currency)
        async with transaction(self._pool) as one:
            moved = await stored.move_payment(
                one,
                due.payment_id,
                from_state=PaymentState.REFUND_DUE,
                to_state=PaymentState.REFUNDED,
                reason="seats_gone",
            )
            if moved:
                data = {"payment_id": due.payment_id, "amount": due.amount}
                await tell(one, [remembered(due.order_id, PAYMENT_REFUNDED, data)], [])
        log.info("payment_refunded", payment=due.payment_id, order=due.order_id)
        return moved

    async def _replay(self, earlier: PreviousPayment) -> PayAnswer:
        if earlier.state is PaymentState.CREATED:
            raise IdempotencyInFlight()
        return await self._answer(earlier.order_id, earlier.payment_id, earlier.state, replay=True)

    async def _answer(
        self, order_id: UUID, payment_id: UUID, state: PaymentState, *, replay: bool = False
    ) -> PayAnswer:
        headers = {"Idempotency-Replayed": "true"} if replay else {}
        if state is PaymentState.FAILED:
            raise PaymentDeclined(headers=headers)
        if state in {PaymentState.REFUND_DUE, PaymentState.REFUNDED}:
            raise OrderExpired("The seats were gone; your money is on its way back.")
        if state is not PaymentState.SUCCEEDED:
            waiting = PaymentAnswer(payment_id=payment_id, status="processing")
            return PayAnswer(
                order_id=order_id, status="pending_payment", tickets=[], payment=waiting
            )
        async with connection(self._pool) as one:
            tickets = await self._tickets.of_order(one, order_id)
        done = PaymentAnswer(payment_id=payment_id, status="succeeded")
        return PayAnswer(order_id=order_id, status="paid", tickets=tickets, payment=done)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # seen, should the client have gone before it came


async def _refuse_repeated_key(
    one: Connection, order_id: UUID, key: str, hashed: bytes | None
) -> None:
    earlier = await stored.payment_by_key(one, order_id, key)
    if earlier is None:
        return
    if earlier.body_hash != hashed:
        raise IdempotencyKeyReused()
    raise _Replay(earlier)


def _refuse_unpayable(order: LockedOrder) -> None:
    """Only a pending order within its time, with no payment under way, may be charged."""
    if order.cancel_reason == "unpaid":
        raise OrderExpired()
    try:
        advance(order.status, OrderStep.PAY)
    except IllegalTransition:
        raise OrderNotPayable() from None
    if order.payment_under_way:
        raise PaymentInProgress()
    if order.late:
        raise OrderExpired()
