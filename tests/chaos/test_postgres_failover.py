"""A sale goes on when PostgreSQL's primary dies: nothing acknowledged is lost, and nothing is a 500."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from booking import workers
from booking.audit.checks import audit_booking
from runtime.services import migrate_all
from tests.support.booking import BookingApp, Neighbours, is_sound, running_booking
from tests.support.standby import Pair, connected, running_pair

BUYERS = 24
ENOUGH = 60  # orders before the primary dies, and after the promotion
WITHIN_S = 30.0


@pytest.fixture
def pair() -> Iterator[Pair]:
    with running_pair() as pair:
        yield pair


@pytest.fixture
async def apps(pair: Pair, redis_url: str) -> AsyncIterator[list[BookingApp]]:
    """Two processes of booking."""
    await migrate_all(pair.url, ["booking", "sandbox"])
    house = Neighbours()
    async with (
        running_booking(pair.url, redis_url, house) as one,
        running_booking(pair.url, redis_url, house) as two,
    ):
        yield [one, two]


class Sale:
    """Buyers who order and pay, each as another person every time, and repeat what was refused by its key."""

    def __init__(self, apps: list[BookingApp]) -> None:
        self._session: UUID = apps[0].neighbours.publish(rows=400)
        self._over = asyncio.Event()
        self.answers: Counter[tuple[int, str]] = Counter()
        self.placed: dict[str, float] = {}
        self.paid: list[str] = []
        self._buyers = [
            asyncio.create_task(self._buy(apps[number % len(apps)])) for number in range(BUYERS)
        ]

    async def _buy(self, app: BookingApp) -> None:
        while not self._over.is_set():
            user, key = uuid4(), str(uuid4())
            made = await self._insist(
                lambda user=user, key=key: app.order(user, self._session, quantity=1, key=key)
            )
            if made is None or made.status != 201:
                continue
            order_id = made.json["order_id"]
            self.placed[order_id] = time.monotonic()
            paid = await self._insist(
                lambda user=user, key=key, order=order_id: app.pay(user, order, key=key)
            )
            if paid is not None and paid.status == 200:
                self.paid.append(order_id)

    async def _insist(self, call: Callable[[], Any]) -> Any:
        while not self._over.is_set():
            answer = await call()
            self.answers[answer.status, answer.code if answer.status >= 400 else ""] += 1
            if answer.status != 503:
                return answer
            await asyncio.sleep(0.02)
        return None

    async def sold_more(self, orders: int) -> None:
        wanted = len(self.placed) + orders
        async with asyncio.timeout(WITHIN_S):
            while len(self.placed) < wanted:  # noqa: ASYNC110  the buyers send no signal
                await asyncio.sleep(0.005)

    async def refused(self) -> None:
        before = sum(count for (status, _), count in self.answers.items() if status == 503)
        async with asyncio.timeout(WITHIN_S):
            while before == sum(n for (status, _), n in self.answers.items() if status == 503):  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def end(self) -> None:
        self._over.set()
        await asyncio.gather(*self._buyers)


async def told_of_all(pair: Pair) -> None:
    """Returns when the relay has sent every event: it leads on the new primary."""
    async with connected(pair.primary_url) as db, asyncio.timeout(WITHIN_S):
        while await db.fetchval("SELECT EXISTS (SELECT FROM booking.outbox)"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def has_healed(app: BookingApp) -> None:
    """The sweeper asks after ten seconds what became of the orders whose outcome nobody knew."""
    give_up = time.monotonic() + WITHIN_S
    while any(not one.ok for one in await audit_booking(app.services, looks_max=1)):
        assert time.monotonic() < give_up, await is_sound(app)
        await asyncio.sleep(0.2)


async def test_a_sale_goes_on_with_the_promoted_standby_and_has_all_that_was_acknowledged(
    pair: Pair, apps: list[BookingApp], record_property: Callable[[str, object], None]
) -> None:
    stop = asyncio.Event()
    working = asyncio.create_task(workers.run(apps[0].wiring, stop))  # it leads the relay
    sale = Sale(apps)
    await sale.sold_more(ENOUGH)
    pair.kill_primary()
    await sale.refused()
    await asyncio.to_thread(pair.promote)
    promoted = time.monotonic()
    await sale.sold_more(ENOUGH)
    await sale.end()
    next_order = min(placed for placed in sale.placed.values() if placed > promoted) - promoted
    record_property("promotion_to_next_order_s", round(next_order, 3))
    print(f"{next_order:.2f} s from the promotion to the next order; {dict(sale.answers)}")
    async with connected(pair.primary_url) as db:
        await db.execute("SET search_path TO booking")
        stored = await db.fetch("SELECT order_id::text, status FROM orders")
    status = {row["order_id"]: row["status"] for row in stored}
    assert [order for order in sale.placed if order not in status] == []
    assert [order for order in sale.paid if status[order] != "paid"] == []
    assert {answered for answered, _ in sale.answers} <= {200, 201, 202, 409, 503}
    assert sale.paid
    await told_of_all(pair)
    await apps[0].services.payments.reconcile(older_than_s=0)
    await has_healed(apps[0])
    stop.set()
    await working
