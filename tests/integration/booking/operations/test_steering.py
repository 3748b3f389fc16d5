"""Pausing, resuming and limiting a session's sale: at once, everywhere, and written down."""

import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from contracts.booking import SALE_CHANGED, SaleChanged
from contracts.rehearsals import rehearsal_id
from tests.support.booking import (
    BookingApp,
    at_once,
    booking_tables,
    is_sound,
    running_booking,
)
from tests.support.operations import WHY, Desk


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


async def rows(app: BookingApp, sql: str, *args: Any) -> list[Any]:
    async with booking_tables(app.wiring.database_url) as tables:
        return list(await tables.fetch(sql, *args))


async def told(app: BookingApp) -> list[SaleChanged]:
    found = await rows(app, "SELECT * FROM outbox WHERE type = $1 ORDER BY position", SALE_CHANGED)
    return [msgspec.json.decode(row["data"], type=SaleChanged) for row in found]


async def test_a_paused_sale_places_no_order_and_all_else_goes_on(app: BookingApp) -> None:
    desk, session_id = Desk(app), app.neighbours.publish()
    first, second, third = uuid4(), uuid4(), uuid4()
    held = [await app.order(user, session_id) for user in (first, second)]
    paused = await desk.pause(session_id)
    assert paused.status == 200, paused
    assert paused.json == {
        "session_id": str(session_id),
        "paused": True,
        "paused_at": paused.json["paused_at"],
        "limits": {"max_tickets_per_user": None, "orders_per_second": None},
        "session_max_tickets_per_user": 6,
    }
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", paused.json["paused_at"])
    refused = await app.order(third, session_id)
    assert (refused.status, refused.code) == (409, "sale-paused")
    assert (await app.order(uuid4(), app.neighbours.publish())).status == 201  # another session
    assert (await app.pay(first, held[0].json["order_id"])).status == 200
    assert (await app.cancel(second, held[1].json["order_id"])).status == 200
    assert (await desk.sale(session_id)).json == paused.json
    resumed = await desk.resume(session_id)
    assert resumed.json == paused.json | {"paused": False, "paused_at": None}
    assert (await app.order(third, session_id)).status == 201
    await is_sound(app)


async def test_a_process_that_does_not_know_yet_is_refused_by_postgresql(
    app: BookingApp, database_url: str
) -> None:
    """And holds no seat afterwards; then it asks for no more seats."""
    session_id = app.neighbours.publish()

    async with running_booking(
        database_url, app.wiring.redis_url, app.neighbours, reads_controls=False
    ) as other:
        assert (await other.order(uuid4(), session_id)).status == 201
        await Desk(app).pause(session_id)
        refused = await other.order(uuid4(), session_id, seats=[7, 8])
        assert (refused.status, refused.code) == (409, "sale-paused")
        _, seats = await app.services.holds.state(session_id)
        assert Counter(seats.decode())["h"] == 2
        before = seats
        assert (await other.order(uuid4(), session_id, seats=[7])).code == "sale-paused"
        assert (await app.services.holds.state(session_id))[1] == before
        await Desk(app).resume(session_id)
        await other.services.operations.controls.read()
        assert (await other.order(uuid4(), session_id, seats=[7])).status == 201
    await is_sound(app)


