"""A device without a network: the list it takes along, and the scans it tells of later."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from booking.door.administration import put_on_the_door
from tests.support.booking import at_once, booking_tables, is_sound, running_booking
from tests.support.door import DoorApp
from tests.unit.docs.test_door_docs import example


@pytest.fixture
async def door(database_url: str, redis_url: str) -> AsyncIterator[DoorApp]:
    async with running_booking(database_url, redis_url) as running:
        made = DoorApp(running)
        await made.open()
        yield made


def unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def verified(signed: Any, jwks: Any) -> Any:
    """The payload of a flattened JWS. Raises InvalidSignature."""
    header = msgspec.json.decode(unpacked(signed["protected"]))
    assert header["typ"] == "stampede-check-in-list+json"
    (key,) = [key for key in jwks["keys"] if key["kid"] == header["kid"]]
    spoken = f"{signed['protected']}.{signed['payload']}".encode()
    public = Ed25519PublicKey.from_public_bytes(unpacked(key["x"]))
    public.verify(unpacked(signed["signature"]), spoken)
    return msgspec.json.decode(unpacked(signed["payload"]))


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


async def test_the_list_is_signed_and_comes_in_pages(door: DoorApp, database_url: str) -> None:
    tickets = await door.tickets(1, 2, 3, 12, 23)
    assert (await door.scan(tickets[1]["code"], gate="A")).status == 200
    async with booking_tables(database_url) as tables:
        void = "UPDATE tickets SET status = 'void' WHERE ticket_id = $1"
        await tables.execute(void, tickets[2]["ticket_id"])
    jwks = (await door.app.get("/tickets/keys")).json
    door.lists_of(page_tickets=3)
    path = f"/sessions/{door.session_id}/check-in-list"
    signed = (await door.app.get(path, user=door.staff)).json
    page = verified(signed, jwks)
    assert (page["session_id"], page["total"]) == (str(door.session_id), 4)
    rest = await door.app.get(f"{path}?cursor={page['next_cursor']}", user=door.staff)
    last = verified(rest.json, jwks)
    assert last["next_cursor"] is None
    listed = page["tickets"] + last["tickets"]
    assert [one["seat_id"] for one in listed] == [1, 2, 12, 23]
    assert [one["status"] for one in listed] == ["valid", "checked_in", "valid", "valid"]
    assert "checked_in_at" in listed[1]
    assert "王小明" not in str(page)
    with pytest.raises(InvalidSignature):
        verified(signed | {"payload": rest.json["payload"]}, jwks)
    for cursor in ("x", "-1", "1e3", "%D9%A3"):
        refused = await door.app.get(f"{path}?cursor={cursor}", user=door.staff)
        assert refused.status == 400, cursor
    assert (await door.app.get(path, user=door.make_staff("s@example.com"))).status == 403
    assert (await door.app.get(path, user=door.buyer)).status == 403


async def test_offline_scans_are_taken_once_however_often_they_are_told(door: DoorApp) -> None:
    one, two = await door.tickets(1, 2)
    scans = [
        {"code": one["code"], "scanned_at": ago(60)},
        {"ticket_id": two["ticket_id"], "scanned_at": ago(50), "gate": "侧门"},
        {"code": one["code"][:-2], "scanned_at": ago(40)},
        {"ticket_id": str(uuid4()), "scanned_at": ago(40)},
    ]
    answers = await at_once([door.tell(scans) for _ in range(3)])
    answers.append(await door.tell(scans))
    assert len({answer.body for answer in answers}) == 1, answers
    said = answers[0].json
    assert [one["result"] for one in said["results"]] == ["accepted"] * 2 + ["refused"] * 2
    assert said["results"][2]["code"] == "invalid-ticket-code"
    assert (said["accepted"], said["already"], said["refused"]) == (2, 0, 2)
    second = await door.scan(two["code"])
    assert (second.code, second.json["gate"]) == ("already-checked-in", "侧门")
    path = f"/orders/{one['order_id']}/events"
    types = [e["type"] for e in (await door.app.get(path, user=door.buyer)).json["events"]]
    assert types.count("stampede.ticket.checked_in.v1") == 2
    await is_sound(door.app)


async def test_the_first_scan_wins_whenever_it_is_told(door: DoorApp, database_url: str) -> None:
    (ticket,) = await door.tickets(1)
    async with booking_tables(database_url) as tables:  # bought an hour ago
        await tables.execute("UPDATE tickets SET issued_at = now() - interval '1 hour'")
    online = await door.scan(ticket["code"], gate="南门")
    late = [{"code": ticket["code"], "scanned_at": "2100-01-01T00:00:00Z"}]  # a clock gone mad
    told = (await door.tell(late, device="pda-9")).json["results"][0]
    assert (told["result"], told["conflict"]["gate"]) == ("already", "南门")
    assert told["checked_in_at"] == online.json["checked_in_at"]
    early = [{"code": ticket["code"], "scanned_at": ago(600)}]
    told = (await door.tell(early)).json["results"][0]
    assert (told["result"], told["conflict"]["gate"]) == ("accepted", "南门")
    earliest = [{"code": ticket["code"], "scanned_at": ago(900)}]
    told = (await door.tell(earliest, device="pda-2")).json["results"][0]
    assert (told["result"], told["conflict"]["device"]) == ("accepted", "pda-1")
    told = (await door.tell(early)).json["results"][
        0
    ]  # told again, and judged by what is known now
    assert (told["result"], told["conflict"]["device"]) == ("already", "pda-2")
    before_it_was_made = [{"code": ticket["code"], "scanned_at": "2001-01-01T00:00:00Z"}]
    told = (await door.tell(before_it_was_made, device="pda-3")).json["results"][0]
    issued = datetime.now(UTC) - timedelta(hours=1)
    entered = datetime.fromisoformat(told["checked_in_at"])
    assert abs((entered - issued).total_seconds()) < 30
    await is_sound(door.app)


async def test_of_scans_that_count_as_made_at_once_the_devices_own_order_decides(
    door: DoorApp,
) -> None:
    """All before the ticket's issue, by a clock that is slow: no chance in who was first."""
    (ticket,) = await door.tickets(1)
    seconds = (900, 300, 1200, 600, 1500, 60, 30, 90)
    scans = [{"code": ticket["code"], "scanned_at": ago(each)} for each in seconds]
    told = (await door.tell(scans)).json["results"]
    assert [one["result"] for one in told].index("accepted") == seconds.index(max(seconds))
    assert [one["result"] for one in told].count("accepted") == 1
    later = [{"code": ticket["code"], "scanned_at": ago(9000)}]  # what was told first stays so
    assert (await door.tell(later)).json["results"][0]["result"] == "already"
    await is_sound(door.app)


