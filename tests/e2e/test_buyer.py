"""The way of a buyer, through the gateway, on real servers."""

import asyncio
import time
from typing import Any

from tests.support.api import Api, Person
from tests.support.platform import RunningPlatform

PAY = {"payment_method": "alipay", "payment_token": "tok_ok"}


async def order_two(api: Api, buyer: Person, session: Any, **how: Any) -> Any:
    area = session["seat_areas"][0]["area_id"]
    body = {"session_id": session["session_id"], "seat_area_id": area, "quantity": 2}
    made = await api.post("/orders", body, token=buyer.token, **how)
    assert made.status == 201, made
    return made.json


async def eventually(check: Any, *, within_s: float = 8.0) -> Any:
    """The first true answer of an async check; fails after the deadline."""
    deadline = time.monotonic() + within_s
    while True:
        found = await check()
        if found:
            return found
        assert time.monotonic() < deadline, f"still {found!r} after {within_s} s"
        await asyncio.sleep(0.05)


async def test_a_buyer_registers_orders_pays_and_holds_tickets(api: Api, session: Any) -> None:
    buyer = await api.register(full_name="王小明", email=f"wang-{time.time_ns()}@example.com")
    order = await order_two(api, buyer, session)
    assert order["status"] == "pending_payment"
    assert order["total_amount"] == 2 * 128_000
    assert order["currency"] == "CNY"
    assert order["order_no"]
    first, second = order["items"]
    assert first["row"] == second["row"] == "1"
    assert second["number"] == first["number"] + 1

    paid = await api.post(f"/orders/{order['order_id']}/pay", PAY, token=buyer.token)
    assert paid.status == 200, paid
    assert paid.json["status"] == "paid"
    tickets = paid.json["tickets"]
    assert {one["seat_id"] for one in tickets} == {first["seat_id"], second["seat_id"]}

    for ticket in tickets:
        whole = await api.get(f"/tickets/{ticket['ticket_id']}", token=buyer.token)
        assert whole.status == 200, whole
        svg = await api.get(f"/tickets/{ticket['ticket_id']}/qr.svg", token=buyer.token)
        assert svg.headers["Content-Type"].startswith("image/svg+xml")
        assert b"<svg" in svg.body
        png = await api.get(ticket["qr_code"])  # as a mail client opens it: nobody is logged in
        assert (png.status, png.body[:8]) == (200, b"\x89PNG\r\n\x1a\n")

    again = await api.get(f"/orders/{order['order_id']}", token=buyer.token)
    assert again.json["status"] == "paid"
    history = await api.get(f"/orders/{order['order_id']}/events", token=buyer.token)
    types = [event["type"] for event in history.json["events"]]
    assert types.index("stampede.order.created.v1") < types.index("stampede.order.paid.v1")
    mine = await api.get("/orders?status=paid", token=buyer.token)
    assert [one["order_id"] for one in mine.json["orders"]] == [order["order_id"]]
    assert mine.json["total"] == 1


async def test_exactly_these_seats_or_none(api: Api, session: Any) -> None:
    plan = await api.get(f"/sessions/{session['session_id']}/seat-map")
    row = plan.json["areas"][0]["rows"][2]["seats"]
    wanted = [row[4]["seat_id"], row[5]["seat_id"]]
    one, two = await api.register(), await api.register()
    body = {"session_id": session["session_id"], "seats": wanted}
    made = await api.post("/orders", body, token=one.token)
    assert made.status == 201, made
    assert sorted(item["seat_id"] for item in made.json["items"]) == wanted
    body = {"session_id": session["session_id"], "seats": [wanted[1], row[6]["seat_id"]]}
    refused = await api.post("/orders", body, token=two.token)
    assert (refused.status, refused.code) == (409, "seats-taken")
    assert refused.json["seats"] == [wanted[1]]


async def test_a_cancelled_orders_seats_are_sold_again_at_once(api: Api, session: Any) -> None:
    one, two = await api.register(), await api.register()
    order = await order_two(api, one, session)
    seats = [item["seat_id"] for item in order["items"]]
    cancelled = await api.post(f"/orders/{order['order_id']}/cancel", token=one.token)
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    again = await order_two(api, two, session)
    assert [item["seat_id"] for item in again["items"]] == seats
    late = await api.post(f"/orders/{order['order_id']}/pay", PAY, token=one.token)
    assert late.status == 409, late


async def test_a_declined_payment_leaves_the_order_payable(api: Api, session: Any) -> None:
    buyer = await api.register()
    order = await order_two(api, buyer, session)
    path = f"/orders/{order['order_id']}/pay"
    declined = await api.post(path, PAY | {"payment_token": "tok_declined"}, token=buyer.token)
    assert (declined.status, declined.code) == (402, "payment-declined")
    paid = await api.post(path, PAY, token=buyer.token)
    assert (paid.status, paid.json["status"]) == (200, "paid")
    twice = await api.post(path, PAY, token=buyer.token)
    assert (twice.status, twice.code) == (409, "order-not-payable")


