"""An organizer's own system hears of an order, through the gateway and the worker of a real platform."""

from typing import Any

from tests.e2e.conftest import with_role
from tests.e2e.test_buyer import PAY, order_two
from tests.support.api import Api, Person
from tests.support.platform import RunningPlatform
from tests.support.webhooks import CREATED, ENDPOINTS, PAID, documented_verify, receiving

TYPES = [CREATED, PAID]


async def test_an_order_reaches_the_organizers_receiver(
    api: Api, organizer: Person, session: Any
) -> None:
    async with receiving() as receiver:
        body = {"url": receiver.url, "event_types": TYPES, "show_id": session["show_id"]}
        made = await api.post(ENDPOINTS, body, token=organizer.token)
        assert made.status == 201, made
        buyer = await api.register()
        order = await order_two(api, buyer, session)
        paid = await api.post(f"/orders/{order['order_id']}/pay", PAY, token=buyer.token)
        assert paid.status == 200, paid
        messages = await receiver.got(2)
    verify = documented_verify()
    for message in messages:
        assert verify(made.json["secret"], message.headers, message.body)
        assert message.event["subject"] == order["order_id"]
        assert buyer.email not in message.body.decode()
    assert {message.event["type"] for message in messages} == set(TYPES)
    path = f"{ENDPOINTS}/{made.json['endpoint_id']}"
    listed = await api.get(f"{path}/deliveries", token=organizer.token)
    assert listed.json["total"] == 2
    ended = await api.call("DELETE", path, token=organizer.token)
    assert ended.status == 204, ended


async def test_who_may_do_what_with_an_endpoint(
    api: Api, organizer: Person, platform: RunningPlatform
) -> None:
    """Every route of theirs, as the OpenAPI document lists them, for every kind of caller."""
    body = {"url": "http://127.0.0.1:9/", "event_types": TYPES}
    made = await api.post(ENDPOINTS, body, token=organizer.token)
    assert made.status == 201, made
    one = f"{ENDPOINTS}/{made.json['endpoint_id']}"
    tested = await api.post(f"{one}/test", token=organizer.token)
    assert tested.status == 202, tested
    stranger, customer = await with_role(platform, api, "organizer"), await api.register()
    staff = await with_role(platform, api, "staff")
    document = (await api.get("/openapi.json")).json
    tried = 0
    for path, item in document["paths"].items():
        if ENDPOINTS not in path:
            continue
        concrete = path.replace("{endpoint_id}", made.json["endpoint_id"])
        concrete = concrete.replace("{delivery_id}", tested.json["delivery_id"])
        for method in item:
            how = {"body": {} if "requestBody" in item[method] else None}
            tried += 1
            nobody = await api.call(method.upper(), concrete, **how)
            assert nobody.code == "unauthenticated", (method, path, nobody)
            for other in (customer, staff):
                refused = await api.call(method.upper(), concrete, **how, token=other.token)
                assert refused.code == "forbidden", (method, path, refused)
            if "{" in path:
                foreign = await api.call(method.upper(), concrete, **how, token=stranger.token)
                assert foreign.code == "not-found", (method, path, foreign)
    assert tried == 10
    assert (await api.get(one, token=organizer.token)).status == 200
    assert (await api.call("DELETE", one, token=organizer.token)).status == 204
