"""A sale through the next release's expand, without one failed request. Its statements are prepared and its
connections open when the migrations come, as in a process of the older release."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from booking.audit.checks import audit_booking
from chassis.postgres.migration_files import Phase, read_migrations
from chassis.postgres.migrations import migrate
from runtime.services import MIGRATIONS, migrate_all
from tests.architecture.online import offences
from tests.support.booking import BookingApp, booking_tables, running_booking
from tests.support.promo_codes import Stall
from tests.support.servers import with_database

BUYERS = 6
# What a next release would bring: every table of the sale gets a column, some an index, a constraint or a
# neighbour.
TABLES = ("orders", "order_items", "seat_claims", "user_tallies", "payments", "tickets", "outbox",
          "order_events", "promo_codes", "promo_tallies", "refunds", "refund_items")  # fmt: skip
EXPAND = {f"added_to_{table}": f"ALTER TABLE {table} ADD COLUMN next text NOT NULL DEFAULT 'x';"
          for table in TABLES}  # fmt: skip
EXPAND |= {
    "index_of_tickets": "-- transaction: no\n"
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS tickets_next_key ON tickets (next, issued_at);",
    "unique_claims": "-- transaction: no\n"
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS claims_next_key"
    " ON seat_claims (session_id, seat_id, next);",
    "constraint": "ALTER TABLE orders ADD CONSTRAINT orders_next CHECK (next <> '') NOT VALID;",
    "constraint_valid": "ALTER TABLE orders VALIDATE CONSTRAINT orders_next;",
    "notes": "CREATE TABLE notes (order_id uuid PRIMARY KEY REFERENCES orders, note text NOT NULL);"
    " CREATE INDEX notes_note_key ON notes (note);",
    "backfill": "-- transaction: no\nDO $$ BEGIN LOOP"
    " UPDATE tickets SET next = 'y' WHERE ticket_id IN"
    " (SELECT ticket_id FROM tickets WHERE next = 'x' ORDER BY ticket_id LIMIT 10 FOR UPDATE SKIP LOCKED);"
    " EXIT WHEN NOT FOUND; COMMIT; END LOOP; END $$;",
}


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.fixture
def next_release(tmp_path: Path) -> Path:
    """This release's migrations, and the expand of one after it."""
    for one in read_migrations(MIGRATIONS["booking"]):
        (tmp_path / one.name).write_text(one.text, encoding="utf-8")
    for number, (name, text) in enumerate(EXPAND.items(), start=9001):
        (tmp_path / f"{number}_{name}.sql").write_text(text, encoding="utf-8")
    return tmp_path


class Sale:
    """Buyers who order, pay, look, give back and redeem codes, until it is over."""

    def __init__(self, app: BookingApp) -> None:
        self._app = app
        self._stall = Stall(app, max_tickets_per_user=1000)
        self._over = asyncio.Event()
        self._one_more = asyncio.Event()
        self.answers: Counter[tuple[str, int]] = Counter()
        self.rounds = 0

    async def run(self) -> None:
        assert (await self._stall.make(kind="percent", value=10)).status == 201
        async with asyncio.TaskGroup() as group:
            for _ in range(BUYERS):
                group.create_task(self._buy(uuid4()))

    async def had_rounds(self, count: int) -> None:
        wanted = self.rounds + count
        while self.rounds < wanted:
            self._one_more.clear()
            await self._one_more.wait()

    def end(self) -> None:
        self._over.set()

    async def _buy(self, user: UUID) -> None:
        app = self._app
        while not self._over.is_set():
            order = await self._stall.buy(user, "EARLY")
            self._note("order", order.status)
            if order.status != 201:
                return
            order_id = order.json["order_id"]
            self._note("read", (await app.get(f"/orders/{order_id}", user=user)).status)
            plain = await app.order(user, self._stall.session_id, quantity=1)
            self._note("order", plain.status)
            self._note("cancel", (await app.cancel(user, plain.json["order_id"])).status)
            self._note("pay", (await app.pay(user, order_id)).status)
            self._note("list", (await app.get("/orders", user=user)).status)
            self._note("history", (await app.get(f"/orders/{order_id}/events", user=user)).status)
            refund = await app.post(f"/orders/{order_id}/refund", {"reason": "x"}, user=user)
            self._note("refund", refund.status)
            self.rounds += 1
            self._one_more.set()

    def _note(self, what: str, status: int) -> None:
        self.answers[what, status] += 1


async def sold_without_a_failure(app: BookingApp, sale: Sale) -> None:
    wanted = {"order": 201, "read": 200, "cancel": 200, "pay": 200, "list": 200, "history": 200,
              "refund": 202}  # fmt: skip
    assert dict(sale.answers).keys() == set(wanted.items())
    broken = [one for one in await audit_booking(app.services) if not one.ok]
    assert broken == []


async def test_older_code_sells_through_the_next_expand(
    app: BookingApp, database_url: str, next_release: Path
) -> None:
    assert [said for one in read_migrations(next_release)[-len(EXPAND):]
            for said in offences(one)] == []  # fmt: skip
    sale = Sale(app)
    selling = asyncio.create_task(sale.run())
    await sale.had_rounds(2 * BUYERS)  # every statement is prepared, on every connection
    applied = await migrate(database_url, "booking", next_release, phase=Phase.EXPAND)
    assert len(applied) == len(EXPAND)
    await sale.had_rounds(2 * BUYERS)
    sale.end()
    await selling
    await sold_without_a_failure(app, sale)


async def test_this_code_sells_while_its_contracts_wait(database_url: str, redis_url: str) -> None:
    """On the schema of before with its expands alone: between the expand and the last old process."""
    admin = await asyncpg.connect(database_url)
    name = f"stampede_expanded_{uuid4().hex}"
    await admin.execute(f"CREATE DATABASE {name}")
    url = with_database(database_url, name)
    try:
        await migrate_all(url, phase=Phase.EXPAND)
        async with running_booking(url, redis_url) as app:
            sale = Sale(app)
            selling = asyncio.create_task(sale.run())
            await sale.had_rounds(BUYERS)
            sale.end()
            await selling
            await sold_without_a_failure(app, sale)
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


async def test_a_plan_that_a_contract_made_invalid_is_never_a_500(
    app: BookingApp, database_url: str
) -> None:
    """Inside a transaction it cannot be repeated: nothing has happened, and the next try succeeds."""
    stall = Stall(app)
    code = (await stall.make()).json["promo_code_id"]
    assert (await stall.change(code, max_uses=9)).status == 200
    async with booking_tables(database_url) as tables:
        await tables.execute("ALTER TABLE promo_codes ALTER COLUMN code TYPE varchar(40)")
    refused = await stall.change(code, max_uses=8)
    assert (refused.status, refused.code) == (503, "overloaded")
    assert refused.headers["Retry-After"]
    assert (await stall.change(code, max_uses=8)).status == 200


async def test_outside_a_transaction_an_invalid_plan_is_made_anew(
    app: BookingApp, database_url: str
) -> None:
    stall = Stall(app)
    assert (await stall.make()).status == 201
    assert (await app.get(stall.path, user=stall.organizer)).status == 200
    async with booking_tables(database_url) as tables:
        await tables.execute("ALTER TABLE promo_codes ALTER COLUMN code TYPE varchar(40)")
    assert (await app.get(stall.path, user=stall.organizer)).status == 200
