"""A device without a network: the list it takes along, and the scans it tells of later."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from booking import door_lists
from tests.support.booking import at_once, booking_tables, is_sound, running_booking
from tests.support.door import DoorApp


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


async def test_the_list_is_signed_and_comes_in_pages(
    door: DoorApp, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tickets = await door.tickets(1, 2, 3, 12, 23)
    assert (await door.scan(tickets[1]["code"], gate="A")).status == 200
    async with booking_tables(database_url) as tables:
        void = "UPDATE tickets SET status = 'void' WHERE ticket_id = $1"
        await tables.execute(void, tickets[2]["ticket_id"])
    jwks = (await door.app.get("/tickets/keys")).json
    monkeypatch.setattr(door_lists, "LIST_PAGE_TICKETS", 3)
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