async def test_a_batch_says_of_each_scan_what_became_of_it(
    door: DoorApp, database_url: str
) -> None:
    elsewhere = door.app.neighbours.publish()
    good, void = await door.tickets(1, 2)
    (foreign,) = await door.tickets(1, session_id=elsewhere)
    async with booking_tables(database_url) as tables:
        sql = "UPDATE tickets SET status = 'void' WHERE ticket_id = $1"
        await tables.execute(sql, void["ticket_id"])
        # Bought an hour ago: what was scanned before a ticket's issue counts from that moment.
        await tables.execute("UPDATE tickets SET issued_at = now() - interval '1 hour'")
    moment = ago(10)
    told = await door.tell(
        [
            {"code": good["code"], "scanned_at": moment},
            {"code": good["code"], "scanned_at": moment},
            {"code": good["code"], "scanned_at": ago(5)},
            {"code": void["code"], "scanned_at": moment},
            {"code": foreign["code"], "scanned_at": moment},
        ]
    )
    said = [(one["result"], one["code"]) for one in told.json["results"]]
    assert said == [
        ("accepted", None),
        ("accepted", None),
        ("already", "already-checked-in"),
        ("refused", "ticket-void"),
        ("refused", "not-assigned"),
    ]


async def test_a_batch_is_bounded_and_well_formed(door: DoorApp) -> None:
    (ticket,) = await door.tickets(1)
    scan = {"code": ticket["code"], "scanned_at": ago(1)}
    bad: list[list[Any]] = [
        [],
        [scan] * 201,
        [scan | {"ticket_id": ticket["ticket_id"]}],
        [{"scanned_at": ago(1)}],
        [scan | {"scanned_at": "2026-01-01T00:00:00"}],
        [scan | {"scanned_at": "0001-01-01T00:00:00+14:00"}],
        [scan | {"scanned_at": "9999-12-31T23:59:59-14:00"}],
        [scan | {"scanned_at": 5}],
        [scan | {"gate": "a\x00"}],
    ]
    for scans in bad:
        assert (await door.tell(scans)).status == 400, scans
    assert (await door.tell([scan], device="a b")).status == 400
    assert (await door.tell([scan], user=door.buyer)).status == 403
    nobody = await door.app.post("/check-ins/batch", {"device": "a", "scans": [scan]})
    assert nobody.status == 401
    assert (await door.scan(ticket["code"])).status == 200


