"""A ticket opens its own door only: that of the session that a scan names, or of what is on now (P15)."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from booking.domain.door import DoorHours
from booking.door.administration import put_on_the_door
from booking.door.store import queries
from tests.support.booking import BookingApp, booking_tables, is_sound, running_booking
from tests.support.door import DoorApp

MANY_ORDERS = """
INSERT INTO orders (order_id, user_id, session_id, status, total_amount, currency, title, venue,
                    starts_at, time_zone, expires_at, paid_at)
SELECT gen_random_uuid(), gen_random_uuid(), md5((n % 3)::text)::uuid, 'paid', 0, 'CNY', '戏', '馆',
       now() + make_interval(hours => n % 3 + 1), 'Asia/Shanghai', now(), now()
FROM generate_series(1, 30000) AS n
"""
BEGINS_AT = datetime(2027, 1, 2, 11, 30, tzinfo=UTC)  # of a session on another day


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.fixture
async def door(app: BookingApp) -> DoorApp:
    made = DoorApp(app)
    await made.open()
    return made


@pytest.fixture
async def house(door: DoorApp, database_url: str) -> UUID:
    """Staff who stand at every door."""
    user_id = door.make_staff("house@example.com")
    await put_on_the_door(database_url, user_id)
    return user_id


async def another_day(door: DoorApp) -> tuple[UUID, Any]:
    """A session that begins at BEGINS_AT, more than a day from whenever this runs, and a ticket."""
    begins = max(BEGINS_AT, datetime.now(UTC) + timedelta(days=2))
    session_id = door.app.neighbours.publish(starts_at=begins, organizer_id=door.organizer)
    (ticket,) = await door.tickets(1, session_id=session_id)
    return session_id, ticket


async def test_staff_at_every_door_do_not_let_in_who_comes_on_another_day(
    door: DoorApp, house: UUID, database_url: str
) -> None:
    """By an old client, which names no session: what is on now decides."""
    session_id, ticket = await another_day(door)
    refused = await door.scan(ticket["code"], user=house)
    assert (refused.status, refused.code) == (409, "wrong-session")
    said = refused.json
    starts = door.app.neighbours.terms[session_id].starts_at.replace(microsecond=0)
    assert said["session_id"] == str(session_id)
    assert said["show"] == "周杰伦 2026 世界巡回演唱会"
    assert (said["venue"], said["time_zone"]) == ("上海体育场", "Asia/Shanghai")
    assert datetime.fromisoformat(said["starts_at"]) == starts
    assert said["date"] == said["starts_at"]
    assert datetime.fromisoformat(said["door_opens_at"]) == starts - timedelta(hours=4)
    assert said["door"] == "early"
    local = starts + timedelta(hours=8)
    assert f"上海体育场, {local:%Y-%m-%d %H:%M} (Asia/Shanghai)" in said["detail"]
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM check_ins") == 0
    here = await door.tickets(1)
    assert (await door.scan(here[0]["code"], user=house)).status == 200


class NoHours(DoorHours):
    """Takes the mechanism out."""

    def state(self, *_: Any) -> Any:
        return "open"


async def test_without_the_hours_the_ticket_of_another_day_is_let_in(
    door: DoorApp, house: UUID
) -> None:
    """The control: else the test above would prove nothing."""
    door.just_started(NoHours(opens_before=timedelta(0), closes_after=timedelta(0)))
    _, ticket = await another_day(door)
    assert (await door.scan(ticket["code"], user=house)).status == 200


async def test_a_scan_opens_the_door_that_it_names_and_no_other(door: DoorApp, house: UUID) -> None:
    other, ticket = await another_day(door)
    (here,) = await door.tickets(1)
    for user in (house, door.staff):  # also who stands at this door only
        refused = await door.scan(ticket["code"], user=user, session_id=str(door.session_id))
        assert (refused.status, refused.code) == (409, "wrong-session")
        assert refused.json["session_id"] == str(other)
    refused = await door.scan(here["code"], user=house, session_id=str(other))
    assert (refused.code, refused.json["door"]) == ("wrong-session", "open")
    unknown = await door.scan(here["code"], user=house, session_id=str(uuid4()))
    assert unknown.code == "wrong-session"
    for code in (here["code"], ticket["code"]):
        away = await door.scan(code, user=door.staff, session_id=str(other))
        assert (away.status, away.code) == (403, "not-assigned")
    entered = await door.scan(here["code"], session_id=str(door.session_id))
    assert (entered.status, entered.json["door"]) == (200, "open")
    assert entered.json["starts_at"].endswith("Z")
    assert (entered.json["venue"], entered.json["time_zone"]) == ("上海体育场", "Asia/Shanghai")
    named = await door.scan(ticket["code"], user=house, session_id=str(other))
    assert (named.status, named.json["door"]) == (200, "early")  # they say it, and mean it


@pytest.mark.parametrize(
    ("hours", "door_is"), [(4.1, "early"), (3.9, "open"), (-5.9, "open"), (-6.1, "over")]
)
async def test_without_a_session_the_hours_of_the_door_decide(
    door: DoorApp, house: UUID, hours: float, door_is: str
) -> None:
    (ticket,) = await door.tickets(1, session_id=door.publish(hours=hours))
    said = await door.scan(ticket["code"], user=house)
    assert said.status == (200 if door_is == "open" else 409), said
    assert said.json["door"] == door_is


async def test_the_operator_sets_the_hours_of_the_door(database_url: str, redis_url: str) -> None:
    minutes = {"door_opens_before_s": 600, "door_closes_after_s": 1200}
    async with running_booking(database_url, redis_url, **minutes) as app:
        door = DoorApp(app)
        await door.open()
        for hours, status in ((0.2, 409), (0.1, 200), (-0.3, 200), (-0.4, 409)):
            session_id = door.publish(hours=hours)
            await door.assign({"email": "door@example.com"}, session_id)
            (ticket,) = await door.tickets(1, session_id=session_id)
            assert (await door.scan(ticket["code"])).status == status, hours


async def test_the_clock_of_the_database_decides_and_not_that_of_the_process(
    door: DoorApp, house: UUID
) -> None:
    begins, other = await another_day(door)
    (here,) = await door.tickets(1)
    door.app.services.clock.set(door.app.neighbours.terms[begins].starts_at)
    assert (await door.scan(other["code"], user=house)).code == "wrong-session"
    assert (await door.scan(here["code"], user=house)).status == 200


async def test_an_answer_that_was_lost_is_given_again_though_the_door_has_closed(
    door: DoorApp, database_url: str
) -> None:
    one, other = await door.tickets(1, 2)
    first = await door.scan(one["code"], key="k1")
    async with booking_tables(database_url) as tables:
        await tables.execute("UPDATE orders SET starts_at = now() - interval '6 hours'")
    again = await door.scan(one["code"], key="k1")
    assert (again.status, again.headers.get("idempotency-replayed")) == (200, "true")
    assert again.json["checked_in_at"] == first.json["checked_in_at"]
    assert (await door.scan(other["code"], key="k2")).code == "wrong-session"


async def test_a_session_that_was_cancelled_lets_nobody_in_though_its_refunds_are_under_way(
    door: DoorApp,
) -> None:
    here, before, after = await door.tickets(1, 2, 3)
    entered = datetime.now(UTC).isoformat()
    path = f"/sessions/{door.session_id}/cancel"
    assert (await door.app.post(path, {"reason": "rain"}, user=door.organizer)).status == 202
    for session in ({}, {"session_id": str(door.session_id)}):
        refused = await door.scan(here["code"], **session)
        assert (refused.status, refused.code) == (409, "ticket-void")
        assert refused.json["reason"] == "session_cancelled"
    late = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    told = await door.tell(
        [
            {"code": before["code"], "scanned_at": entered},  # in already when it was called off
            {"code": after["code"], "scanned_at": late},
        ]
    )
    said = [(one["result"], one["code"]) for one in told.json["results"]]
    assert said == [("accepted", None), ("refused", "ticket-void")]
    assert (await door.app.get("/check-ins/sessions", user=door.staff)).json["sessions"] == []
    await is_sound(door.app)


async def test_what_is_on_now_comes_first_and_only_where_somebody_stands(
    door: DoorApp, house: UUID
) -> None:
    tomorrow, tonight = door.publish(hours=25), door.publish(hours=2, venue="梅赛德斯奔驰文化中心")
    over, unsold = door.publish(hours=-7), door.publish(hours=1)
    for session_id in (tomorrow, tonight, over, door.session_id):
        await door.tickets(1, session_id=session_id)
        await door.tickets(2, session_id=session_id)
    admin = uuid4()
    door.app.token(admin, "admin")
    for user in (house, admin):
        answer = await door.app.get("/check-ins/sessions", user=user)
        assert answer.headers["cache-control"] == "no-store"
        found = [(one["session_id"], one["door"]) for one in answer.json["sessions"]]
        assert found == [
            (str(door.session_id), "open"),
            (str(tonight), "open"),
            (str(tomorrow), "early"),
        ]
    (mine,) = (await door.app.get("/check-ins/sessions", user=door.staff)).json["sessions"]
    assert mine["session_id"] == str(door.session_id)
    assert (mine["title"], mine["venue"]) == ("周杰伦 2026 世界巡回演唱会", "上海体育场")
    assert mine["time_zone"] == "Asia/Shanghai"
    for session_id in (tonight, over, unsold):
        await door.assign({"email": "door@example.com"}, session_id)
    named = (await door.app.get("/check-ins/sessions", user=door.staff)).json["sessions"]
    assert [one["session_id"] for one in named] == [str(door.session_id), str(tonight)]
    stranger = door.make_staff("stranger@example.com")
    assert (await door.app.get("/check-ins/sessions", user=stranger)).json["sessions"] == []
    assert (await door.app.get("/check-ins/sessions", user=door.organizer)).code == "forbidden"


async def test_finding_what_is_on_costs_a_step_a_session_and_not_one_an_order(
    door: DoorApp, house: UUID, database_url: str
) -> None:
    async with booking_tables(database_url) as tables:
        await tables.execute(MANY_ORDERS)
        await tables.execute("ANALYZE orders")
        found = (await door.app.get("/check-ins/sessions", user=house)).json["sessions"]
        assert len(found) == 3
        explained = f"EXPLAIN (ANALYZE, FORMAT JSON) {queries.sessions_sold.sql}"
        wanted = (timedelta(hours=6), 100, None, None, 100)
        (plan,) = msgspec.json.decode(await tables.fetchval(explained, *wanted))
    assert sum(rows_read(plan["Plan"], "orders")) < 20


def rows_read(node: Any, relation: str) -> Iterator[float]:
    if node.get("Relation Name") == relation:
        rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        yield rows * node["Actual Loops"]
    for below in node.get("Plans", []):
        yield from rows_read(below, relation)
