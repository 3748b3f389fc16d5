"""Tickets that go to somebody else, over real stores: the old code dies, the new one is theirs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiosql
import pytest

from booking.audit.checks import audit_booking
from booking.tickets import transfers_store as store
from booking.tickets.transfers import MISSES_MAX
from contracts.catalog import RefundPolicy
from tests.support.api import Answer
from tests.support.booking import (
    BookingApp,
    at_once,
    booking_tables,
    is_sound,
    running_booking,
    until_one_waits,
    until_so_many_wait,
)
from tests.support.refunds import ask_back, organizer_of

BUYER, FRIEND, OTHER = uuid4(), uuid4(), uuid4()
BY_ORGANIZER = RefundPolicy(approval="organizer")
# What else the door notes of a scan does not matter here.
SCAN_ONLY = "ALTER TABLE tickets DROP CONSTRAINT IF EXISTS tickets_checked_in_has_time"


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        running.neighbours.emails |= {
            "buyer@example.com": BUYER,
            "friend@example.com": FRIEND,
            "other@example.com": OTHER,
        }
        yield running


async def bought(app: BookingApp, *seats: int, **terms: Any) -> tuple[str, list[str]]:
    """An order of BUYER's that is paid, and its tickets."""
    made = await app.order(BUYER, app.neighbours.publish(**terms), seats=list(seats))
    order_id = made.json["order_id"]
    tickets = (await app.pay(BUYER, order_id)).json["tickets"]
    return order_id, [ticket["ticket_id"] for ticket in tickets]


async def give(
    app: BookingApp,
    ticket_id: str,
    to: str = "friend@example.com",
    *,
    user: UUID = BUYER,
    key: str = "",
) -> Answer:
    headers = {"Idempotency-Key": key} if key else None
    path = f"/tickets/{ticket_id}/transfer"
    return await app.post(path, {"to_email": to}, user=user, headers=headers)


async def test_the_old_code_dies_and_a_new_one_is_the_recipients(app: BookingApp) -> None:
    order_id, (first, second) = await bought(app, 1, 2)
    old = (await app.get(f"/tickets/{first}", user=BUYER)).json
    moved = await give(app, first, key="k")
    assert moved.status == 201, moved
    assert (moved.json["status"], moved.json["ticket_id"]) == ("transferred", first)
    again = await give(app, first, key="k")
    assert (again.json, again.headers["idempotency-replayed"]) == (moved.json, "true")
    assert (await give(app, first, "other@example.com", key="k")).code == "idempotency-key-reused"

    new = (await app.get(f"/tickets/{moved.json['new_ticket_id']}", user=FRIEND)).json
    assert (new["status"], new["seat_id"], new["row"]) == ("valid", 1, "1")
    assert new["code"] != old["code"]
    said = app.services.codes.read(new["code"])
    assert str(said.ticket_id) == new["ticket_id"]
    dead = (await app.get(f"/tickets/{first}", user=BUYER)).json
    assert (dead["status"], dead["void_reason"]) == ("void", "transferred")
    foreign = await app.get(f"/tickets/{new['ticket_id']}", user=BUYER)
    assert (foreign.status, foreign.code) == (404, "not-found")

    order = (await app.get(f"/orders/{order_id}", user=BUYER)).json
    assert [ticket["ticket_id"] for ticket in order["tickets"]] == [second]
    listed = (await app.get("/tickets?status=valid", user=FRIEND)).json
    assert (listed["total"], listed["tickets"]) == (1, [new])
    mine = (await app.get("/tickets?page_size=1&page=2", user=BUYER)).json
    assert (mine["total"], len(mine["tickets"])) == (2, 1)
    assert (await app.get("/tickets?status=sold", user=BUYER)).status == 400

    history = (await app.get(f"/orders/{order_id}/events", user=BUYER)).json["events"]
    assert history[-1]["type"] == "stampede.ticket.transferred.v1"
    async with booking_tables(app.wiring.database_url) as tables:
        row = await tables.fetchrow(
            "SELECT subject, data->>'to_user_id' AS recipient FROM outbox"
            " WHERE type = 'stampede.ticket.transferred.v1'"
        )
        assert (row["subject"], row["recipient"]) == (order_id, str(FRIEND))
        tallies = await tables.fetch("SELECT user_id, tickets FROM user_tallies")
    assert [(row["user_id"], row["tickets"]) for row in tallies] == [(BUYER, 2)]
    onwards = await give(app, new["ticket_id"], "other@example.com", user=FRIEND)
    assert onwards.status == 201
    assert (await app.get("/tickets?status=valid", user=OTHER)).json["total"] == 1
    await is_sound(app)