async def test_a_batch_is_judged_by_the_session_that_it_names(
    door: DoorApp, database_url: str
) -> None:
    other = door.publish(hours=24 * 35)
    stranger = door.make_staff("house@example.com")
    await put_on_the_door(database_url, stranger)
    (here,), (there,) = await door.tickets(1), await door.tickets(1, session_id=other)
    moment = ago(5)
    scans = [
        {"code": here["code"], "scanned_at": moment},
        {"code": there["code"], "scanned_at": moment},
        {"ticket_id": there["ticket_id"], "scanned_at": ago(4)},
        {"code": there["code"], "scanned_at": ago(3), "session_id": str(other)},
    ]
    body = {"device": "pda-1", "session_id": str(door.session_id), "scans": scans}
    told = (await door.app.post("/check-ins/batch", body, user=stranger)).json
    said = [(one["result"], one["code"]) for one in told["results"]]
    refused = ("refused", "wrong-session")
    assert said == [("accepted", None), refused, refused, ("accepted", None)]
    what = told["results"][1]["session"]
    starts = door.app.neighbours.terms[other].starts_at.replace(microsecond=0)
    assert (what["session_id"], what["title"]) == (str(other), "周杰伦 2026 世界巡回演唱会")
    assert (what["venue"], what["time_zone"]) == ("上海体育场", "Asia/Shanghai")
    assert (datetime.fromisoformat(what["starts_at"]), what["door"]) == (starts, "early")
    assert told["results"][0]["session"] is None
    elsewhere = body | {"session_id": str(other), "scans": scans[:1]}
    told = (await door.app.post("/check-ins/batch", elsewhere, user=door.staff)).json
    assert told["results"][0]["code"] == "not-assigned"
    await is_sound(door.app)


async def test_without_a_session_a_scan_counts_if_the_door_was_open_when_it_was_made(
    door: DoorApp, database_url: str
) -> None:
    """However late it is told, and whether or not the door is open then."""
    played, early, late = await door.tickets(1, 2, 3)
    async with booking_tables(database_url) as tables:
        await tables.execute("UPDATE tickets SET issued_at = now() - interval '30 days'")
        await tables.execute("UPDATE orders SET starts_at = now() - interval '2 days'")
    hours = 3600
    scans = [
        {"code": played["code"], "scanned_at": ago(48 * hours)},
        {"code": early["code"], "scanned_at": ago(53 * hours)},
        {"code": late["code"], "scanned_at": ago(41 * hours)},
        {"code": late["code"], "scanned_at": "2001-01-01T00:00:00Z"},  # a clock gone mad
        {"code": late["code"], "scanned_at": "2100-01-01T00:00:00Z"},
    ]
    told = (await door.tell(scans)).json["results"]
    said = [(one["result"], one["session"] and one["session"]["door"]) for one in told]
    assert said == [
        ("accepted", None),
        ("refused", "early"),
        ("refused", "over"),
        ("refused", "early"),
        ("refused", "over"),
    ]
    assert {one["code"] for one in told[1:]} == {"wrong-session"}
    named = [scan | {"session_id": str(door.session_id)} for scan in scans[3:4]]
    assert (await door.tell(named)).json["results"][0]["result"] == "accepted"
    await is_sound(door.app)


