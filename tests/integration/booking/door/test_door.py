"""Tickets at the door: once, by whom it may be, and what everybody else is told."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from booking.audit.checks import audit_booking
from booking.door.administration import put_on_the_door, take_off_the_house_door
from booking.tickets.codes import TicketCodes, make_keys
from tests.support.booking import (
    BookingApp,
    at_once,
    booking_tables,
    is_sound,
    running_booking,
    until_one_waits,
)
from tests.support.door import DoorApp


@pytest.fixture
async def app(database_url: str, redis_url: str) -> AsyncIterator[BookingApp]:
    async with running_booking(database_url, redis_url) as running:
        yield running


@pytest.fixture
async def door(app: BookingApp) -> DoorApp:
    made = DoorApp(app)
    await made.open()
    return made


async def test_a_ticket_lets_one_person_in_once(door: DoorApp, database_url: str) -> None:
    (ticket,) = await door.tickets(3)
    first = await door.scan(f" {ticket['code']}\n", gate="南门 1")  # scanners type a line end
    assert first.status == 200, first
    said = first.json
    assert (said["ticket_id"], said["holder"], said["gate"]) == (
        ticket["ticket_id"],
        "王小明",
        "南门 1",
    )
    assert said["seat"] == {
        "seat_id": 3,
        "area": "VIP A区",
        "row": "1",
        "number": 3,
        "label": "VIP A区 1排3座",
    }
    second = await door.scan(ticket["code"], gate="北门")
    assert (second.status, second.code) == (409, "already-checked-in")
    assert (second.json["checked_in_at"], second.json["gate"]) == (said["checked_in_at"], "南门 1")
    assert second.json["seat"] == said["seat"]
    mine = await door.app.get(f"/tickets/{ticket['ticket_id']}", user=door.buyer)
    assert mine.json["status"] == "checked_in"

    order = (await door.app.get(f"/orders/{ticket['order_id']}/events", user=door.buyer)).json
    assert order["events"][-1]["type"] == "stampede.ticket.checked_in.v1"
    async with booking_tables(database_url) as tables:
        told = await tables.fetch(
            "SELECT data::text FROM outbox WHERE type = 'stampede.ticket.checked_in.v1'"
        )
        assert len(told) == 1
        assert "王小明" not in told[0]["data"]
        scans = await tables.fetch("SELECT admitted, gate FROM check_ins ORDER BY check_in_id")
    assert [tuple(scan) for scan in scans] == [(True, "南门 1"), (False, "北门")]
    await is_sound(door.app)


@pytest.mark.parametrize(
    ("accepts", "label"),
    [
        ("zh-TW", "VIP A区 1排3座"),
        ("en", "VIP A区, row 1, seat 3"),
        ("tlh", "VIP A区 1排3座"),
    ],
)
async def test_a_seat_is_said_in_the_language_of_whoever_scans(
    door: DoorApp, accepts: str, label: str
) -> None:
    (ticket,) = await door.tickets(3)
    headers = {"accept-language": accepts, "idempotency-key": "scanned-once"}
    body = {"code": ticket["code"]}
    scans = [
        await door.app.post("/check-ins", body, user=door.staff, headers=headers),
        await door.app.post("/check-ins", body, user=door.staff, headers=headers),
        await door.app.post(
            "/check-ins", body, user=door.staff, headers={"accept-language": accepts}
        ),
    ]
    assert [scan.status for scan in scans] == [200, 200, 409]
    assert [scan.json["seat"]["label"] for scan in scans] == [label] * 3
    path = f"/sessions/{door.session_id}/check-ins"
    counts = await door.app.get(path, user=door.staff, headers=headers)
    assert {scan["seat"]["label"] for scan in counts.json["check_ins"]} == {label}


async def test_what_is_no_ticket_of_ours_leaves_nothing(door: DoorApp, database_url: str) -> None:
    (ticket,) = await door.tickets(1)
    code = ticket["code"]
    foreign = TicketCodes(make_keys(), "http://elsewhere")
    gone = door.app.services.codes.code(uuid4(), door.session_id)  # ours, of no ticket
    other = "y" if code[30] == "x" else "x"
    bad = (
        *("", "ST1", code[:-1], code[:40], code + "A", code[:30] + other + code[31:]),
        *("👍" * 20, "A" * 1000, foreign.code(UUID(ticket["ticket_id"]), door.session_id), gone),
    )
    for text in bad:
        refused = await door.scan(text)
        assert (refused.status, refused.code) == (422, "invalid-ticket-code"), text
    for body in (
        {"code": 5},
        {"code": code, "gate": "a\nb"},
        {"code": code, "gate": "x" * 41},
        {"code": code, "seat": 1},
        {},
    ):
        answer = await door.app.post("/check-ins", body, user=door.staff)
        assert (answer.status, answer.code) == (400, "validation-failed"), body
    async with booking_tables(database_url) as tables:
        assert await tables.fetchval("SELECT count(*) FROM check_ins") == 0
    assert (await door.scan(code)).status == 200


async def test_a_void_ticket_opens_no_door(door: DoorApp, database_url: str) -> None:
    refunded, moved, dead, given_back = await door.tickets(1, 2, 3, 4)
    void = "UPDATE tickets SET status = 'void', void_reason = $2 WHERE ticket_id = $1"
    heir = (
        "INSERT INTO tickets (ticket_id, order_id, session_id, seat_id, user_id, code)"
        " SELECT $2, order_id, session_id, seat_id, user_id, $3 FROM tickets WHERE ticket_id = $1"
    )
    new = uuid4()
    code = door.app.services.codes.code(new, door.session_id)
    async with booking_tables(database_url) as tables:
        for ticket, why in ((moved, None), (dead, None), (given_back, "refunded")):
            await tables.execute(void, ticket["ticket_id"], why)
        await tables.execute(heir, moved["ticket_id"], new, code)
    for ticket, reason in ((moved, "replaced"), (dead, "void"), (given_back, "refunded")):
        refused = await door.scan(ticket["code"])
        assert (refused.status, refused.code) == (409, "ticket-void")
        assert refused.json["reason"] == reason
    assert (await door.scan(code)).status == 200
    async with booking_tables(database_url) as tables:  # refunded, its ticket not yet void
        await tables.execute("UPDATE orders SET status = 'refunded'")
    refused = await door.scan(refunded["code"])
    assert (refused.code, refused.json["reason"]) == ("ticket-void", "refunded")


async def test_a_scan_that_meets_a_refund_waits_for_it(door: DoorApp, database_url: str) -> None:
    (ticket,) = await door.tickets(1)
    async with booking_tables(database_url) as tables:
        async with tables.transaction():
            order = "UPDATE orders SET status = 'refunded' WHERE order_id = $1"
            await tables.execute(order, UUID(ticket["order_id"]))
            scanning = asyncio.create_task(door.scan(ticket["code"]))
            await until_one_waits(database_url)
        refused = await scanning
    assert (refused.code, refused.json["reason"]) == ("ticket-void", "refunded")


async def test_staff_scan_at_their_own_doors_only(door: DoorApp, database_url: str) -> None:
    elsewhere = door.app.neighbours.publish()
    here, there = (await door.tickets(1)) + (await door.tickets(1, session_id=elsewhere))
    stranger = door.make_staff("stranger@example.com")
    for user, code in ((stranger, here["code"]), (door.staff, there["code"])):
        refused = await door.scan(code, user=user)
        assert (refused.status, refused.code) == (403, "not-assigned")
    for role in ((), ("organizer",)):
        nobody = uuid4()
        door.app.token(nobody, *role)
        refused = await door.scan(here["code"], user=nobody)
        assert (refused.status, refused.code) == (403, "forbidden")
    admin = uuid4()
    door.app.token(admin, "admin")
    wrong = await door.scan(there["code"], user=admin, session_id=str(door.session_id))
    assert (wrong.status, wrong.code) == (409, "wrong-session")
    assert wrong.json["session_id"] == str(elsewhere)
    there_too = {"user": admin, "session_id": str(elsewhere)}
    assert (await door.scan(there["code"], **there_too)).status == 200

    await put_on_the_door(database_url, stranger)
    assert (await door.scan(here["code"], user=stranger)).status == 200
    assert await take_off_the_house_door(database_url, stranger)
    assert (await door.scan(here["code"], user=stranger)).code == "not-assigned"
    await put_on_the_door(database_url, stranger, [elsewhere])
    assert (await door.scan(here["code"], user=stranger)).code == "not-assigned"
    again = await door.scan(there["code"], user=stranger, session_id=str(elsewhere))
    assert again.code == "already-checked-in"


async def test_an_organizer_names_the_staff_of_their_own_door(door: DoorApp) -> None:
    path = f"/sessions/{door.session_id}/staff"
    again = await door.assign({"user_id": str(door.staff)})
    assert (again.status, again.json["full_name"]) == (200, "王小明")
    listed = (await door.app.get(path, user=door.organizer)).json["staff"]
    assert [one["user_id"] for one in listed] == [str(door.staff)]
    customer, inactive = uuid4(), door.make_staff("gone@example.com")
    door.app.neighbours.inactive.add(inactive)
    door.app.neighbours.emails["buyer@example.com"] = customer
    for body in (
        {"email": "buyer@example.com"},
        {"email": "nobody@example.com"},
        {"email": "no address"},
        {"email": "gone@example.com"},
        {"user_id": str(customer)},
    ):
        refused = await door.assign(body)
        assert (refused.status, refused.code) == (422, "not-staff"), body
    for body in ({}, {"email": "door@example.com", "user_id": str(door.staff)}):
        assert (await door.assign(body)).status == 400
    rival = uuid4()
    door.app.token(rival, "organizer")
    assert (await door.assign({"email": "door@example.com"}, user=rival)).status == 404
    assert (await door.app.get(path, user=rival)).status == 404
    assert (await door.app.get(f"/sessions/{door.session_id}/check-ins", user=rival)).status == 404
    gone = await door.app.call("DELETE", f"{path}/{door.staff}", user=door.organizer)
    assert gone.status == 204
    gone = await door.app.call("DELETE", f"{path}/{door.staff}", user=door.organizer)
    assert gone.status == 404
    (ticket,) = await door.tickets(1)
    assert (await door.scan(ticket["code"])).code == "not-assigned"


async def test_an_answer_that_was_lost_is_given_again(door: DoorApp) -> None:
    one, other = await door.tickets(1, 2)
    answers = await at_once([door.scan(one["code"], key="k1", gate="A") for _ in range(4)])
    assert [answer.status for answer in answers] == [200] * 4
    assert len({answer.body for answer in answers}) == 1
    replays = [answer.headers.get("idempotency-replayed") for answer in answers]
    assert replays.count("true") == 3
    reused = await door.scan(other["code"], key="k1", gate="A")
    assert (reused.status, reused.code) == (422, "idempotency-key-reused")
    both = await at_once([door.scan(other["code"], key="k2"), door.scan(other["code"], key="k3")])
    assert sorted(answer.status for answer in both) == [200, 409]
    await is_sound(door.app)


async def test_the_door_stays_open_while_accounts_cannot_be_asked(door: DoorApp) -> None:
    (ticket,) = await door.tickets(1)
    door.just_started()
    door.app.neighbours.identity_is_away = True
    said = await door.scan(ticket["code"])
    assert (said.status, said.json["holder"]) == (200, None)


async def test_counts_by_area_and_gate_and_every_scan(door: DoorApp) -> None:
    tickets = await door.tickets(1, 2, 12, 23)  # three seats of an area, one standing place
    for ticket, gate in zip(tickets[1:], ("A", "B", "B"), strict=True):
        assert (await door.scan(ticket["code"], gate=gate)).status == 200
    await door.scan(tickets[1]["code"], gate="B")
    path = f"/sessions/{door.session_id}/check-ins"
    counted = (await door.app.get(f"{path}?page_size=2", user=door.staff)).json
    assert (counted["tickets"], counted["checked_in"], counted["total"]) == (4, 3, 4)
    by_area = {area["area"]: (area["tickets"], area["checked_in"]) for area in counted["areas"]}
    assert by_area == {"VIP A区": (3, 2), "内场站席": (1, 1)}
    assert {gate["gate"]: gate["checked_in"] for gate in counted["gates"]} == {"A": 1, "B": 2}
    latest = counted["check_ins"][0]
    assert (len(counted["check_ins"]), latest["admitted"], latest["gate"]) == (2, False, "B")
    assert (await door.app.get(path, user=door.organizer)).status == 200
    stranger = door.make_staff("stranger@example.com")
    assert (await door.app.get(path, user=stranger)).code == "not-assigned"
    assert (await door.app.get(f"/sessions/{uuid4()}/check-ins", user=door.staff)).status == 404


async def test_the_audit_sees_an_entry_that_nothing_explains(
    door: DoorApp, database_url: str
) -> None:
    first, second = await door.tickets(1, 2)
    assert (await door.scan(first["code"])).status == 200
    await is_sound(door.app)
    async with booking_tables(database_url) as tables:
        await tables.execute("UPDATE tickets SET status = 'valid' WHERE status = 'checked_in'")
        await tables.execute(
            "UPDATE tickets SET status = 'checked_in', checked_in_at = now() WHERE ticket_id = $1",
            second["ticket_id"],
        )
    findings = await audit_booking(door.app.services, looks_max=1)
    (broken,) = [finding for finding in findings if not finding.ok]
    assert broken.name == "entries_and_tickets_agree"
    assert len(broken.details) == 2