async def test_what_cannot_be_given_away_stays_where_it_is(app: BookingApp) -> None:
    _, (kept, scanned, void) = await bought(app, 1, 2, 3)
    async with booking_tables(app.wiring.database_url) as tables:
        await tables.execute(SCAN_ONLY)
        await tables.execute(
            "UPDATE tickets SET status = 'checked_in', checked_in_at = now() WHERE ticket_id = $1",
            scanned,
        )
        await tables.execute("UPDATE tickets SET status = 'void' WHERE ticket_id = $1", void)
        for ticket_id in (scanned, void):
            assert (await give(app, ticket_id)).code == "ticket-not-transferable"
        foreign = await give(app, kept, user=OTHER)
        assert (foreign.status, foreign.code) == (404, "not-found")
        assert (await give(app, str(uuid4()))).status == 404
        own = await give(app, kept, "buyer@example.com")
        assert (own.status, own.json["errors"][0]["field"]) == (400, "to_email")
        misspelt = await give(app, kept, "no address")
        assert (misspelt.status, misspelt.json["errors"][0]["field"]) == (400, "to_email")
        app.neighbours.inactive.add(OTHER)
        for nobody in ("nobody@example.com", "other@example.com"):
            refused = await give(app, kept, nobody)
            assert (refused.status, refused.code) == (409, "recipient-unknown")
        await tables.execute("UPDATE orders SET starts_at = now() - interval '1 minute'")
        late = await give(app, kept, "nobody@example.com")  # no look-up: nothing is learnt
        assert (late.status, late.code) == (409, "ticket-not-transferable")
        assert (
            await tables.fetchval("SELECT status FROM tickets WHERE ticket_id = $1", kept)
            == "valid"
        )
        assert await tables.fetchval("SELECT count(*) FROM ticket_transfers") == 0


async def test_a_holder_has_few_guesses_at_who_has_an_account(app: BookingApp) -> None:
    _, (ticket_id,) = await bought(app, 1)
    for number in range(MISSES_MAX):
        assert (await give(app, ticket_id, f"{number}@example.com")).code == "recipient-unknown"
    refused = await give(app, ticket_id)
    assert (refused.status, refused.code) == (429, "rate-limited")
    assert int(refused.headers["retry-after"]) > 0
    async with booking_tables(app.wiring.database_url) as tables:
        await tables.execute("UPDATE recipient_misses SET missed_at = now() - interval '2 hours'")
    assert (await give(app, ticket_id)).status == 201


async def test_guesses_at_once_get_no_further_than_one_by_one(app: BookingApp) -> None:
    _, (ticket_id,) = await bought(app, 1)
    guesses = [f"{number}@example.com" for number in range(3 * MISSES_MAX)]
    answers = await at_once([give(app, ticket_id, email) for email in guesses])
    told = [answer.code for answer in answers]
    assert told.count("recipient-unknown") == MISSES_MAX
    assert told.count("rate-limited") == 2 * MISSES_MAX


