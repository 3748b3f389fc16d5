"""Who may do what, and who never learns that a thing exists."""

import secrets
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import with_role
from tests.e2e.test_buyer import PAY, order_two
from tests.support.api import Answer, Api, Person
from tests.support.platform import RunningPlatform

EXTRA_FIELDS = ("price", "user_id", "status", "role", "roles", "total_amount", "organizer_id")


async def operations(api: Api) -> list[tuple[str, str, Any]]:
    document = (await api.get("/openapi.json")).json
    return [
        (method.upper(), path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in {"get", "post", "put", "patch", "delete"}
    ]


async def test_every_route_is_documented_in_words(api: Api) -> None:
    """And not by the name of a function, as the framework would have it."""
    summaries = {path: operation["summary"] for _, path, operation in await operations(api)}
    assert [f"{path}: {said}" for path, said in summaries.items() if " " not in said] == []


async def test_other_peoples_objects_are_not_found(
    api: Api, session: Any, organizer: Person
) -> None:
    """Two users × every {id} route of the OpenAPI document; a new route is covered by itself."""
    owner, stranger = await api.register(), await api.register()
    order = await order_two(api, owner, session)
    paid = await api.post(f"/orders/{order['order_id']}/pay", PAY, token=owner.token)
    assert paid.status == 200, paid
    one = [paid.json["tickets"][0]["ticket_id"]]
    path = f"/orders/{order['order_id']}/refund"
    refund = await api.post(path, {"reason": "ill", "ticket_ids": one}, token=owner.token)
    assert refund.status == 202, refund
    wanted = {"code": f"A-{secrets.token_hex(6)}", "kind": "percent", "value": 5}
    path = f"/shows/{session['show_id']}/promo-codes"
    promo_code = (await api.post(path, wanted, token=organizer.token)).json
    plan = await kept_plan(api, organizer, session)
    ids = {
        "order_id": order["order_id"],
        "refund_id": refund.json["refund_id"],
        "ticket_id": paid.json["tickets"][0]["ticket_id"],
        "show_id": session["show_id"],
        "session_id": session["session_id"],
        "venue_id": plan["venue_id"],
        "plan_id": plan["plan_id"],
        "promo_code_id": promo_code["promo_code_id"],
        "user_id": owner.user_id,
        "provider": "sandbox",
    }
    public = {"/shows/{", "/sessions/{"}
    tried = 0
    for method, path, operation in await operations(api):
        if "{" not in path or "webhook" in path or "/operations/" in path:
            continue  # these have tests of their own (test_webhooks.py, test_operations.py)
        if method == "GET" and any(start in path for start in public) and "promo" not in path:
            continue  # the catalog is everybody's
        concrete = path
        for name, value in ids.items():
            concrete = concrete.replace(f"{{{name}}}", value)
        assert "{" not in concrete, f"the test knows no id for {path}"
        tried += 1
        answer = await api.call(
            method, concrete, {} if "requestBody" in operation else None, token=stranger.token
        )
        assert answer.status in {400, 403, 404}, (method, path, answer)
        of_organizers = "promo" in path or "plans" in path  # customers have none at all: 403
        if method == "GET" and not of_organizers:
            assert (answer.status, answer.code) == (404, "not-found"), (method, path, answer)
        nobody = await api.call(method, concrete, {} if "requestBody" in operation else None)
        assert nobody.status in {401, 404}, (method, path, nobody)
    assert tried >= 8
    still = await api.get(f"/orders/{order['order_id']}", token=owner.token)
    assert still.json["status"] == "paid"


def kept_for_others(answer: Answer) -> bool:
    """Whether a cache may give it to whoever asks next with another token, or none (RFC 9111, 4.1)."""
    directives = {one.strip() for one in answer.headers["Cache-Control"].lower().split(",")}
    varies = answer.headers.get("Vary", "").lower()
    return "no-store" not in directives and "authorization" not in varies


async def test_what_is_answered_to_one_person_is_kept_for_no_other(
    api: Api, platform: RunningPlatform, session: Any, organizer: Person
) -> None:
    """Every GET of the OpenAPI document that tells somebody else another thing, or none at all."""
    owner, admin = await api.register(), await with_role(platform, api, "admin")
    order = await order_two(api, owner, session)
    paid = await api.post(f"/orders/{order['order_id']}/pay", PAY, token=owner.token)
    path = f"/orders/{order['order_id']}/refund"
    plan = await kept_plan(api, organizer, session)
    first, second = [ticket["ticket_id"] for ticket in paid.json["tickets"]]
    refund = await api.post(path, {"reason": "ill", "ticket_ids": [first]}, token=owner.token)
    ids = {
        "order_id": order["order_id"],
        "refund_id": refund.json["refund_id"],
        "ticket_id": second,
        "show_id": session["show_id"],
        "session_id": session["session_id"],
        "venue_id": plan["venue_id"],
        "plan_id": plan["plan_id"],
        "user_id": owner.user_id,
    }
    personal, wrong = set(), []
    for method, path, operation in await operations(api):
        if method != "GET" or "text/event-stream" in str(operation["responses"]["200"]):
            continue
        concrete = path.format_map(defaultdict(lambda: order["order_id"], ids))
        nobody = await api.get(concrete)
        for person in (owner, organizer, admin):
            answer = await api.get(concrete, token=person.token)
            if answer.status == 200 and answer.body != nobody.body:
                personal.add(path)
                if kept_for_others(answer):
                    wrong.append((path, dict(answer.headers)))
    assert wrong == []
    assert len(personal) >= 21, personal


async def test_no_body_takes_a_field_that_is_not_its_own(api: Api, organizer: Person) -> None:
    tried = 0
    for method, path, operation in await operations(api):
        if "requestBody" not in operation or "webhooks" in path:
            continue
        if "application/json" not in operation["requestBody"]["content"]:
            continue  # a file, which has no fields
        concrete = path
        for name in (
            *("order_id", "refund_id", "ticket_id", "show_id", "session_id"),
            *("promo_code_id", "venue_id", "plan_id"),
        ):
            concrete = concrete.replace(f"{{{name}}}", "01890000-0000-7000-8000-000000000000")
        for field in EXTRA_FIELDS:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            if field in str(schema):
                continue
            tried += 1
            answer = await api.call(method, concrete, {field: "1"}, token=organizer.token)
            assert answer.status in {400, 403, 404}, (method, path, field, answer)
    assert tried >= 20


async def test_a_logout_ends_access_in_every_service_at_once(api: Api, session: Any) -> None:
    buyer = await api.register()
    order = await order_two(api, buyer, session)
    ended = await api.post("/auth/logout", token=buyer.token)
    assert ended.status == 204, ended
    for path in ("/auth/me", "/orders", f"/orders/{order['order_id']}"):
        for _ in range(4):  # whichever web process answers
            answer = await api.get(path, token=buyer.token)
            assert answer.status == 401, (path, answer)
    body = {"session_id": session["session_id"], "seats": [1]}
    assert (await api.post("/orders", body, token=buyer.token)).status == 401
    stale = await api.post("/auth/refresh", {"refresh_token": buyer.refresh_token})
    assert stale.status == 401, stale


async def test_a_refresh_token_used_twice_ends_the_whole_family(api: Api) -> None:
    person = await api.register()
    first = await api.post("/auth/refresh", {"refresh_token": person.refresh_token})
    assert first.status == 200, first
    reused = await api.post("/auth/refresh", {"refresh_token": person.refresh_token})
    assert (reused.status, reused.code) == (401, "refresh-token-reused")
    access = await api.get("/auth/me", token=first.json["access_token"])
    assert access.status == 401, access
    heir = await api.post("/auth/refresh", {"refresh_token": first.json["refresh_token"]})
    assert heir.status == 401, heir


DOORS = {  # who may knock at all; 404 and 422 are answers from inside
    ("POST", "/check-ins"): {"staff", "admin"},
    ("POST", "/check-ins/batch"): {"staff", "admin"},
    ("GET", "/check-ins/sessions"): {"staff", "admin"},
    ("GET", "/sessions/{session_id}/check-ins"): {"staff", "organizer", "admin"},
    ("GET", "/sessions/{session_id}/check-in-list"): {"staff", "organizer", "admin"},
    ("GET", "/sessions/{session_id}/staff"): {"organizer", "admin"},
    ("POST", "/sessions/{session_id}/staff"): {"organizer", "admin"},
    ("DELETE", "/sessions/{session_id}/staff/{user_id}"): {"organizer", "admin"},
}


async def test_who_may_stand_at_a_door_and_who_may_say_so(
    api: Api, platform: RunningPlatform, session: Any, organizer: Person
) -> None:
    """Role × route; a route at the door that is not listed here fails."""
    people = {role: await with_role(platform, api, role) for role in ("staff", "admin")}
    people |= {"organizer": organizer, "customer": await api.register()}
    ids = {"session_id": session["session_id"], "user_id": people["staff"].user_id}
    there = {
        (method, path.removeprefix("/api/v1"))
        for method, path, _ in await operations(api)
        if any(word in path for word in ("check-in", "/staff"))
    }
    assert there == set(DOORS)
    for (method, path), allowed in DOORS.items():
        for role, person in people.items():
            answer = await api.call(
                method, path.format(**ids), {} if method == "POST" else None, token=person.token
            )
            refused = answer.status == 403 and answer.code == "forbidden"
            assert refused == (role not in allowed), (method, path, role, answer)
    keys = await api.get("/tickets/keys")
    assert (keys.status, len(keys.json["keys"])) == (200, 1)


OWNED = {  # an organizer's own and an admin's; a route with roles that is not listed fails
    *(("GET", "/venues"), ("POST", "/venues")),
    *(("PATCH", "/venues/{venue_id}"), ("DELETE", "/venues/{venue_id}")),
    ("POST", "/venues/{venue_id}/plans"),
    *(("PUT", "/plans/{plan_id}"), ("DELETE", "/plans/{plan_id}")),
    ("POST", "/shows"),
    *(("PATCH", "/shows/{show_id}"), ("DELETE", "/shows/{show_id}")),
    ("POST", "/shows/{show_id}/sessions"),
    *(("GET", "/shows/{show_id}/promo-codes"), ("POST", "/shows/{show_id}/promo-codes")),
    *(("PATCH", "/sessions/{session_id}"), ("DELETE", "/sessions/{session_id}")),
    *(("POST", f"/sessions/{{session_id}}/{act}") for act in ("publish", "block", "unblock")),
    ("POST", "/sessions/{session_id}/cancel"),
    ("GET", "/sessions/{session_id}/cancellation"),
    *(("GET", f"/sessions/{{session_id}}/{what}") for what in ("orders", "attendees", "sales")),
}


SHARED = {  # every organizer's to read, as venues are
    ("GET", "/venues/{venue_id}/plans"),
    *(("GET", "/plans/{plan_id}"), ("GET", "/plans/{plan_id}/hall")),
    ("GET", "/plans/{plan_id}/sections"),
}
# Their bodies are no JSON; tests/integration/catalog/plans/test_plan_files.py says whose they are.
FILES = {("PUT", "/plans/{plan_id}/sections"), ("PUT", "/plans/{plan_id}/outlines")}


async def kept_plan(api: Api, organizer: Person, session: Any) -> Any:
    """A plan that the session's venue keeps."""
    venue_id = (await api.get(f"/shows/{session['show_id']}")).json["venue_id"]
    corners = [[0, 0], [9, 0], [9, 9], [0, 9]]
    floor = {"key": "floor", "name": "Floor", "kind": "standing", "capacity": 5, "outline": corners}
    plan = {"version": 1, "name": "Club", "focal_point": [0, 0], "sections": [floor]}
    made = await api.post(f"/venues/{venue_id}/plans", plan, token=organizer.token)
    assert made.status == 201, made
    return made.json


async def test_what_is_an_organizers_is_nobody_elses(
    api: Api, platform: RunningPlatform, session: Any, organizer: Person
) -> None:
    """Role × route: others by role are refused, another organizer finds nothing, an admin sees all."""
    outsiders = [await api.register(), await with_role(platform, api, "staff")]
    foreign = await with_role(platform, api, "organizer")
    admin = await with_role(platform, api, "admin")
    plan = await kept_plan(api, organizer, session)
    ids = {
        "session_id": session["session_id"],
        "show_id": session["show_id"],
        "venue_id": plan["venue_id"],
        "plan_id": plan["plan_id"],
    }
    there = {
        (method, path.removeprefix("/api/v1"))
        for method, path, operation in await operations(api)
        if "403" in operation["responses"]
        and path.split("/")[3] in {"venues", "plans", "shows", "sessions"}
    }
    assert there - set(DOORS) == OWNED | SHARED | FILES
    for method, path in OWNED | SHARED:
        at = path.format(**ids)
        body = None if method in {"GET", "DELETE"} else BODIES.get(path, {})
        for person in outsiders:
            answer = await api.call(method, at, body, token=person.token)
            assert (answer.status, answer.code) == (403, "forbidden"), (method, path, answer)
        assert (await api.call(method, at, body)).status == 401
        if "{" not in path:
            continue
        answer = await api.call(method, at, body, token=foreign.token)
        if (method, path) in SHARED:
            assert answer.status == 200, (path, answer)
        else:
            assert (answer.status, answer.code) == (404, "not-found"), (method, path, answer)
        if method == "GET" and "cancellation" not in path:
            for person in (organizer, admin):
                for accept in ("application/json", "text/csv"):
                    answer = await api.get(at, token=person.token, headers={"Accept": accept})
                    assert answer.status == 200, (path, answer)


BODIES: dict[str, Any] = {  # what is right, where a wrong body would be refused before its sender
    "/shows/{show_id}/sessions": {
        "starts_at": "2031-05-01T11:30:00Z",
        "sale_opens_at": "2031-01-01T00:00:00Z",
        "sale_closes_at": "2031-05-01T00:00:00Z",
        "currency": "CNY",
        "areas": [{"name": "x", "kind": "standing", "price": 1, "capacity": 1}],
    },
    "/shows/{show_id}/promo-codes": {"code": "NOT-MINE", "kind": "percent", "value": 5},
    "/sessions/{session_id}/block": {"seats": [1]},
    "/sessions/{session_id}/unblock": {"seats": [1]},
    "/sessions/{session_id}/cancel": {"reason": "x"},
}


async def test_an_organizer_reads_the_sale_of_their_own_session(
    api: Api, session: Any, organizer: Person
) -> None:
    """Through the gateway, in either composition: names come from identity, tickets from booking."""
    buyer = await api.register(full_name="=王小明")
    order = await order_two(api, buyer, session)
    paid = await api.post(f"/orders/{order['order_id']}/pay", PAY, token=buyer.token)
    assert paid.status == 200, paid
    base = f"/sessions/{session['session_id']}"
    orders = await api.get(f"{base}/orders?status=paid", token=organizer.token)
    mine = next(one for one in orders.json["orders"] if one["order_id"] == order["order_id"])
    assert mine["buyer"] == {"user_id": buyer.user_id, "name": "=王小明", "email": buyer.email}
    csv = {"Accept": "text/csv"}
    file = await api.get(f"{base}/attendees", token=organizer.token, headers=csv)
    assert (file.status, file.headers["Cache-Control"]) == (200, "no-store")
    assert "Accept" in file.headers["Vary"]
    assert file.headers["Content-Disposition"].startswith('attachment; filename="attendees-')
    rows = file.body.decode().splitlines()
    assert sum(f"{mine['order_no']},valid,'=王小明,{buyer.email}" in row for row in rows) == 2
    sales = (await api.get(f"{base}/sales", token=organizer.token)).json
    assert sales["sold"] >= 2
    assert sales["revenue"] >= order["total_amount"]
    first = await api.get(f"{base}/attendees?page_size=1", token=organizer.token, headers=csv)
    link = first.headers["Link"].partition(">")[0][1:]
    rest = await api.get(link, token=organizer.token, headers=csv)
    assert "header=absent" in rest.headers["Content-Type"]
    assert len(rest.body.decode().splitlines()) == 1


async def test_a_bought_ticket_opens_the_door_its_organizer_gave_away(
    api: Api, platform: RunningPlatform, session: Any, organizer: Person
) -> None:
    buyer, staff = await api.register(full_name="王小明"), await with_role(platform, api, "staff")
    order = await order_two(api, buyer, session)
    paid = await api.post(f"/orders/{order['order_id']}/pay", PAY, token=buyer.token)
    ticket_id = paid.json["tickets"][0]["ticket_id"]
    ticket = (await api.get(f"/tickets/{ticket_id}", token=buyer.token)).json
    link = urlsplit(ticket["pdf"])
    pdf = await api.get(f"{api.base_url}{link.path}?{link.query}")
    assert (pdf.status, pdf.headers["Content-Type"]) == (200, "application/pdf")
    scan = {"code": ticket["code"], "gate": "南门", "session_id": session["session_id"]}
    refused = await api.post("/check-ins", scan, token=staff.token)
    assert (refused.status, refused.code) == (403, "not-assigned")
    path = f"/sessions/{session['session_id']}/staff"
    named = await api.post(path, {"email": staff.email.upper()}, token=organizer.token)
    assert named.status == 201, named
    unnamed = await api.post("/check-ins", {"code": ticket["code"]}, token=staff.token)
    assert (unnamed.status, unnamed.code) == (409, "wrong-session")  # it is in a month
    assert unnamed.json["session_id"] == session["session_id"]
    offered = (await api.get("/check-ins/sessions", token=staff.token)).json["sessions"]
    assert [one["session_id"] for one in offered] == [session["session_id"]]
    let_in = await api.post("/check-ins", scan, token=staff.token)
    assert (let_in.status, let_in.json["holder"]) == (200, "王小明")
    again = await api.post("/check-ins", scan, token=staff.token)
    assert (again.status, again.code, again.json["gate"]) == (409, "already-checked-in", "南门")


async def test_a_customer_organizes_nothing(api: Api, session: Any) -> None:
    customer = await api.register()
    venue = {"name": "x", "city": "x", "address": "x", "time_zone": "Asia/Shanghai"}
    refused = await api.post("/venues", venue, token=customer.token)
    assert (refused.status, refused.code) == (403, "forbidden")
    path = f"/sessions/{session['session_id']}/publish"
    assert (await api.post(path, token=customer.token)).status in {403, 404}


INTERNAL = (
    "/internal/openapi.json",
    "/internal/revoked-logins",
    "/internal/events",
    "/api/v1/../internal/openapi.json",
    "/api/v1/%2e%2e/internal/openapi.json",
    "//internal/openapi.json",
    "/booking/metrics",
)


@pytest.mark.parametrize("path", INTERNAL)
async def test_nothing_internal_is_reachable(api: Api, path: str) -> None:
    answer = await api.get(f"{api.base_url}{path}")
    assert answer.status in {400, 404}, answer
    assert answer.code
