"""Between the expand and the last process of an older release: both place orders, each reads the other's, and
one key makes one order. Then the contract comes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from booking.audit.checks import audit_booking
from booking.refunds import store as refund_store
from booking.refunds.store import NewRefund, TicketForRefund
from chassis.ids import uuid7
from chassis.postgres.migration_files import Phase
from chassis.postgres.migrations import migrate
from chassis.postgres.pool import load_queries
from runtime.services import MIGRATIONS, migrate_all
from tests.support.booking import SEATED, BookingApp, booking_tables, running_booking
from tests.support.outbox import events_waiting
from tests.support.prices import ADULT, CHILD, PRICES
from tests.support.promo_codes import Stall
from tests.support.refunds import ask_back, organizer_of
from tests.support.servers import with_database

USER = uuid4()
older = load_queries(Path(__file__).parents[3] / "support" / "older_release.sql")


@pytest.fixture
async def expanded(database_url: str) -> AsyncIterator[str]:
    """A database whose contracts wait."""
    admin = await asyncpg.connect(database_url)
    name = f"stampede_expanded_{uuid4().hex}"
    await admin.execute(f"CREATE DATABASE {name}")
    try:
        url = with_database(database_url, name)
        await migrate_all(url, phase=Phase.EXPAND)
        yield url
    finally:
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()


@pytest.fixture
async def app(expanded: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(expanded, redis_url) as running:
        yield running


async def contract(url: str) -> None:
    await migrate(url, "booking", MIGRATIONS["booking"], phase=Phase.CONTRACT)


async def place_as_before(
    tables: Any, app: BookingApp, session_id: UUID, seat: int, *, user: UUID = USER, key: str | None = None
) -> UUID:  # fmt: skip
    """One seat, by the statement of the older release."""
    terms, order_id, created_id = app.neighbours.terms[session_id], uuid7(), uuid7()
    body_hash = b"h" * 32 if key else None
    told = {"order_id": str(order_id), "user_id": str(user), "session_id": str(session_id)}
    found = older.place_orders(
        tables, ttl=timedelta(minutes=10), heed_pause=True, term_sessions=[session_id],
        titles=[terms.title], venues=[terms.venue], starts=[terms.starts_at],
        time_zones=[terms.time_zone], currencies=[terms.currency], opens=[terms.sale_opens_at],
        closes=[terms.sale_closes_at], caps=[terms.max_tickets_per_user], orders=[order_id],
        users=[user], sessions=[session_id], totals=[100], keys=[key], hashes=[body_hash],
        requests=["r-1"], counts=[1], created_ids=[created_id], created=[msgspec.json.encode(told).decode()],
        held_ids=[uuid7()], held=["{}"], histories=['{"seats": [1]}'], traces=[None],
        item_orders=[order_id], item_sessions=[session_id], item_seats=[seat], item_areas=[SEATED],
        item_area_names=["A"], item_rows=["1"], item_numbers=[seat], item_prices=[100],
        item_accessible=[None],
    )  # fmt: skip
    assert [row["order_id"] async for row in found] == [order_id]
    return order_id


async def test_each_release_reads_what_the_other_has_placed(app: BookingApp, expanded: str) -> None:
    stall = Stall(app, max_tickets_per_user=10)
    assert (await stall.make(kind="percent", value=10)).status == 201
    ours = (await stall.buy(USER, "EARLY", seats=[1, 2], key="k")).json
    async with booking_tables(expanded) as tables:
        theirs = await place_as_before(tables, app, stall.session_id, 5)
        row = await older.get_order_by_key(tables, user_id=USER, key="k")
        assert str(row["order_id"]) == ours["order_id"]
        assert msgspec.json.decode(row["items"]) == [
            {"accessible": False} | item for item in ours["items"]
        ]
        assert row["discount"] == ours["discount"]
        paid = [
            price["paid"] async for price in older.paid_prices(tables, order_id=row["order_id"])
        ]
        assert sum(paid) == ours["total_amount"]
        history = [e async for e in older.list_order_events(tables, order_id=row["order_id"])]
    read = (await app.get(f"/orders/{ours['order_id']}/events", user=USER)).json["events"]
    for theirs_of_it, ours_of_it in zip(history, read, strict=True):
        assert str(theirs_of_it["event_id"]) == ours_of_it["event_id"]
        assert theirs_of_it["type"] == ours_of_it["type"]
        assert theirs_of_it["request_id"] == ours_of_it["request_id"]
        assert msgspec.json.decode(theirs_of_it["data"]) == ours_of_it["data"]
    assert read[0]["data"]["promo_code"] == "EARLY"
    shown = (await app.get(f"/orders/{theirs}", user=USER)).json
    assert [item["seat_id"] for item in shown["items"]] == [5]
    told = (await app.get(f"/orders/{theirs}/events", user=USER)).json["events"]
    assert [event["request_id"] for event in told] == ["r-1"]
    assert (await app.pay(USER, ours["order_id"])).status == 200
    assert {(await app.cancel(USER, str(theirs))).status} == {200}
    assert [one for one in await audit_booking(app.services) if not one.ok] == []


async def refund_as_before(tables: Any, app: BookingApp, order_id: UUID, seat: int) -> int:
    """What the older release gives back for a seat, where the show's terms keep no fee: it asks for all
    that was paid, and the organizer approves."""
    rows = [row async for row in older.list_tickets_for_refund(tables, order_id=order_id)]
    ticket = next(row for row in rows if row["seat_id"] == seat)
    order = await refund_store.get_order_for_refund(tables, order_id)
    assert order is not None
    assert order.payment_id is not None
    organizer_id = organizer_of(app, order.session_id)
    refund = NewRefund(
        refund_id=uuid7(), order_id=order_id, payment_id=order.payment_id, user_id=order.user_id,
        session_id=order.session_id, organizer_id=organizer_id, cause="buyer", reason="r",
        price=ticket["price"], fee=0, amount=ticket["price"], currency=order.currency, request_id="r-1",
    )  # fmt: skip
    asked = TicketForRefund(**dict(ticket), kept=0)
    await refund_store.insert_refund(tables, refund, [asked])
    granted = await app.post(f"/refunds/{refund.refund_id}/approve", user=organizer_id)
    assert (granted.status, granted.json["status"]) == (200, "approved")
    return int(granted.json["amount"])


async def test_an_older_release_gives_back_what_was_paid_with_all_fees(
    app: BookingApp, expanded: str
) -> None:
    session_id = app.neighbours.publish(prices=PRICES)
    family = [{"category": "adult", "quantity": 2}, {"category": "child", "quantity": 1}]
    body = {"session_id": session_id, "seats": [1, 2, 3], "categories": family}
    placed = await app.post("/orders", body, user=USER)
    assert placed.status == 201, placed
    order_id = UUID(placed.json["order_id"])
    assert (await app.pay(USER, str(order_id))).status == 200
    order = (await app.get(f"/orders/{order_id}", user=USER)).json
    paid = [ADULT + 3_200 + 145, ADULT + 3_200 + 144, CHILD + 250 + 11]
    assert sum(paid) == order["total_amount"]
    async with booking_tables(expanded) as tables:
        rows = [row async for row in older.list_tickets_for_refund(tables, order_id=order_id)]
        assert [row["price"] for row in rows] == paid
        assert (
            await refund_as_before(tables, app, order_id, 3) == paid[2]
        )  # 11 of the order's fee too
        unsound = [row["order_id"] async for row in older.audit_orders_add_up(tables)]
        assert unsound == [order_id]  # it knows no fees
    rest = (await ask_back(app, USER, str(order_id))).json
    assert (rest["price"], rest["fee"]) == (paid[0] + paid[1], 145 + 144)
    await app.services.refund_sending.send_all_due()
    order = (await app.get(f"/orders/{order_id}", user=USER)).json
    assert order["refunded_amount"] == sum(paid) - 145 - 144
    assert [one for one in await audit_booking(app.services) if not one.ok] == []


async def test_what_an_older_release_sells_without_fees_stays_without(
    app: BookingApp, expanded: str
) -> None:
    session_id = app.neighbours.publish(prices=PRICES)
    async with booking_tables(expanded) as tables:
        order_id = str(await place_as_before(tables, app, session_id, 5))
    assert (await app.pay(USER, order_id)).status == 200
    order = (await app.get(f"/orders/{order_id}", user=USER)).json
    assert (order["total_amount"], "breakdown" in order) == (100, False)
    back = (await ask_back(app, USER, order_id)).json
    assert (back["price"], back["fee"], back["amount"]) == (100, 0, 100)
    assert [one for one in await audit_booking(app.services) if not one.ok] == []


async def test_an_older_relay_finds_a_whole_row_for_each_event(
    app: BookingApp, expanded: str, database_url: str, redis_url: str
) -> None:
    """The same events as this release makes of its own rows, with the same ids and data."""
    order_id = (await app.order(USER, app.neighbours.publish(accessible=[1]), seats=[1, 2])).json[
        "order_id"
    ]
    assert (await app.pay(USER, order_id)).status == 200
    async with booking_tables(expanded) as tables:
        rows = [row async for row in older.undelivered(tables)]
        assert [row["type"][len("stampede."):-3] for row in rows] == [
            "order.created", "seats.held", "order.paid", "seats.sold", "tickets.issued",
        ]  # fmt: skip
        written = {row["type"]: (row["event_id"], msgspec.json.decode(row["data"])) for row in rows}
        sold = next(row for row in rows if row["type"] == "stampede.order.paid.v1")
        await tables.execute("TRUNCATE outbox")
        await contract(expanded)
        await tables.executemany(
            "INSERT INTO outbox (event_id, type, subject, request_id, data) VALUES ($1, $2, $3, 'r', $4)",
            [(UUID(order_id), "booking.order_placed", order_id, "{}"),
             (sold["event_id"], "booking.order_sold", order_id, sold["data"])],
        )  # fmt: skip
    told = {
        one.type: (one.id, msgspec.json.decode(one.data)) for one in await events_waiting(expanded)
    }
    assert told == written


async def test_a_key_makes_one_order_whichever_release_has_it_first(
    app: BookingApp, expanded: str
) -> None:
    session_id = app.neighbours.publish(max_tickets_per_user=10)
    ours = (await app.order(USER, session_id, seats=[1], key="ours")).json["order_id"]
    async with booking_tables(expanded) as tables:
        with pytest.raises(asyncpg.UniqueViolationError, match="orders_one_per_idempotency_key"):
            await place_as_before(tables, app, session_id, 3, key="ours")
        theirs = await place_as_before(tables, app, session_id, 4, key="theirs")
        assert (
            await app.order(USER, session_id, seats=[5], key="theirs")
        ).code == "idempotency-key-reused"
        await contract(expanded)
        kept = await tables.fetch("SELECT key, order_id::text FROM order_keys ORDER BY key")
        assert [tuple(row) for row in kept] == [("ours", ours), ("theirs", str(theirs))]
        assert (
            await app.order(USER, session_id, seats=[5], key="theirs")
        ).code == "idempotency-key-reused"
        count = "SELECT count(*) FROM order_items WHERE order_id = $1"
        assert await tables.fetchval(count, UUID(ours)) == 1
        after = (await app.order(USER, session_id, seats=[5], key="after")).json["order_id"]
        assert await tables.fetchval(count, UUID(after)) == 0
        assert await tables.fetchval("SELECT count(*) FROM orders") == 3


async def test_the_contract_comes_in_the_middle_of_a_sale(app: BookingApp, expanded: str) -> None:
    session_id = app.neighbours.publish(rows=4, max_tickets_per_user=100)
    over, turns = asyncio.Event(), asyncio.Queue[None]()

    async def buy(*, pays: bool) -> None:
        while not over.is_set():
            user, key = uuid4(), uuid4().hex
            made = await app.order(user, session_id, quantity=1, key=key)
            assert made.status == 201
            assert (await app.order(user, session_id, quantity=1, key=key)).json == made.json
            end = app.pay if pays else app.cancel
            assert (await end(user, made.json["order_id"])).status == 200
            turns.put_nowait(None)

    async def had_turns(count: int) -> None:
        for _ in range(count):
            await turns.get()

    async with asyncio.TaskGroup() as buyers:
        for n in range(3):
            buyers.create_task(buy(pays=n == 0))
        await had_turns(6)
        await contract(expanded)
        await had_turns(6)
        over.set()
    assert [one for one in await audit_booking(app.services) if not one.ok] == []
