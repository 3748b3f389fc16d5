"""Whatever a provider's words do on their way (lost, doubled, late, out of order), and whatever else
happens meanwhile: what was captured is ticketed or has gone back. Over the real stores.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from booking.audit.checks import audit_booking
from booking.orders.expiry import sweep_orders
from booking.providers.protocol import Charge, ChargeResult, RefundResult
from chassis.problems import Unavailable
from tests.support.booking import BookingApp, booking_tables, let_time_pass, running_booking
from tests.support.payments import NEW, OLD, send

ORDERS = 2
AMOUNT = 256_000
EXAMPLES_MAX = 10

orders = st.integers(0, ORDERS - 1)
actions = st.one_of(
    st.tuples(st.just("pay"), orders, st.sampled_from(["succeeded", "succeeded", "declined"])),
    st.tuples(st.just("tell"), orders, st.integers(0, 2)),
    st.tuples(st.just("tell"), orders, st.integers(0, 2)),
    st.tuples(st.sampled_from(["expire", "take", "cancel"]), orders),
    st.tuples(st.sampled_from(["reconcile", "refund"])),
)
stories = st.lists(st.lists(actions, min_size=1, max_size=4), min_size=2, max_size=8)


class SilentProvider:
    """Takes the money or not, and never answers the call. Asked later, it says what it did."""

    name = "sandbox"

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.next_word: dict[UUID, str] = {}  # by order: what becomes of its next charge
        self.charged: dict[UUID, tuple[UUID, str]] = {}  # payment → order, word
        self.refunded: set[UUID] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def charge(self, charge: Charge) -> ChargeResult:
        self.charged[charge.payment_id] = (charge.order_id, self.next_word[charge.order_id])
        raise Unavailable()

    async def look_up(self, payment_id: UUID) -> ChargeResult | None:
        if payment_id not in self.charged:
            return None
        word: Any = self.charged[payment_id][1]
        return ChargeResult(state=word, amount=AMOUNT, currency="CNY")

    async def refund(self, *, payment_id: UUID, **_: Any) -> RefundResult:
        self.refunded.add(payment_id)
        return RefundResult(state="succeeded")


class Story:
    """Two orders of one example, and what may happen to them."""

    def __init__(self, app: BookingApp, tables: Any, provider: SilentProvider) -> None:
        self.app, self.tables, self.provider = app, tables, provider
        self.session_id = app.neighbours.publish(rows=1)
        self.users = [uuid4() for _ in range(ORDERS)]
        self.ids: list[str] = []
        self.denied: set[UUID] = set()  # said to have failed though it had not
        self._tables_turn = asyncio.Lock()

    async def begin(self) -> None:
        for number, user in enumerate(self.users):
            seats = [2 * number + 1, 2 * number + 2]
            made = await self.app.order(user, self.session_id, seats=seats)
            self.ids.append(made.json["order_id"])

    async def act(self, action: tuple[Any, ...]) -> None:
        name, *rest = action
        await getattr(self, name)(*rest)

    async def pay(self, number: int, word: str) -> None:
        self.provider.next_word[UUID(self.ids[number])] = word
        answer = await self.app.pay(self.users[number], self.ids[number])
        # 200: the provider, which is silent here, was heard or asked by another meanwhile
        assert answer.status in {200, 202, 409}, answer

    async def tell(self, number: int, name: int) -> None:
        """An event of each payment of the order: any number of times, under one of three ids. A
        provider that took the money may have said first that it failed."""
        for payment_id, (order_id, word) in list(self.provider.charged.items()):
            if str(order_id) == self.ids[number]:
                failed = word == "declined" or name == 2
                if failed and word == "succeeded":
                    self.denied.add(payment_id)
                await self._send(payment_id, "failed" if failed else "succeeded", name)

    async def _send(self, payment_id: UUID, outcome: str, name: int) -> None:
        state = {"failed": "declined"}.get(outcome, outcome)
        data = f'{{"key":"{payment_id}","amount":{AMOUNT},"currency":"CNY","state":"{state}","reason":null}}'
        body = f'{{"type":"payment.{outcome}","data":{data}}}'.encode()
        answer = await send(self.app, body, id_=f"msg_{payment_id}_{name}", secret=OLD)
        assert answer.status == 200, answer

    async def expire(self, number: int) -> None:
        async with self._tables_turn:
            await let_time_pass(self.tables, self.ids[number], past_s=10.0)
        await sweep_orders(self.app.services.pool, self.app.services.holds)

    async def take(self, number: int) -> None:
        answer = await self.app.order(uuid4(), self.session_id, seats=[2 * number + 1])
        assert answer.status in {201, 409}, answer

    async def cancel(self, number: int) -> None:
        answer = await self.app.cancel(self.users[number], self.ids[number])
        assert answer.status in {200, 409}, answer

    async def reconcile(self) -> None:
        await self.app.services.payments.reconcile(older_than_s=-1.0)

    async def refund(self) -> None:
        await self.app.services.payments.refund_what_is_due()

    async def end(self) -> None:
        """All is told that was not: the reconciler alone must be enough for that. Only who said a wrong
        word must take it back: nobody is asked about what has failed."""
        await self.reconcile()
        for payment_id in self.denied:
            await self._send(payment_id, "succeeded", 9)
        async with self._tables_turn:
            await self.tables.execute("UPDATE payments SET ask_at = now()")
        await self.refund()
        await sweep_orders(self.app.services.pool, self.app.services.holds)

    async def is_squared(self) -> None:
        for order_id in map(UUID, self.ids):
            taken = {
                p
                for p, (o, word) in self.provider.charged.items()
                if o == order_id and word == "succeeded"
            }
            paid = await self._ids(
                "SELECT payment_id FROM payments WHERE order_id = $1 AND state = 'succeeded'",
                order_id,
            )
            back = await self._ids(
                "SELECT payment_id FROM payments WHERE order_id = $1 AND state = 'refunded'",
                order_id,
            )
            tickets = await self._ids("SELECT ticket_id FROM tickets WHERE order_id = $1", order_id)
            assert taken == paid | back
            assert back == self.provider.refunded & taken
            assert not paid & back
            assert len(tickets) == 2 * len(paid) <= 2

    async def _ids(self, query: str, order_id: UUID) -> set[UUID]:
        return {row[0] for row in await self.tables.fetch(query, order_id)}


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url, webhook_secret=(OLD, NEW)) as running:
        yield running


@settings(
    max_examples=EXAMPLES_MAX,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example of real stores is not shrunk
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(story=stories)
@example(story=[[("pay", 0, "succeeded")], [("expire", 0)], [("take", 0)], [("tell", 0, 0)] * 3])
@example(story=[[("pay", 0, "succeeded")], [("expire", 0)], [("reconcile",), ("tell", 0, 1)]])
@example(story=[[("pay", 0, "succeeded")], [("tell", 0, 2)], [("cancel", 0)], [("tell", 0, 0)]])
@example(
    story=[
        [("pay", 0, "succeeded")],
        [("tell", 0, 2)],
        [("pay", 0, "succeeded")],
        [("tell", 0, 0), ("tell", 0, 1), ("reconcile",), ("cancel", 0)],
    ]
)
async def test_captured_is_tickets_and_refunds_whatever_happens(
    app: BookingApp, database_url: str, story: list[list[tuple[Any, ...]]]
) -> None:
    real = app.provider.now
    provider = app.provider.now = SilentProvider(real)
    try:
        async with booking_tables(database_url) as tables:
            tale = Story(app, tables, provider)
            await tale.begin()
            for together in story:
                await asyncio.gather(*(tale.act(action) for action in together))
            await tale.end()
            await tale.is_squared()
        findings = await audit_booking(app.services, looks_max=3)
        assert {one.name for one in findings if not one.ok} <= {
            "outbox_is_drained_or_moving"
        }  # no relay
    finally:
        app.provider.now = real
