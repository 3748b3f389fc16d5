"""What an order costs beside old ones: `python -m loadtest.old_orders --old-orders 10000000`.

Starts a PostgreSQL of its own with two databases: an empty one, and one with orders of the last ten
years, their claims and their tallies. Orders are placed in both in turns, after a checkpoint each, by
the statement of a sale. Counted are bytes of the write-ahead log and CPU of the server's process. Then
it reads the orders of somebody who has bought in all the years. Needs PostgreSQL 18 (`uuidv7` of a past
time) and 2 GB for a million orders.
"""

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
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import msgspec

from booking.domain.seating import Seating, Stretch
from booking.orders import store
from booking.orders.draft import OrderDraft, new_order
from booking.orders.placing_store import place_orders
from booking.orders.records import NewOrder
from booking.orders.selection import ExactSeats
from chassis.ids import uuid7
from chassis.postgres.pool import Pool, connection, open_pool
from contracts.catalog import AreaTerms, SessionTerms
from runtime.embedded import EmbeddedServers
from runtime.services import migrate_all

if TYPE_CHECKING:  # generic for the type checker only
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

YEARS = 10
ORDERS_A_SESSION = 5_000
ORDERS_A_PERSON = 5
REGULARS_ORDERS = 520  # one a week
SEATS = 1_000_000
TTL_S = 600
WARM_UP = 30
READS = 200
REGULAR = UUID("00000000-0000-7000-8000-000000000001")

# Rows of no real order, in one step instead of several: kept apart from the statements of the house.
FILL = """
INSERT INTO orders (order_id, user_id, session_id, status, total_amount, currency, title, venue,
                    starts_at, time_zone, created_at, expires_at, paid_at, request_id, items)
SELECT uuidv7(-age),
       CASE WHEN g % greatest($1 / $5, 1) = 0 THEN $6
            ELSE md5('person ' || g::bigint * 2654435761 % greatest($1 / $4, 1))::uuid END,
       md5('session ' || g / $3)::uuid,
       CASE WHEN age > interval '30 days' THEN 'completed' ELSE 'paid' END,
       256000, 'CNY', '周杰伦 2026 世界巡回演唱会', '上海体育场',
       now() - age + interval '30 days', 'Asia/Shanghai',
       now() - age, now() - age + interval '10 minutes', now() - age + interval '1 minute', 'r-' || g,
       format('[{"seat_id": %s, "area_id": "%s", "area": "VIP A区", "row": "3", "number": 1,
                 "price": 128000},
                {"seat_id": %s, "area_id": "%s", "area": "VIP A区", "row": "3", "number": 2,
                 "price": 128000}]', g % $3 * 2 + 1, $7::uuid, g % $3 * 2 + 2, $7::uuid)::jsonb
FROM (SELECT g, $2::interval * (1 - g / $1::float8) AS age
      FROM generate_series(1, $1::int) AS g) AS numbered
"""
CLAIM = """
INSERT INTO seat_claims (session_id, seat_id, order_id, state)
SELECT session_id, (items -> seat ->> 'seat_id')::int, order_id, 'sold'
FROM orders, generate_series(0, 1) AS seat
"""
TALLY = """
INSERT INTO user_tallies (session_id, user_id, tickets, cap)
SELECT session_id, user_id, 2 * count(*), 2 * count(*) + 6 FROM orders
GROUP BY session_id, user_id ORDER BY min(order_id)
"""
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = 'booking' AND tablename = 'orders' AND indexname NOT IN
    (SELECT conname FROM pg_constraint WHERE conrelid = 'orders'::regclass)
"""
# By this connection alone, whatever else the server does meanwhile.
LOGGED = "SELECT wal_bytes FROM pg_stat_get_backend_wal(pg_backend_pid())"


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
    parser.add_argument("--folder", type=Path, help="keeps the databases there")
    given = parser.parse_args()
    with _server(given.folder) as url:
        asyncio.run(compare(url, given.old_orders, given.rounds, given.orders, given.batch))


async def compare(url: str, old_orders: int, rounds: int, orders: int, batch: int) -> None:
    """Prints the medians of the rounds with the least and the most, and the ratio of the medians."""
    databases = [await _database(url, "none", 0), await _database(url, "old", old_orders)]
    found: list[list[Round]] = [[], []]
    pools = [await open_pool(one, "booking", size=1) for one in databases]
    try:
        sales = [Sale() for _ in pools]
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
    """Of one session, to somebody new with each order."""

    def __init__(self) -> None:
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
        for answer in await place_orders(pool, [self._order() for _ in range(count)], TTL_S):
            if isinstance(answer, BaseException):
                raise answer

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
        return new_order(draft, [next(self._seats), next(self._seats)])


async def _round(pool: Pool, sale: Sale, orders: int, batch: int) -> Round:
    async with connection(pool) as db:
        await db.execute("CHECKPOINT", timeout=600)
        pid = await db.fetchval("SELECT pg_backend_pid()")
        logged = await _logged(db)
    spent = _cpu_ns(pid)
    for _ in range(orders // batch):
        await sale.place(pool, batch)
    spent = _cpu_ns(pid) - spent
    async with connection(pool) as db:
        logged = await _logged(db) - logged
    count = orders // batch * batch
    return Round(logged / count, spent / count / 1000)


async def _logged(db: Connection) -> int:
    """Bytes of the write-ahead log since the connection began."""
    await db.execute("SELECT pg_stat_force_next_flush()")
    return int(await db.fetchval(LOGGED))


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


async def _database(url: str, name: str, old_orders: int) -> str:
    """Made and filled unless it is there already."""
    parts = urlsplit(url)
    own = urlunsplit((parts.scheme, parts.netloc or "postgres@", f"/{name}", parts.query, ""))
    admin = await asyncpg.connect(url)
    try:
        if await admin.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name):
            await migrate_all(own)
            return own
        await admin.execute(f"CREATE DATABASE {name}")
    finally:
        await admin.close()
    await migrate_all(own)
    if old_orders:
        db = await asyncpg.connect(own, server_settings={"search_path": "booking"})
        try:
            await fill(db, old_orders)
        finally:
            await db.close()
    return own


async def fill(db: Connection, count: int) -> None:
    """So many orders of the last years. Indexes are built afterwards, which is far quicker."""
    began = time.monotonic()
    await db.execute(
        "SET synchronous_commit = off; SET maintenance_work_mem = '512MB'; SET work_mem = '256MB'"
    )
    indexes = await db.fetch(INDEXES)
    for one in indexes:
        await db.execute(f'DROP INDEX "{one["indexname"]}"')
    span = timedelta(days=365 * YEARS)
    await db.execute(
        FILL,
        count,
        span,
        ORDERS_A_SESSION,
        ORDERS_A_PERSON,
        REGULARS_ORDERS,
        REGULAR,
        uuid4(),
        timeout=None,
    )
    print(f"orders after {time.monotonic() - began:.0f} s", flush=True)
    for one in indexes:
        await db.execute(one["indexdef"])
    print(f"indexes after {time.monotonic() - began:.0f} s", flush=True)
    await db.execute(CLAIM)
    await db.execute(TALLY)
    await db.execute("VACUUM (ANALYZE, FREEZE)")
    print(f"all after {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
