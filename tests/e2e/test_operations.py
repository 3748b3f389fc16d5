"""On the night: what an operator does through the gateway, in either composition, and who may not."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from chassis.ids import uuid7
from tests.e2e.conftest import with_role
from tests.e2e.test_access import operations
from tests.e2e.test_buyer import order_two
from tests.support.api import Answer, Api, Person
from tests.support.platform import RunningPlatform

WHY = {"reason": "闸机坏了; the turnstiles failed"}
SHOWN_WITHIN_S = 15.0


@pytest.fixture
async def operator(platform: RunningPlatform, api: Api) -> Person:
    return await with_role(platform, api, "operator")


async def shown(api: Api, path: str, wanted: dict[str, Any]) -> Any:
    """The answer once it has these values: events need a moment."""
    async with asyncio.timeout(SHOWN_WITHIN_S):
        while True:
            answer = (await api.get(path)).json
            if wanted.items() <= answer.items():
                return answer
            await asyncio.sleep(0.1)


async def test_an_operator_pauses_limits_and_resumes_a_sale_and_buyers_see_it(
    api: Api, session: Any, operator: Person
) -> None:
    session_id, buyer = session["session_id"], await api.register()
    base, public = f"/operations/sessions/{session_id}", f"/sessions/{session_id}"
    assert session["paused"] is False
    held = await order_two(api, buyer, session)
    paused = await api.post(f"{base}/pause", WHY, token=operator.token)
    assert (paused.status, paused.json["paused"]) == (200, True)
    for n in range(6):  # whichever process answers
        body = {"session_id": session_id, "seats": [n + 20]}
        refused = await api.post("/orders", body, token=buyer.token)
        assert (refused.status, refused.code) == (409, "sale-paused"), refused
    pay = {"payment_method": "card", "payment_token": "tok_ok"}
    paid = await api.post(f"/orders/{held['order_id']}/pay", pay, token=buyer.token)
    assert paid.status == 200, paid
    await shown(api, public, {"paused": True, "status": "on_sale"})
    limits = {"max_tickets_per_user": 3} | WHY
    limited = await api.call("PATCH", f"{base}/limits", limits, token=operator.token)
    assert limited.json["limits"] == {"max_tickets_per_user": 3, "orders_per_second": None}
    await shown(api, public, {"paused": True, "max_tickets_per_user": 3})
    assert (await api.get(f"{base}/sale", token=operator.token)).json == limited.json
    assert (await api.post(f"{base}/resume", WHY, token=operator.token)).status == 200
    await shown(api, public, {"paused": False, "max_tickets_per_user": 3})
    body = {"session_id": session_id, "seats": [23, 24]}
    greedy = await api.post("/orders", body, token=buyer.token)
    assert (greedy.status, greedy.code) == (409, "ticket-limit-reached"), greedy
    done = await api.get("/operations/actions?limit=3", token=operator.token)
    mine = [one for one in done.json["items"] if one["session_id"] == session_id]
    assert [one["action"] for one in mine] == ["resume", "limits", "pause"]
    assert {(one["by_email"], one["reason"]) for one in mine} == {(operator.email, WHY["reason"])}


async def put_aside(platform: RunningPlatform, schema: str, error: str, years: int) -> str:
    """A dead letter, older than any other: an event that its consumer will ignore."""
    event_id = uuid7()
    event = {
        "id": str(event_id), "type": "stampede.order.completed.v1", "source": "booking",
        "subject": str(event_id), "time": "2026-01-01T00:00:00Z", "requestid": "req-1", "data": {},
    }  # fmt: skip
    url = platform.environ["STAMPEDE_DATABASE_URL"]
    tables = await asyncpg.connect(url, server_settings={"search_path": schema})
    try:
        await tables.execute(
            "INSERT INTO dead_letters (event_id, event, reason, attempts, first_failed)"
            " VALUES ($1, $2::jsonb, $3, 8, now() - make_interval(years => $4))",
            event_id, json.dumps(event), error, years,
        )  # fmt: skip
    finally:
        await tables.close()
    return str(event_id)


async def test_dead_letters_of_all_services_are_one_list_and_are_sent_back_on_the_record(
    api: Api, platform: RunningPlatform, operator: Person
) -> None:
    token, error = operator.token, "ValueError: no room for wang@example.com"
    first = await put_aside(platform, "notification", error, 30)
    second = await put_aside(platform, "catalog", error, 20)
    page = (await api.get("/operations/dead-letters?limit=1", token=token)).json
    assert page["unavailable"] == []
    (letter,) = page["items"]
    assert letter == {
        "service": "notification", "consumer": "notification", "event_id": first,
        "type": "stampede.order.completed.v1", "attempts": 8, "state": "dead",
        "error": "ValueError: no room for [redacted]", "first_failed_at": letter["first_failed_at"],
    }  # fmt: skip
    after = f"/operations/dead-letters?limit=1&cursor={page['next_cursor']}"
    assert (await api.get(after, token=token)).json["items"][0]["event_id"] == second
    for wrong in (f"catalog/catalog/{first}", f"booking/booking/{first}", f"catalog/x/{second}"):
        refused = await api.post(f"/operations/dead-letters/{wrong}/retry", WHY, token=token)
        assert (refused.status, refused.code) == (404, "not-found"), wrong
    for service, event_id in (("notification", first), ("catalog", second)):
        path = f"/operations/dead-letters/{service}/{service}/{event_id}/retry"
        assert (await api.post(path, {}, token=token)).status == 400
        sent = await api.post(path, WHY, token=token)
        assert (sent.status, sent.json["state"], sent.json["attempts"]) == (200, "waiting", 0)
    done = (await api.get("/operations/actions?limit=2", token=token)).json["items"]
    assert [one["action"] for one in done] == ["retry", "retry"]
    assert done[0]["subject"] == f"catalog/catalog/{second}"
    assert (done[0]["before"]["state"], done[0]["after"]["state"]) == ("dead", "waiting")
    async with asyncio.timeout(SHOWN_WITHIN_S):  # the worker has applied them
        left = {first, second}
        while left:
            listed = (await api.get("/operations/dead-letters", token=token)).json["items"]
            left &= {one["event_id"] for one in listed}
            await asyncio.sleep(0.2)
    for wrong in ("?cursor=x", "?cursor=1_2_3", "?cursor=1_" + "-" * 36 + "_catalog"):
        refused = await api.get(f"/operations/dead-letters{wrong}", token=token)
        assert (refused.status, refused.code) == (400, "validation-failed"), wrong


async def test_a_request_is_followed_as_a_waterfall_where_it_left_its_lines(
    api: Api, session: Any, operator: Person
) -> None:
    buyer, request_id = await api.register(), f"night-{uuid7()}"
    body = {"session_id": session["session_id"], "seats": [1, 2]}
    headers = {"X-Request-ID": request_id}
    placed = await api.post("/orders", body, token=buyer.token, headers=headers)
    assert placed.status == 201, placed
    path = f"/operations/traces/{request_id}"
    async with asyncio.timeout(2 * SHOWN_WITHIN_S):  # lines are written a moment later
        while True:
            trace = (await api.get(path, token=operator.token)).json
            if any(span["service"] == "gateway" for span in trace["spans"]):
                break
            await asyncio.sleep(1)
    assert trace["request_id"] == request_id
    assert trace["order_no"] == placed.json["order_no"]
    assert (trace["complete"], trace["not_available"]) == (True, None)
    whole = next(span for span in trace["spans"] if span["name"] == "POST /api/v1/orders")
    assert (whole["service"], whole["status"], whole["depth"]) == ("gateway", "201", 0)
    assert {"booking", "catalog", "identity"} <= {span["service"] for span in trace["spans"]}
    assert buyer.email not in str(trace)
    unknown = await api.get("/operations/traces/nobody-sent-this", token=operator.token)
    assert unknown.json["spans"] == []
    assert "stampede trace nobody-sent-this -" in unknown.json["not_available"]
    recent = await api.get("/operations/traces", token=operator.token)
    assert (recent.status, recent.json["not_available"]) == (200, None)
    assert all(one["status"].isdigit() for one in recent.json["items"])
    for wrong in ("x" * 65, "a%20b", "--html=x"):
        refused = await api.get(f"/operations/traces/{wrong}", token=operator.token)
        assert refused.status in {400, 404}, wrong


IDS = {
    "request_id": "nobody-sent-this",
    **dict.fromkeys(("session_id", "event_id"), "01890000-0000-7000-8000-000000000000"),
    **dict.fromkeys(("service", "consumer"), "catalog"),
}


async def every_operation(api: Api) -> list[tuple[str, str, Any]]:
    """Method, concrete path, and a body where one is wanted."""
    found = [
        (method, path.format(**IDS), {} if "requestBody" in operation else None)
        for method, path, operation in await operations(api)
        if path.startswith("/api/v1/operations/")
        and "text/event-stream" not in str(operation["responses"].get("200"))
    ]
    assert len(found) >= 8
    return found


async def test_operations_are_nobody_elses(
    api: Api, platform: RunningPlatform, organizer: Person, operator: Person
) -> None:
    """Role × route, from the OpenAPI document: a new route is covered by itself."""
    others = [await api.register(), organizer, await with_role(platform, api, "staff")]
    admin = await with_role(platform, api, "admin")
    for method, path, body in await every_operation(api):
        nobody = await api.call(method, path, body)
        assert (nobody.status, nobody.code) == (401, "unauthenticated"), (method, path, nobody)
        for person in others:
            answer = await api.call(method, path, body, token=person.token)
            assert (answer.status, answer.code) == (403, "forbidden"), (method, path, answer)
        for person in (operator, admin):
            answer = await api.call(method, path, body, token=person.token)
            assert answer.status not in {401, 403, 500}, (method, path, answer)


async def test_an_operator_has_no_rights_of_others(
    api: Api, session: Any, operator: Person
) -> None:
    buyer = await api.register()
    order = await order_two(api, buyer, session)

    async def ask(method: str, path: str, body: Any = None) -> Answer:
        return await api.call(method, path, body, token=operator.token)

    base = f"/sessions/{session['session_id']}"
    for method, path, body in (
        *(
            ("GET", f"{base}/{what}", None)
            for what in ("orders", "attendees", "sales", "check-ins")
        ),
        ("POST", f"{base}/cancel", {"reason": "x"}),
        ("POST", f"{base}/block", {"seats": [1]}),
        ("POST", "/venues", {}),
        ("GET", "/webhook-endpoints", None),
        ("POST", "/check-ins", {}),
    ):
        answer = await ask(method, path, body)
        assert (answer.status, answer.code) == (403, "forbidden"), (method, path, answer)
    assert (await ask("GET", f"/orders/{order['order_id']}")).status == 404
    assert (await ask("GET", "/orders")).json["orders"] == []


async def test_what_cannot_be_steered_is_refused_in_words(api: Api, operator: Person) -> None:
    unknown = IDS["session_id"]
    for method, path, body, status in (
        ("POST", f"/operations/sessions/{unknown}/pause", WHY, 404),
        ("GET", f"/operations/sessions/{unknown}/sale", None, 404),
        ("POST", "/operations/sessions/not-an-id/pause", WHY, 404),
        ("POST", f"/operations/sessions/{unknown}/pause", {}, 400),
        ("POST", f"/operations/sessions/{unknown}/pause", {"reason": "x" * 501}, 400),
        ("POST", f"/operations/sessions/{unknown}/pause", WHY | {"by": "me"}, 400),
        ("GET", "/operations/actions?cursor=garbage", None, 400),
        ("GET", "/operations/nothing", None, 404),
        ("DELETE", f"/operations/sessions/{unknown}/sale", None, 405),
    ):
        answer = await api.call(method, path, body, token=operator.token)
        assert answer.status == status, (method, path, answer)
        assert answer.json["request_id"]
