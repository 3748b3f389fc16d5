"""Paying an order: the intent is committed, then the provider is called, then its result takes effect.

    intent ─▶ begun with others (batch_store.py) ─▶ provider ─▶ BatchedOutcomes.apply ─▶ answer
               └─ something in the way ─▶ begun alone, which says what

No network inside a transaction. A process that dies anywhere in between leaves an intent behind, and
the reconciler (reconciliation.py) asks the provider what became of it. docs/payments-steps.md has what is
there after a death at each step.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from booking.domain.machine import IllegalTransition
from booking.domain.order import ORDERS, OrderStep
from booking.domain.payment import PaymentState
from booking.domain.problems import (
    OrderExpired,
    OrderNotPayable,
    PaymentDeclined,
    PaymentInProgress,
)
from booking.events.history import history_entry
from booking.events.store import record_and_publish
from booking.orders import store as order_store
from booking.orders.records import LockedOrder
from booking.orders.wire import PaymentAnswer
from booking.payments import store
from booking.payments.batch_store import begin_payments
from booking.payments.batched_outcomes import BatchedOutcomes
from booking.payments.reconciliation import Reconciling
from booking.payments.records import Intent, KnownPayment, NewPayment, PreviousPayment
from booking.payments.wire import PAYMENT_METHODS, PayAnswer, PaymentOptions, PayOrder
from booking.providers.metrics import timed
from booking.providers.protocol import Charge, ChargeResult, Provider, Purchase
from booking.tickets.issuing import TicketIssuing
from chassis.concurrency.coalescer import Coalescer
from chassis.context import current
from chassis.http.idempotency import body_hash
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Connection, Pool, connection, transaction
from chassis.postgres.replicated import until_replicated
from chassis.problems import (
    IdempotencyInFlight,
    IdempotencyKeyReused,
    NotFound,
    Overloaded,
    Unavailable,
)
from contracts.booking import PAYMENT_STARTED, IssuedTicket
from contracts.rehearsals import is_rehearsal

log = logs.get("booking")

SANDBOX = "sandbox"  # the only provider at which a rehearsal may pay
BATCH_MAX = 64  # intents a statement
WAITING_MAX = 5_000
STATEMENT_CONCURRENCY = 2
# Intents begun one by one: each may wait for a lock with a connection in its hand.
ALONE_CONCURRENCY = 4


class _Replay(Exception):
    """This key has paid before: what became of that is the answer."""

    def __init__(self, payment: PreviousPayment) -> None:
        self.payment = payment


class Payments:
    """Takes the money for orders, through one provider."""

    def __init__(
        self,
        pool: Pool,
        *,
        provider: Provider,
        tickets: TicketIssuing,
        outcomes: BatchedOutcomes,
    ) -> None:
        self._pool = pool
        self._provider = provider
        self._tickets = tickets
        self._outcomes = outcomes
        self._alone = asyncio.Semaphore(ALONE_CONCURRENCY)
        self._intents: Coalescer[Intent, KnownPayment | None] = Coalescer(
            self._begin_batch,
            name="booking_intents",
            batch_max=BATCH_MAX,
            queue_max=WAITING_MAX,
            concurrency=STATEMENT_CONCURRENCY,
        )

    def options(self) -> PaymentOptions:
        return PaymentOptions(
            provider=self._provider.name,
            payment_methods=list(PAYMENT_METHODS),
            test_tokens=list(getattr(self._provider, "test_tokens", ())),
        )

    async def pay(
        self, user_id: UUID, order_id: UUID, wanted: PayOrder, key: str | None
    ) -> tuple[PayAnswer, bool]:
        """The answer, and whether it is a replay. Raises the problems of the route."""
        try:
            return await self._pay(user_id, order_id, wanted, key), False
        except _Replay as earlier:
            return await self._replay(earlier.payment, wanted.payment_method), True

    async def reconcile(self, *, older_than_s: float | None = None) -> int:
        """See Reconciling."""
        return await self._reconciling().ask(older_than_s=older_than_s)

    async def refund_what_is_due(self) -> int:
        """See Reconciling."""
        return await self._reconciling().refund()

    def _reconciling(self) -> Reconciling:
        return Reconciling(self._pool, provider=self._provider, outcomes=self._outcomes)

    async def _pay(
        self, user_id: UUID, order_id: UUID, wanted: PayOrder, key: str | None
    ) -> PayAnswer:
        intent = self._intent(user_id, order_id, wanted, key)
        payment = await self._intents.call(intent)
        if payment is None:
            async with self._alone:
                payment = await self._begin_alone(intent)
        if is_rehearsal(payment.session_id) and self._provider.name != SANDBOX:
            log.error("rehearsal_refused", payment=payment.payment_id, provider=self._provider.name)
            raise OrderNotPayable("This is a rehearsal: no real money pays for it.")
        charge = Charge(
            payment_id=payment.payment_id,
            order_id=order_id,
            amount=payment.amount,
            currency=payment.currency,
            method=wanted.payment_method,
            token=wanted.payment_token,
            purchase=Purchase(
                order_no=payment.order_no,
                user_id=payment.user_id,
                session_id=payment.session_id,
                seats=[item.seat_id for item in payment.items],
                categories=tuple(item.category for item in payment.items if item.category),
            ),
        )
        return await self._charge_and_apply(charge, payment)

    def _intent(self, user_id: UUID, order_id: UUID, wanted: PayOrder, key: str | None) -> Intent:
        payment = NewPayment(
            payment_id=uuid7(),
            order_id=order_id,
            user_id=user_id,
            provider=self._provider.name,
            method=wanted.payment_method,
            idempotency_key=key,
            body_hash=body_hash(wanted) if key is not None else None,
            request_id=current().request_id,
        )
        data = {"payment_id": payment.payment_id, "method": payment.method}
        return Intent(payment, history_entry(order_id, PAYMENT_STARTED, data))

    async def _begin_batch(
        self, intents: Sequence[Intent]
    ) -> list[KnownPayment | BaseException | None]:
        return await begin_payments(self._pool, self._provider.name, intents)

    async def _begin_alone(self, intent: Intent) -> KnownPayment:
        """Where the batch found something in the way: says what, or commits the intent after all."""
        wanted = intent.payment
        async with transaction(self._pool) as tx:
            order = await order_store.lock_order(tx, wanted.order_id, wanted.user_id)
            if order is None:
                raise NotFound()
            if wanted.idempotency_key is not None:
                await _free_key(tx, wanted)
            _refuse_unpayable(order)
            await store.insert_payment(tx, wanted, order)
            await record_and_publish(tx, [intent.history], [])
            return await store.get_payable_order(tx, wanted.payment_id)

    async def _charge_and_apply(self, charge: Charge, payment: KnownPayment) -> PayAnswer:
        try:
            result = await self._charge(charge)
        except Unavailable:  # perhaps it took the money: the reconciler will ask
            log.warning("payment_unanswered", payment=charge.payment_id, order=charge.order_id)
            result = ChargeResult(state="pending", amount=charge.amount, currency=charge.currency)
        try:
            outcome = await self._outcomes.apply(payment, result)
        except Overloaded as trouble:  # likewise: the provider is asked for its result again
            log.warning("settlement_postponed", payment=charge.payment_id, reason=trouble.code)
            outcome = None
        if outcome is None:
            return _processing(charge.order_id, charge.payment_id, charge.method)
        return await self._answer(
            charge.order_id, charge.payment_id, outcome.state, charge.method, issued=outcome.issued
        )

    async def _charge(self, charge: Charge) -> ChargeResult:
        if charge.amount == 0:  # a promo code paid it all: there is nothing to ask a provider for
            return ChargeResult(state="succeeded", amount=0, currency=charge.currency)
        return await timed(self._provider.name, "charge", self._provider.charge(charge))

    async def _replay(self, earlier: PreviousPayment, method: str) -> PayAnswer:
        if earlier.state is PaymentState.CREATED:
            raise IdempotencyInFlight()
        async with connection(self._pool) as db:
            await until_replicated(db)
        return await self._answer(
            earlier.order_id, earlier.payment_id, earlier.state, method, replay=True
        )

    async def _answer(
        self,
        order_id: UUID,
        payment_id: UUID,
        state: PaymentState,
        method: str,
        *,
        issued: list[IssuedTicket] | None = None,
        replay: bool = False,
    ) -> PayAnswer:
        headers = {"Idempotency-Replayed": "true"} if replay else {}
        if state is PaymentState.FAILED:
            raise PaymentDeclined(headers=headers)
        if state in {PaymentState.REFUND_DUE, PaymentState.REFUNDED}:
            raise OrderExpired(
                "It came too late or twice; your money is on its way back.", headers=headers
            )
        if state is not PaymentState.SUCCEEDED:
            return _processing(order_id, payment_id, method)
        if issued is None:
            async with connection(self._pool) as db:
                issued = await self._tickets.of_order(db, order_id)
        done = PaymentAnswer(payment_id=payment_id, payment_method=method, status="succeeded")
        return PayAnswer(order_id=order_id, status="paid", tickets=issued, payment=done)


def _processing(order_id: UUID, payment_id: UUID, method: str) -> PayAnswer:
    waiting = PaymentAnswer(payment_id=payment_id, payment_method=method, status="processing")
    return PayAnswer(order_id=order_id, status="pending_payment", tickets=[], payment=waiting)


async def _free_key(tx: Connection, wanted: NewPayment) -> None:
    """Raises _Replay when the key has paid before, IdempotencyKeyReused when it was for something else.
    A payment that its provider never heard of has no answer to repeat: this one is made in its stead."""
    assert wanted.idempotency_key is not None
    earlier = await store.payment_by_key(tx, wanted.order_id, wanted.idempotency_key)
    if earlier is None:
        return
    if earlier.body_hash != wanted.body_hash:
        raise IdempotencyKeyReused()
    if not earlier.never_reached:
        raise _Replay(earlier)
    await store.give_up_key(tx, earlier.payment_id)


def _refuse_unpayable(order: LockedOrder) -> None:
    """Only a pending order within its time, with no payment under way, may be charged."""
    if order.cancel_reason == "unpaid":
        raise OrderExpired()
    try:
        ORDERS.advance(order.status, OrderStep.PAY)
    except IllegalTransition:
        raise OrderNotPayable() from None
    if order.payment_under_way:
        raise PaymentInProgress()
    if order.late:
        raise OrderExpired()