async def test_what_a_device_with_a_fast_clock_told_in_time_stays_so_when_it_tells_it_again(
    door: DoorApp, database_url: str
) -> None:
    one, other = await door.tickets(1, 2)
    scan = {"code": one["code"], "scanned_at": "2100-01-01T00:00:00Z"}  # counts as made now
    first = (await door.tell([scan])).json["results"][0]
    assert first["result"] == "accepted"
    async with booking_tables(database_url) as tables:
        await tables.execute("UPDATE orders SET starts_at = now() - interval '7 hours'")
    fresh = {"code": other["code"], "scanned_at": "2100-01-01T00:00:00Z"}
    again = (await door.tell([fresh, scan])).json["results"]
    assert [one["result"] for one in again] == ["refused", "accepted"]
    assert again[1]["checked_in_at"] == first["checked_in_at"]
    elsewhere = (await door.tell([scan], device="pda-2")).json["results"][0]
    assert elsewhere["code"] == "wrong-session"


async def test_the_list_says_when_the_door_is_open_and_what_other_tickets_may_come_by(
    door: DoorApp,
) -> None:
    tomorrow = door.publish(hours=25, venue="梅赛德斯奔驰文化中心")
    next_hall, unrelated = (
        door.publish(hours=2, title="茶馆"),
        door.publish(hours=3, title="雷雨", venue="首都剧场"),
    )
    yesterday, long_ago = door.publish(hours=-24), door.publish(hours=-72)
    for session_id in (tomorrow, next_hall, unrelated, yesterday, long_ago, door.session_id):
        await door.tickets(1, session_id=session_id)
    await door.tickets(2)
    jwks = (await door.app.get("/tickets/keys")).json
    door.lists_of(page_tickets=1)
    path = f"/sessions/{door.session_id}/check-in-list"
    page = verified((await door.app.get(path, user=door.staff)).json, jwks)
    starts = datetime.fromisoformat(page["starts_at"])
    assert datetime.fromisoformat(page["door_opens_at"]) == starts - timedelta(hours=4)
    assert datetime.fromisoformat(page["door_closes_at"]) == starts + timedelta(hours=6)
    others = {one["session_id"]: one for one in page["others"]}
    assert list(others) == [str(one) for one in (yesterday, next_hall, tomorrow)]
    other = others[str(tomorrow)]
    assert (other["venue"], other["time_zone"]) == ("梅赛德斯奔驰文化中心", "Asia/Shanghai")
    assert other["title"] == "周杰伦 2026 世界巡回演唱会"
    rest = await door.app.get(f"{path}?cursor={page['next_cursor']}", user=door.staff)
    assert verified(rest.json, jwks)["others"] == []


async def test_a_device_without_a_network_says_what_a_ticket_of_another_session_is_for(
    door: DoorApp,
) -> None:
    """By the documented lines, over the signed list and the published keys."""
    later, unrelated = (
        door.publish(hours=24 * 35),
        door.publish(hours=5, title="雷雨", venue="剧场"),
    )
    (here,), (there,) = await door.tickets(1), await door.tickets(1, session_id=later)
    (strange,) = await door.tickets(1, session_id=unrelated)
    jwks = (await door.app.get("/tickets/keys")).json
    path = f"/sessions/{door.session_id}/check-in-list"
    pages = [verified((await door.app.get(path, user=door.staff)).json, jwks)]
    (fresh,) = await door.tickets(2)  # bought after the list was made
    judge, scanned = example("judge"), set[UUID]()
    said, what = judge(there["code"], jwks, pages, scanned)
    assert (said, what["session_id"]) == ("wrong-session", str(later))
    assert (what["title"], what["time_zone"]) == ("周杰伦 2026 世界巡回演唱会", "Asia/Shanghai")
    starts = door.app.neighbours.terms[later].starts_at.replace(microsecond=0)
    assert datetime.fromisoformat(what["starts_at"]) == starts
    assert judge(strange["code"], jwks, pages, scanned) == ("wrong-session", None)
    assert judge(here["code"], jwks, pages, scanned) == ("in", pages[0])
    for code in (here["code"], fresh["code"]):
        assert judge(code, jwks, pages, scanned)[0] == "ask at a gate with a network"