async def test_a_pause_outlives_redis_a_rebuild_and_a_restart(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()
    await app.order(uuid4(), session_id)
    await Desk(app).pause(session_id)
    await app.services.holds.calls.command_to_each_node("FLUSHDB")
    assert (await app.order(uuid4(), session_id)).code == "sale-paused"
    await app.services.holds.rebuild(session_id)
    assert (await app.order(uuid4(), session_id)).code == "sale-paused"
    async with running_booking(database_url, app.wiring.redis_url, app.neighbours) as restarted:
        assert (await restarted.order(uuid4(), session_id)).code == "sale-paused"


async def test_a_request_sent_again_gets_its_order_though_the_sale_is_paused(
    app: BookingApp,
) -> None:
    session_id, user = app.neighbours.publish(), uuid4()
    first = await app.order(user, session_id, key="once")
    await Desk(app).pause(session_id)
    again = await app.order(user, session_id, key="once")
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["idempotency-replayed"] == "true"


async def test_each_change_leaves_an_action_an_event_and_nothing_when_it_changes_nothing(
    app: BookingApp,
) -> None:
    desk, session_id = Desk(app), app.neighbours.publish()
    app.neighbours.names[desk.user] = "值班"
    for _ in range(2):
        assert (await desk.pause(session_id)).json["paused"]
    await desk.limit(session_id, max_tickets_per_user=2)
    await desk.limit(session_id, max_tickets_per_user=2, reason="again")
    await desk.limit(session_id, orders_per_second=50)
    for _ in range(2):
        assert not (await desk.resume(session_id, "mended")).json["paused"]
    listed = (await desk.actions()).json
    assert listed["next_cursor"] is None
    assert [one["action"] for one in listed["items"]] == ["resume", "limits", "limits", "pause"]
    last, _, _, first = listed["items"]
    assert (first["by"], first["by_email"]) == (str(desk.user), "a@example.com")
    assert (first["reason"], last["reason"]) == (WHY, "mended")
    assert first["session_id"] == str(session_id)
    running = {"paused": False, "max_tickets_per_user": None, "orders_per_second": None}
    assert (first["before"], first["after"]) == (running, running | {"paused": True})
    limits = {"max_tickets_per_user": 2, "orders_per_second": 50}
    assert last["before"] == {"paused": True} | limits
    assert last["after"] == {"paused": False} | limits
    events = await told(app)
    assert [(one.paused, one.max_tickets_per_user, one.version) for one in events] == [
        (True, None, 1), (True, 2, 2), (True, 2, 3), (False, 2, 4),
    ]  # fmt: skip
    assert {one.session_id for one in events} == {session_id}


async def test_actions_are_paged_newest_first(app: BookingApp) -> None:
    desk, session_id = Desk(app), app.neighbours.publish()
    for tickets in range(1, 6):
        await desk.limit(session_id, f"{tickets}", max_tickets_per_user=tickets)
    seen, query = [], "?limit=2"
    while query:
        page = (await desk.actions(query)).json
        assert len(page["items"]) <= 2
        seen += [one["reason"] for one in page["items"]]
        query = f"?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert seen == ["5", "4", "3", "2", "1"]
    for wrong in ("?cursor=x", "?cursor=" + "9" * 201, "?limit=0", "?limit=101", "?limit=x"):
        refused = await desk.actions(wrong)
        assert (refused.status, refused.code) == (400, "validation-failed"), wrong
    app.neighbours.identity_is_away = True
    assert (await desk.actions()).json["items"][0]["by_email"] is None


async def test_what_cannot_be_written_down_does_not_happen(app: BookingApp) -> None:
    """The row, the event and the effect are one transaction."""
    desk, session_id = Desk(app), app.neighbours.publish()
    async with booking_tables(app.wiring.database_url) as tables:
        await tables.execute("ALTER TABLE operator_actions ADD CHECK (reason = '') NOT VALID")
    assert (await desk.pause(session_id)).status == 500
    assert not (await desk.sale(session_id)).json["paused"]
    assert await told(app) == []
    assert (await app.order(uuid4(), session_id)).status == 201


UNREADABLE = [
    *("", "   ", "x" * 501, "two\nlines", "a\x00b", "\u202eback", "a" + "\u0301" * 40),
    *(None, 7),
]


async def test_a_reason_is_one_line_that_can_be_read(app: BookingApp) -> None:
    desk, session_id = Desk(app), app.neighbours.publish()
    for reason in UNREADABLE:
        for refused in (
            await desk.pause(session_id, reason),
            await desk.resume(session_id, reason),
            await desk.limit(session_id, reason, max_tickets_per_user=1),
        ):
            assert (refused.status, refused.code) == (400, "validation-failed"), reason
    assert (await desk.actions()).json["items"] == []


NO_LIMITS: list[dict[str, Any]] = [
    *({"max_tickets_per_user": wrong} for wrong in (0, -1, 1001, "2", 1.5, True)),
    *({"orders_per_second": wrong} for wrong in (0, 100_001, [])),
    {"paused": True},
]


async def test_a_limit_is_a_number_within_bounds(app: BookingApp) -> None:
    desk, session_id = Desk(app), app.neighbours.publish()
    for limits in NO_LIMITS:
        refused = await desk.limit(session_id, **limits)
        assert (refused.status, refused.code) == (400, "validation-failed"), limits
    assert (await desk.actions()).json["items"] == []


async def test_a_session_that_is_not_published_has_no_sale_to_steer(app: BookingApp) -> None:
    desk = Desk(app)
    for session_id in (uuid4(), app.neighbours.publish(status="draft")):
        for refused in (
            await desk.sale(session_id),
            await desk.pause(session_id),
            await desk.limit(session_id, orders_per_second=1),
        ):
            assert (refused.status, refused.code) == (404, "not-found")
    for role in ("customer", "organizer", "staff"):
        refused = await Desk(app, role).pause(app.neighbours.publish())
        assert (refused.status, refused.code) == (403, "forbidden")


async def test_tickets_a_person_are_raised_and_lowered_while_the_sale_runs(
    app: BookingApp,
) -> None:
    desk, session_id = Desk(app), app.neighbours.publish(max_tickets_per_user=2)
    first, second = uuid4(), uuid4()
    assert (await app.order(first, session_id)).status == 201
    assert (await app.order(first, session_id)).code == "ticket-limit-reached"
    await desk.limit(session_id, max_tickets_per_user=4)
    assert (await app.order(first, session_id)).status == 201
    answer = await desk.limit(session_id, max_tickets_per_user=1)
    assert answer.json["limits"]["max_tickets_per_user"] == 1
    assert (await app.order(second, session_id)).code == "ticket-limit-reached"
    assert (await app.order(second, session_id, quantity=1)).status == 201
    mine = await app.get("/orders", user=first)  # nothing is taken from those who have more
    assert {one["status"] for one in mine.json["orders"]} == {"pending_payment"}
    for order in mine.json["orders"]:
        assert (await app.pay(first, order["order_id"])).status == 200
    await desk.limit(session_id, max_tickets_per_user=None)
    assert (await app.order(second, session_id, quantity=1)).status == 201
    assert (await app.order(second, session_id, quantity=1)).code == "ticket-limit-reached"
    await is_sound(app)


async def test_a_process_that_does_not_know_the_new_limit_is_refused_by_postgresql(
    app: BookingApp, database_url: str
) -> None:
    session_id = app.neighbours.publish()

    async with running_booking(
        database_url, app.wiring.redis_url, app.neighbours, reads_controls=False
    ) as other:
        await Desk(app).limit(session_id, max_tickets_per_user=1)
        refused = await other.order(uuid4(), session_id, seats=[3, 4])
        assert (refused.status, refused.code) == (409, "ticket-limit-reached")
        assert (await other.order(uuid4(), session_id, seats=[3])).status == 201
    await is_sound(app)


async def test_orders_a_second_are_limited_over_all_processes(
    app: BookingApp, database_url: str
) -> None:
    desk, session_id = Desk(app), app.neighbours.publish(rows=5)
    await desk.limit(session_id, orders_per_second=1)
    async with running_booking(database_url, app.wiring.redis_url, app.neighbours) as other:
        began_s = time.monotonic()
        both = [one for one in (app, other) for _ in range(20)]
        answers = await at_once([one.order(uuid4(), session_id, quantity=1) for one in both])
        taken = [answer for answer in answers if answer.status == 201]
        assert 1 <= len(taken) <= 1 + (time.monotonic() - began_s)
        for answer in answers:
            if answer.status != 201:
                assert (answer.status, answer.code) == (429, "sale-rate-limited")
                assert answer.headers["retry-after"] == "1"
        assert (await app.order(uuid4(), app.neighbours.publish())).status == 201
        await desk.limit(session_id, orders_per_second=None)
        await other.services.operations.controls.read()
        for one in (app, other, app, other):
            assert (await one.order(uuid4(), session_id, quantity=1)).status == 201
    await is_sound(app)


async def test_a_rehearsals_sale_is_not_steered(app: BookingApp) -> None:
    """It is removed in a minute, and what would be written down here would stay."""
    session_id = app.neighbours.publish(session_id=rehearsal_id())
    desk = Desk(app)
    assert (await desk.pause(session_id)).status == 404
    assert (await desk.actions()).json["items"] == []
