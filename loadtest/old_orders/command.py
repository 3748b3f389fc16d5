"""Places orders beside none and beside many, in turns, and says what they cost."""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec

from booking.domain.seating import Seating, Stretch
from booking.events.history import history_entry
from booking.orders import store
from booking.orders.draft import OrderDraft, new_order
from booking.orders.placing_store import place_orders
from booking.orders.records import NewOrder
from booking.orders.selection import ExactSeats
from booking.payments.batch_store import begin_payments, sell_orders
from booking.payments.records import Intent, KnownPayment, NewPayment, ReceivedEvent
from booking.payments.sale import build_sale
from booking.seats.outcomes import Held
from booking.tickets.codes import TicketCodes, make_keys
from booking.tickets.issuing import TicketIssuing
from booking.tickets.store import load_signing_keys
from chassis.ids import uuid7
from chassis.postgres.pool import Pool, connection, open_pool
from contracts.booking import PAYMENT_STARTED
from contracts.catalog import AreaTerms, SessionTerms
from loadtest.old_orders.store import REGULAR, REGULARS_ORDERS, YEARS, logged, open_database
from runtime.embedded import EmbeddedServers

SEATS = 1_000_000
TTL_S = 600
PROVIDER = "sandbox"
WARM_UP = 30
READS = 200


class Round(msgspec.Struct, frozen=True):
    """Of an order: bytes of the write-ahead log, and µs of CPU of the connection's server process."""

    log: float
    cpu_us: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.old_orders", description=__doc__)
    parser.add_argument("--old-orders", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="turns of both databases")
    parser.add_argument("--orders", type=int, default=3_000, help="of a round, after a checkpoint")
    parser.add_argument("--batch", type=int, default=8, help="orders a statement")
    parser.add_argument("--bought", action="store_true", help="orders are paid, old and new ones")
    parser.add_argument("--folder", type=Path, help="keeps the databases there")
    given = parser.parse_args()
    with _server(given.folder) as url:
        asyncio.run(compare(url, given))


async def compare(url: str, given: argparse.Namespace) -> None:
    """Prints the medians of the rounds with the least and the most, and the ratio of the medians."""
    old_orders, rounds, orders, batch = given.old_orders, given.rounds, given.orders, given.batch
    databases = [
        await open_database(url, "none", 0),
        await open_database(url, "old", old_orders, bought=given.bought),
    ]
    found: list[list[Round]] = [[], []]
    pools = [await open_pool(one, "booking", size=1) for one in databases]
    try:
        sales = [Sale(issuing=await _issuing(pool) if given.bought else None) for pool in pools]
        for pool, sale in zip(pools, sales, strict=True):
            for _ in range(WARM_UP):
                await sale.place(pool, batch)
        for _ in range(rounds):
            for pool, sale, of_database in zip(pools, sales, found, strict=True):
                of_database.append(await _round(pool, sale, orders, batch))
        regular = await _read(pools[1])
    finally:
        for pool in pools:
            await pool.close()
    print(f"{old_orders:,} old orders of {YEARS} years")
    print(f"{rounds} rounds of {orders:,} orders, {batch} a statement")
    for name, pick in (("log, bytes", _log), ("CPU, µs", _cpu)):
        none, old = ([pick(one) for one in of_database] for of_database in found)
        ratio = statistics.median(old) / statistics.median(none)
        print(f"{name:<12} none {_spread(none)}   old {_spread(old)}   {ratio:.2f}")
    print(f"the list of somebody with {REGULARS_ORDERS} orders, ms: {_spread(regular)}")


def _log(one: Round) -> float:
    return one.log


def _cpu(one: Round) -> float:
    return one.cpu_us


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):,.1f} ({min(values):,.1f}–{max(values):,.1f})"


