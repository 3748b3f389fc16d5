"""Bad input gets its answer, as problem+json with a stable code, and leaves nothing behind."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.api import Api, Person, publish_session

UNKNOWN = "01890000-0000-7000-8000-000000000000"


def best(session: Any, quantity: Any) -> dict[str, Any]:
    area = session["seat_areas"][0]["area_id"]
    return {"session_id": session["session_id"], "seat_area_id": area, "quantity": quantity}


@pytest.mark.parametrize("quantity", [0, -1, 10**9, "2", 1.5, None, True, [], 10**40])
async def test_a_quantity_that_is_none_names_the_field(
    api: Api, session: Any, quantity: Any
) -> None:
    buyer = await api.register()
    answer = await api.post("/orders", best(session, quantity), token=buyer.token)
    assert (answer.status, answer.code) == (400, "validation-failed")
    assert answer.json["errors"][0]["field"] == "quantity"
    assert (await api.get("/orders", token=buyer.token)).json["total"] == 0


async def test_seats_that_make_no_sense_are_refused_whole(
    api: Api, session: Any, organizer: Person
) -> None:
    buyer = await api.register()
    plan = (await api.get(f"/sessions/{session['session_id']}/seat-map")).json
    seat = plan["areas"][0]["rows"][0]["seats"][0]["seat_id"]
    sent = {"session_id": session["session_id"]}
    for seats in ([seat, seat], [], [0], [-1], [10**9], list(range(1, 30)), ["1"], [seat, 10**7]):
        answer = await api.post("/orders", sent | {"seats": seats}, token=buyer.token)
        assert answer.status in {400, 404}, (seats, answer)
        assert answer.code
    both = best(session, 1) | {"seats": [seat]}
    assert (await api.post("/orders", both, token=buyer.token)).status == 400
    assert (await api.post("/orders", sent, token=buyer.token)).status == 400
    elsewhere = await publish_session(api, organizer.token)
    foreign = best(session, 1) | {"session_id": elsewhere["session_id"]}
    assert (await api.post("/orders", foreign, token=buyer.token)).status in {400, 404}
    nowhere = best(session, 1) | {"session_id": UNKNOWN}
    assert (await api.post("/orders", nowhere, token=buyer.token)).status == 404
    assert (await api.get("/orders", token=buyer.token)).json["total"] == 0
    live = await api.get(f"/sessions/{session['session_id']}/seats")
    assert set(live.json["seats"]) == {"."}


@pytest.mark.parametrize(
    ("raw", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"session_id": "\xff"}', "application/json", 400),
        (b"[" * 20_000, "application/json", 400),
        (b"session_id=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b" " * 10_000_000, "application/json", 413),
    ],
    ids=["cut", "empty", "utf8", "deep", "form", "text", "10MB"],
)
async def test_a_body_that_is_none_is_refused(
    api: Api, raw: bytes, content_type: str, status: int
) -> None:
    buyer = await api.register()
    answer = await api.post(
        "/orders", token=buyer.token, raw=raw, headers={"Content-Type": content_type}
    )
    assert answer.status == status, answer
    assert answer.code
    assert answer.json["request_id"] == answer.headers["X-Request-ID"]


@pytest.mark.parametrize("token", ["x", "eyJhbGciOiJub25lIn0.e30.", "a.b.c", "ÿ", "x" * 6000])
async def test_a_token_that_is_none_is_refused(api: Api, token: str) -> None:
    answer = await api.get("/orders", headers={"Authorization": f"Bearer {token}"})
    assert answer.status in {400, 401}, answer
    assert answer.code


async def test_sales_not_open_or_closed_say_so(api: Api, organizer: Person) -> None:
    buyer = await api.register()
    now = datetime.now(UTC)
    windows = {
        "sale-not-open": (now + timedelta(hours=1), now + timedelta(hours=2)),
        "sale-closed": (now - timedelta(hours=2), now - timedelta(hours=1)),
    }
    for code, (opens, closes) in windows.items():
        window = {"sale_opens_at": opens.isoformat(), "sale_closes_at": closes.isoformat()}
        session = await publish_session(api, organizer.token, **window)
        answer = await api.post("/orders", best(session, 1), token=buyer.token)
        assert (answer.status, answer.code) == (409, code)


async def test_what_is_not_there_is_a_problem_too(api: Api) -> None:
    buyer = await api.register()
    for method, path in [
        ("GET", "/nothing"),
        ("GET", f"/orders/{UNKNOWN}"),
        ("GET", "/orders/no-uuid"),
        ("GET", f"/shows/{UNKNOWN}"),
        ("GET", f"/tickets/{UNKNOWN}"),
        ("POST", f"/orders/{UNKNOWN}/cancel"),
    ]:
        answer = await api.call(method, path, token=buyer.token)
        assert (answer.status, answer.code) == (404, "not-found"), (method, path)
    wrong = await api.call("DELETE", "/shows")
    assert (wrong.status, wrong.code) == (405, "method-not-allowed")
    for query in (
        "page=0",
        "page=x",
        "page_size=101",
        "page=99999999999999999999",
        "from=nonsense",
    ):
        answer = await api.get(f"/shows?{query}")
        assert (answer.status, answer.code) == (400, "validation-failed"), query