async def test_nobody_passes_the_cap(api: Api, session: Any) -> None:
    buyer = await api.register()
    for _ in range(3):
        await order_two(api, buyer, session)
    body = {
        "session_id": session["session_id"],
        "seat_area_id": session["seat_areas"][0]["area_id"],
        "quantity": 1,
    }
    refused = await api.post("/orders", body, token=buyer.token)
    assert (refused.status, refused.code) == (409, "ticket-limit-reached")


async def test_an_idempotency_key_makes_one_order(api: Api, session: Any) -> None:
    buyer = await api.register()
    key = {"Idempotency-Key": "one-intention"}
    first = await order_two(api, buyer, session, headers=key)
    body = {
        "session_id": session["session_id"],
        "seat_area_id": session["seat_areas"][0]["area_id"],
        "quantity": 2,
    }
    replay = await api.post("/orders", body, token=buyer.token, headers=key)
    assert (replay.status, replay.headers["Idempotency-Replayed"]) == (201, "true")
    assert replay.json == first
    other = await api.post("/orders", body | {"quantity": 1}, token=buyer.token, headers=key)
    assert (other.status, other.code) == (422, "idempotency-key-reused")
    stranger = await api.register()
    theirs = await api.post("/orders", body, token=stranger.token, headers=key)
    assert theirs.status == 201
    assert theirs.json["order_id"] != first["order_id"]


async def test_clicking_at_once_with_one_key_makes_one_order(api: Api, session: Any) -> None:
    buyer = await api.register()
    body = {
        "session_id": session["session_id"],
        "seat_area_id": session["seat_areas"][0]["area_id"],
        "quantity": 1,
    }
    key = {"Idempotency-Key": "clicked"}
    clicks = [api.post("/orders", body, token=buyer.token, headers=key) for _ in range(20)]
    answers = await asyncio.gather(*clicks)
    assert {answer.status for answer in answers} <= {201, 409}
    assert {a.code for a in answers if a.status == 409} <= {"idempotency-in-flight"}
    assert len({a.json["order_id"] for a in answers if a.status == 201}) == 1
    mine = await api.get("/orders", token=buyer.token)
    assert mine.json["total"] == 1


async def test_a_standing_area_sells_places(api: Api, session: Any) -> None:
    buyer = await api.register()
    area = session["seat_areas"][1]
    body = {"session_id": session["session_id"], "seat_area_id": area["area_id"], "quantity": 4}
    made = await api.post("/orders", body, token=buyer.token)
    assert made.status == 201, made
    assert made.json["total_amount"] == 4 * 68_000


async def test_availability_and_live_state_follow_orders(api: Api, session: Any) -> None:
    buyer = await api.register()
    path = f"/sessions/{session['session_id']}"
    before = await api.get(f"{path}/seats")
    order = await order_two(api, buyer, session)

    async def moved() -> bool:
        now = await api.get(path)
        return bool(now.json["seat_areas"][0]["available"] == 48)

    await eventually(moved, within_s=5.0)
    plan = await api.get(f"{path}/seat-map")
    ids = [
        seat["seat_id"]
        for area in plan.json["areas"]
        for row in area["rows"]
        for seat in row["seats"]
    ]
    after = await api.get(f"{path}/seats")
    assert len(after.json["seats"]) == len(ids) == 90
    assert after.json["version"] > before.json["version"]
    held = {seat for seat, mark in zip(ids, after.json["seats"], strict=True) if mark == "h"}
    assert held == {item["seat_id"] for item in order["items"]}
    same = await api.get(f"{path}/seats", headers={"If-None-Match": after.headers["ETag"]})
    assert (same.status, same.body) == (304, b"")


async def test_mails_follow_in_the_buyers_language(
    api: Api, session: Any, platform: RunningPlatform
) -> None:
    buyer = await api.register()
    await api.call("PATCH", "/auth/me", {"locale": "en"}, token=buyer.token)
    order = await order_two(api, buyer, session)
    await api.post(f"/orders/{order['order_id']}/pay", PAY, token=buyer.token)

    async def mails() -> Any:
        box = await api.get(f"/dev/mailbox.json?to={buyer.email}")
        return box.json["mails"] if len(box.json["mails"]) >= 2 else None

    found = await eventually(mails, within_s=15.0)
    subjects = " / ".join(one["subject"] for one in found)
    assert order["order_no"] in subjects


async def test_one_request_is_followed_through_every_log(
    api: Api, session: Any, platform: RunningPlatform
) -> None:
    buyer = await api.register()
    request_id = f"trace-{time.time_ns()}"
    await order_two(api, buyer, session, headers={"X-Request-ID": request_id})

    async def services() -> set[str]:
        logs = platform.data_dir.glob("logs/*.log")
        found = {log.stem for log in logs if f"[{request_id}]" in log.read_text(errors="replace")}
        return found if found >= {"gateway", "booking", "notification"} else set()

    await eventually(services, within_s=15.0)