async def test_only_a_miss_is_a_guess_used_up(app: BookingApp) -> None:
    _, tickets = await bought(app, 1, 2)
    for _ in range(MISSES_MAX + 1):
        assert (await give(app, tickets[0], "buyer@example.com")).status == 400  # one's own
    assert [(await give(app, ticket_id)).status for ticket_id in tickets] == [201, 201]
    async with booking_tables(app.wiring.database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM recipient_misses") == 0


async def test_of_many_transfers_at_once_one_wins(
    app: BookingApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with its mechanism taken out the same race gives one seat to many: the control."""
    people = {f"p{number}@example.com": uuid4() for number in range(10)}
    app.neighbours.emails |= people

    async def race(ticket_id: str) -> list[Answer]:
        return await at_once([give(app, ticket_id, email) for email in people])

    _, (ticket_id, another) = await bought(app, 1, 2)
    answers = await race(ticket_id)
    assert sorted(answer.status for answer in answers) == [201] + [409] * 9
    assert {answer.code for answer in answers if answer.status == 409} == {
        "ticket-not-transferable"
    }
    await is_sound(app)

    sql = Path("booking/tickets/sql/transfers.sql").read_text(encoding="utf-8")
    compared = " AND t.user_id = :user_id AND t.status = 'valid'\n"
    assert compared in sql
    loose = aiosql.from_str(
        sql.replace(compared, " AND :user_id::uuid IS NOT NULL\n"),
        "asyncpg",
        mandatory_parameters=False,
    )
    monkeypatch.setattr(store, "queries", loose)
    async with booking_tables(app.wiring.database_url) as tables:
        await tables.execute("DROP INDEX tickets_one_valid_per_seat")
        await tables.execute(
            "ALTER TABLE ticket_transfers DROP CONSTRAINT ticket_transfers_once_per_ticket"
        )
    answers = await race(another)
    assert [answer.status for answer in answers].count(201) > 1
    findings = {one.name: one.ok for one in await audit_booking(app.services, looks_max=1)}
    assert not findings["seats_sold_once"]


async def refund_wanted(app: BookingApp, order_id: str) -> None:
    asked = await ask_back(app, BUYER, order_id)
    assert (asked.status, asked.json["status"]) == (202, "requested")


async def test_a_ticket_whose_money_is_asked_back_stays_until_the_organizer_refuses(
    app: BookingApp,
) -> None:
    order_id, (ticket_id,) = await bought(app, 1, refund_policy=BY_ORGANIZER)
    await refund_wanted(app, order_id)
    refused = await give(app, ticket_id, "nobody@example.com")  # no look-up: nothing is learnt
    assert refused.code == "ticket-not-transferable"
    (wanted,) = (await app.get(f"/orders/{order_id}/refunds", user=BUYER)).json["refunds"]
    (session_id,) = app.neighbours.terms
    path = f"/refunds/{wanted['refund_id']}/reject"
    assert (await app.post(path, user=organizer_of(app, session_id))).status == 200
    assert (await give(app, ticket_id)).status == 201
    await is_sound(app)


async def test_a_transfer_that_waits_for_a_request_to_refund_finds_it(
    app: BookingApp, database_url: str
) -> None:
    order_id, (ticket_id,) = await bought(app, 1, refund_policy=BY_ORGANIZER)
    async with booking_tables(database_url) as tables, tables.transaction():
        await tables.execute("SELECT FROM orders WHERE order_id = $1 FOR UPDATE", order_id)
        asking = asyncio.create_task(refund_wanted(app, order_id))
        await until_one_waits(database_url)
        giving = asyncio.create_task(give(app, ticket_id))
        await until_so_many_wait(database_url, 2)  # it has seen the ticket free to go, and is next
    await asking
    assert (await giving).code == "ticket-not-transferable"
    kept = (await app.get(f"/tickets/{ticket_id}", user=BUYER)).json
    assert kept["status"] == "valid"
    await is_sound(app)


async def test_a_scan_at_the_door_and_a_transfer_cannot_both_have_the_ticket(
    app: BookingApp, database_url: str
) -> None:
    _, (ticket_id,) = await bought(app, 1)
    async with booking_tables(database_url) as door:
        await door.execute(SCAN_ONLY)
        async with door.transaction():
            scan = """UPDATE tickets SET status = 'checked_in', checked_in_at = now()
                      WHERE ticket_id = $1 AND status = 'valid'"""
            assert await door.execute(scan, ticket_id) == "UPDATE 1"
            giving = asyncio.create_task(give(app, ticket_id))
            await until_one_waits(database_url)  # it has seen the ticket valid, and waits for us
        assert (await giving).code == "ticket-not-transferable"
        tickets = await door.fetch("SELECT user_id, status FROM tickets")
    assert [(row["user_id"], row["status"]) for row in tickets] == [(BUYER, "checked_in")]
