"""Managing webhook endpoints: whose they are, what is refused, what is shown once."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.ids import uuid7
from contracts.notification import SUBSCRIBES_TO
from notification.webhooks.endpoints import ENDPOINTS_MAX
from notification.webhooks.payloads import TOLD, EventType
from tests.support.orders import event_of, order_paid
from tests.support.webhooks import (
    ADMIN,
    CREATED,
    ENDPOINTS,
    ORGANIZER,
    OTHER,
    PAID,
    Webhooks,
    running_webhooks,
)

URL = "http://127.0.0.1:9/hook"
BODY = {"url": URL, "event_types": [PAID]}


async def test_an_endpoint_is_made_read_changed_and_deleted(service: Webhooks) -> None:
    made = await service.call("POST", ENDPOINTS, BODY | {"event_types": [PAID, CREATED, PAID]})
    assert made.status == 201, made
    assert made.headers["cache-control"] == "no-store"
    assert made.json["event_types"] == [CREATED, PAID]
    assert made.json["secret"].startswith("whsec_")
    path = f"{ENDPOINTS}/{made.json['endpoint_id']}"
    read = await service.call("GET", path)
    assert "secret" not in read.json
    assert read.json == {key: value for key, value in made.json.items() if key != "secret"}
    changed = await service.call("PATCH", path, {"url": f"{URL}/2", "event_types": [PAID]})
    assert (changed.json["url"], changed.json["event_types"]) == (f"{URL}/2", [PAID])
    paused = await service.call("PATCH", path, {"active": False})
    assert (paused.json["active"], paused.json["disabled_reason"]) == (False, None)
    assert (await service.call("PATCH", path, {})).json["active"] is False
    assert (await service.call("DELETE", path)).status == 204
    for method, below in (("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/test")):
        assert (await service.call(method, path + below)).code == "not-found"


async def test_a_secret_is_shown_when_it_is_made_and_never_again(service: Webhooks) -> None:
    made = await service.call("POST", ENDPOINTS, BODY, key="mine")
    path = f"{ENDPOINTS}/{made.json['endpoint_id']}"
    rotated = await service.call("POST", f"{path}/rotate-secret", {"overlap_hours": 1})
    assert rotated.json["secret"] != made.json["secret"]
    for below in ("", f"/{made.json['endpoint_id']}", f"/{made.json['endpoint_id']}/deliveries"):
        answer = await service.call("GET", ENDPOINTS + below)
        assert answer.status == 200
        assert b"whsec_" not in answer.body
    assert b"whsec_" not in (await service.call("PATCH", path, {"active": True})).body


async def test_one_idempotency_key_makes_one_endpoint_and_one_rotation(service: Webhooks) -> None:
    first, again = [await service.call("POST", ENDPOINTS, BODY, key="k") for _ in range(2)]
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["idempotency-replayed"] == "true"
    other = await service.call("POST", ENDPOINTS, BODY | {"event_types": [CREATED]}, key="k")
    assert (other.status, other.code) == (422, "idempotency-key-reused")
    path = f"{ENDPOINTS}/{first.json['endpoint_id']}/rotate-secret"
    one, same = [await service.call("POST", path, key="k") for _ in range(2)]
    assert one.body == same.body
    assert (await service.call("GET", ENDPOINTS)).json["total"] == 1


async def test_somebody_elses_endpoint_and_deliveries_are_not_found(service: Webhooks) -> None:
    endpoint = await service.subscribe(URL)
    await service.deliver(
        event_of(order_paid(session_id=service.catalog.session(), order_id=uuid7()))
    )
    await service.router.round()
    (delivery,) = await service.deliveries(endpoint)
    one = f"{ENDPOINTS}/{endpoint['endpoint_id']}"
    sent = f"{ENDPOINTS}/deliveries/{delivery['delivery_id']}"
    routes: list[tuple[str, str, Any]] = [
        ("GET", one, None),
        ("PATCH", one, {"event_types": [CREATED]}),
        ("DELETE", one, None),
        ("POST", f"{one}/rotate-secret", {}),
        ("POST", f"{one}/test", {}),
        ("GET", f"{one}/deliveries", None),
        ("GET", sent, None),
        ("POST", f"{sent}/resend", {}),
    ]
    for method, path, body in routes:
        refused = await service.call(method, path, body, by=OTHER)
        assert (refused.status, refused.code) == (404, "not-found"), (method, path)
    for by, total in ((OTHER, 0), (ORGANIZER, 1), (ADMIN, 1)):
        assert (await service.call("GET", ENDPOINTS, by=by)).json["total"] == total
    assert (await service.endpoint(endpoint))["event_types"] == [PAID]
    for method, path, body in routes:
        if method != "DELETE":
            assert (await service.call(method, path, body, by=ADMIN)).status < 300, (method, path)


async def test_only_organizers_and_admins_have_endpoints(service: Webhooks) -> None:
    for role in ("customer", "staff"):
        token = service.signer.token(role)
        for method, path in (("GET", ENDPOINTS), ("GET", f"{ENDPOINTS}/{uuid4()}")):
            assert (await service.call(method, path, token=token)).code == "forbidden"
        assert (await service.call("POST", ENDPOINTS, BODY, token=token)).code == "forbidden"
    assert (await service.call("GET", ENDPOINTS, by=None)).code == "unauthenticated"


async def test_a_show_must_be_ones_own(service: Webhooks) -> None:
    mine, theirs = uuid4(), uuid4()
    service.catalog.shows = {mine: ORGANIZER, theirs: OTHER}
    assert (await service.subscribe(URL, show_id=mine))["show_id"] == str(mine)
    refusals = [
        await service.call("POST", ENDPOINTS, BODY | {"show_id": str(show_id)})
        for show_id in (theirs, uuid4())
    ]
    for refused in refusals:
        assert refused.status == 400
        assert refused.json["errors"] == [
            {"field": "show_id", "message": "is not one of your shows"}
        ]
    assert (await service.subscribe(URL, show_id=theirs, by=ADMIN))["show_id"] == str(theirs)
    service.catalog.down = True
    away = await service.call("POST", ENDPOINTS, BODY | {"show_id": str(mine)})
    assert (away.status, away.code) == (503, "unavailable")


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("url", {"url": "ftp://x.example.org/"}),
        ("url", {"url": "http://user:pass@127.0.0.1/"}),
        ("url", {"url": "http://127.0.0.1/" + "a" * 2000}),
        ("url", {"url": "http://127.0.0.1/\u0000"}),
        ("url", {"url": "http://nowhere.invalid/"}),
        ("url", {"url": 7}),
        ("event_types", {"event_types": []}),
        ("event_types.0", {"event_types": ["stampede.seats.held.v1"]}),
        ("event_types.0", {"event_types": ["stampede.webhook.ping.v1"]}),
        ("show_id", {"show_id": "x"}),
        ("secret", {"secret": "whsec_" + "A" * 44}),
        ("owner_id", {"owner_id": str(UUID(int=1))}),
        ("active", {"active": True}),
    ],
)
async def test_a_wrong_field_is_named(service: Webhooks, field: str, body: Any) -> None:
    refused = await service.call("POST", ENDPOINTS, BODY | body)
    assert (refused.status, refused.code) == (400, "validation-failed")
    assert refused.json["errors"][0]["field"] == field


async def test_overlap_and_status_have_bounds(service: Webhooks) -> None:
    endpoint = await service.subscribe(URL)
    path = f"{ENDPOINTS}/{endpoint['endpoint_id']}"
    for hours in (-1, 169, "2", 1.5):
        answer = await service.call("POST", f"{path}/rotate-secret", {"overlap_hours": hours})
        assert answer.code == "validation-failed"
    for query in ("?status=lost", "?page=0", "?page_size=101"):
        assert (await service.call("GET", f"{path}/deliveries{query}")).status == 400


async def test_deliveries_are_listed_in_pages_by_status(service: Webhooks) -> None:
    endpoint = await service.subscribe(URL)
    path = f"{ENDPOINTS}/{endpoint['endpoint_id']}"
    made = [(await service.call("POST", f"{path}/test")).json["delivery_id"] for _ in range(5)]
    await service.pool.execute(
        "UPDATE webhook_deliveries SET state = 'failed', next_attempt = NULL, ended_at = now()"
        " WHERE delivery_id = ANY($1)",
        made[:2],
    )
    page = (await service.call("GET", f"{path}/deliveries?page=1&page_size=3")).json
    assert [one["delivery_id"] for one in page["deliveries"]] == made[:1:-1]
    assert (page["total"], page["page_size"]) == (5, 3)
    failed = (await service.call("GET", f"{path}/deliveries?status=failed")).json
    assert [one["delivery_id"] for one in failed["deliveries"]] == made[1::-1]
    assert failed["total"] == 2


async def test_one_owner_has_so_many_endpoints_and_no_more(service: Webhooks) -> None:
    for _ in range(ENDPOINTS_MAX):
        last = await service.subscribe(URL)
    refused = await service.call("POST", ENDPOINTS, BODY)
    assert (refused.status, refused.code) == (409, "too-many-webhook-endpoints")
    await service.subscribe(URL, by=OTHER)
    await service.call("DELETE", f"{ENDPOINTS}/{last['endpoint_id']}")
    await service.subscribe(URL)


async def test_without_the_development_setting_nothing_of_ours_can_be_named(
    database_url: str,
) -> None:
    async with running_webhooks(database_url, allow_private=False) as service:
        for url in (
            "http://hooks.example.org/",
            "https://127.0.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::ffff:10.0.0.1]/",
            "https://localhost/",
            "https://8.8.8.8:6379/",
        ):
            refused = await service.call("POST", ENDPOINTS, BODY | {"url": url})
            assert (refused.status, refused.json["errors"][0]["field"]) == (400, "url"), url
        made = await service.subscribe("https://8.8.8.8/hook")
        path = f"{ENDPOINTS}/{made['endpoint_id']}"
        moved = await service.call("PATCH", path, {"url": "https://10.0.0.1/"})
        assert (moved.status, moved.code) == (400, "validation-failed")
        assert (await service.endpoint(made))["url"] == "https://8.8.8.8/hook"


def test_what_can_be_subscribed_to_is_told_and_is_heard_of() -> None:
    assert set(TOLD) <= set(SUBSCRIBES_TO)
    assert set(EventType.__args__) == set(TOLD)  # type: ignore[attr-defined]