class Sale:
    """Of one session, to somebody new with each order. `issuing`: of tickets, if orders are paid as well;
    each is told of by its provider."""

    def __init__(self, *, issuing: TicketIssuing | None = None) -> None:
        self._issuing = issuing
        area, now = uuid4(), datetime.now(UTC)
        self._seats = iter(range(1, SEATS))
        self._seating = Seating(SEATS, [Stretch(1, SEATS, area, "VIP A区", "3", 1)], accessible=[])
        self._terms = SessionTerms(
            session_id=uuid7(),
            show_id=uuid7(),
            organizer_id=uuid7(),
            title="周杰伦 2026 世界巡回演唱会",
            venue="上海体育场",
            city="上海",
            starts_at=now + timedelta(days=9),
            time_zone="Asia/Shanghai",
            currency="CNY",
            status="published",
            sale_opens_at=now - timedelta(days=1),
            sale_closes_at=now + timedelta(days=8),
            max_tickets_per_user=6,
            areas=[AreaTerms(area, "VIP A区", "seated", 128000, 1, SEATS, SEATS)],
        )

    async def place(self, pool: Pool, count: int) -> None:
        orders = [self._order() for _ in range(count)]
        for answer in await place_orders(pool, orders, TTL_S):
            if isinstance(answer, BaseException):
                raise answer
        if self._issuing is not None:
            await self._pay(pool, self._issuing, orders)

    async def _pay(self, pool: Pool, issuing: TicketIssuing, orders: Sequence[NewOrder]) -> None:
        sales = []
        for begun in await begin_payments(pool, PROVIDER, [_intent(order) for order in orders]):
            assert isinstance(begun, KnownPayment), begun
            told = ReceivedEvent(PROVIDER, f"evt_{uuid4().hex}", "succeeded", begun.payment_id)
            sales.append(build_sale(issuing, begun, told))
        assert all(one is True for one in await sell_orders(pool, sales))

    def _order(self) -> NewOrder:
        draft = OrderDraft(
            order_id=uuid7(),
            user_id=uuid4(),
            key=str(uuid4()),
            body_hash=os.urandom(32),
            terms=self._terms,
            seating=self._seating,
            selection=ExactSeats([1]),
        )
        return new_order(draft, Held(0, [next(self._seats), next(self._seats)]))


async def _issuing(pool: Pool) -> TicketIssuing:
    keys = await load_signing_keys(pool, make_keys)
    return TicketIssuing(TicketCodes(keys, "https://tickets.example"))


def _intent(order: NewOrder) -> Intent:
    payment = NewPayment(
        payment_id=uuid7(),
        order_id=order.order_id,
        user_id=order.user_id,
        provider=PROVIDER,
        method="alipay",
        idempotency_key=str(uuid4()),
        body_hash=os.urandom(32),
        request_id="r",
    )
    data = {"payment_id": payment.payment_id, "method": payment.method}
    return Intent(payment, history_entry(order.order_id, PAYMENT_STARTED, data))


async def _round(pool: Pool, sale: Sale, orders: int, batch: int) -> Round:
    async with connection(pool) as db:
        await db.execute("CHECKPOINT", timeout=600)
        pid = await db.fetchval("SELECT pg_backend_pid()")
        before = await logged(db)
    spent = _cpu_ns(pid)
    for _ in range(orders // batch):
        await sale.place(pool, batch)
    spent = _cpu_ns(pid) - spent
    async with connection(pool) as db:
        written = await logged(db) - before
    count = orders // batch * batch
    return Round(written / count, spent / count / 1000)


def _cpu_ns(pid: int) -> int:
    """Of a process of this machine."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0])


async def _read(pool: Pool) -> list[float]:
    """ms of the first page of the regular's list."""
    taken = []
    async with connection(pool) as db:
        for _ in range(READS):
            began = time.perf_counter()
            page, total = await store.list_orders(
                db, REGULAR, status=None, before=None, limit=21, offset=0
            )
            taken.append((time.perf_counter() - began) * 1000)
            assert len(page) == min(21, total)
    return taken


@contextmanager
def _server(folder: Path | None) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="stampede-old-orders-") as scratch:
        servers = EmbeddedServers(folder or Path(scratch), redis=False)
        try:
            yield servers.start().database_url
        finally:
            servers.stop()
