"""A purchase as a real collector takes it, in both compositions."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import with_role
from tests.e2e.test_buyer import PAY, order_two
from tests.support.api import Api, publish_session
from tests.support.collector import Receiver, Taken, values, waterfall
from tests.support.platform import RunningPlatform, all_in_one
from tests.support.servers import redis_of

SOON_S = 45.0  # a worker that has just started, on a machine that has other work
CONSUMED = {
    "process stampede.seats.held.v1": "catalog",
    "process stampede.order.created.v1": "notification",
    "process stampede.order.paid.v1": "notification",
}


@pytest.fixture(scope="module")
async def in_one(
    servers: Any,
    scratch: Path,
    run_database: Callable[[str], Awaitable[str]],
    collector_url: str,
) -> AsyncIterator[RunningPlatform]:
    """`stampede up` with one web process, which traces every request."""
    directory = scratch / "in one, traced"
    directory.mkdir()
    with all_in_one(
        directory,
        *("--no-demo", "--workers", "1"),
        STAMPEDE_DATABASE_URL=await run_database("traced"),
        STAMPEDE_REDIS_URL=redis_of(servers, "traced"),
        STAMPEDE_OTLP_ENDPOINT=collector_url,
        STAMPEDE_OTLP_SAMPLE="1",
        STAMPEDE_OTLP_METRICS_INTERVAL_S="1",
        STAMPEDE_LOG_FORMAT="otel",
    ) as platform:
        yield platform


@pytest.fixture(params=["in_one", "apart"])
def platform(request: pytest.FixtureRequest) -> RunningPlatform:
    running: RunningPlatform = request.getfixturevalue(request.param)
    return running


def of(spans: list[Taken], name: str, service: str) -> Taken:
    (found,) = [one for one in spans if (one.name, one.service) == (name, service)]
    return found


async def purchase(platform: RunningPlatform, api: Api, trace_id: str) -> tuple[str, str]:
    """Orders and pays within a caller's trace. The ids of both requests."""
    organizer = await with_role(platform, api, "organizer")
    session = await publish_session(api, organizer.token)
    buyer = await api.register()
    ids = (f"order-{trace_id[:8]}", f"pay-{trace_id[:8]}")
    traceparent = f"00-{trace_id}-00f067aa0ba902b7-00"
    headers = {"traceparent": traceparent, "X-Request-ID": ids[0]}
    order = await order_two(api, buyer, session, headers=headers)
    path = f"/orders/{order['order_id']}/pay"
    headers = {"traceparent": traceparent, "X-Request-ID": ids[1]}
    assert (await api.post(path, PAY, token=buyer.token, headers=headers)).status == 200
    return ids


async def taken(telemetry: Receiver, trace_id: str, needed: set[str]) -> list[Taken]:
    """The spans of the trace, once all of these are there with everything above them, and the deliveries
    that they name. Each process sends its own, a moment after the others."""
    deadline = time.monotonic() + SOON_S
    while True:
        everything = telemetry.spans()
        spans = [one for one in everything if one.trace_id == trace_id]
        missing = needed - {one.name for one in spans}
        known = {"", *(one.span_id for one in spans)}
        missing |= {f"what is above {one.name}" for one in spans if one.parent_id not in known}
        missing |= {
            f"the delivery of {one.name}" for one in spans if not delivered(one, everything)
        }
        if not missing:
            return spans
        assert time.monotonic() < deadline, f"without {missing}:\n{waterfall(spans)}"
        await asyncio.sleep(0.1)


def delivered(effect: Taken, everything: list[Taken]) -> bool:
    """Whether the delivery that brought it is there, with its links to requests."""
    if effect.name not in CONSUMED:
        return True
    traces = {trace_id for trace_id, _ in effect.links}
    found = [one for one in everything if one.trace_id in traces]
    linked = {trace_id for one in found for trace_id, _ in one.links}
    there = {one.span_id for one in found}
    return effect.trace_id in linked and {span_id for _, span_id in effect.links} <= there


async def test_a_purchase_is_one_trace_from_the_order_to_the_mail(
    platform: RunningPlatform, api: Api, telemetry: Receiver
) -> None:
    trace_id = f"{random.getrandbits(128):032x}"
    ids = await purchase(platform, api, trace_id)
    mails = {"send order_confirmation by email", "send payment_receipt by email"}
    spans = await taken(telemetry, trace_id, {*CONSUMED, *mails})
    tree = waterfall(spans)
    known = {one.span_id: one for one in spans}

    assert {one.attributes["stampede.request_id"] for one in spans} == set(ids), tree
    roots = [one for one in spans if not one.parent_id]
    assert [(one.service, one.kind) for one in roots] == [("gateway", "server")] * 2, tree
    assert all(one.links == {(trace_id, "00f067aa0ba902b7")} for one in roots), tree
    assert all(one.parent_id in known for one in spans if one.parent_id), tree

    def above(span: Taken) -> list[tuple[str, str]]:
        found = []
        while span.parent_id:
            span = known[span.parent_id]
            found.append((span.service, span.kind))
        return found

    way = [("booking", "server"), ("gateway", "client"), ("gateway", "server")]
    assert above(of(spans, "place_orders", "booking")) == [("booking", "internal"), *way]
    assert above(of(spans, "POST /charges", "sandbox")) == [("booking", "client"), *way]
    assert {"hold", "sell"} <= {
        one.attributes.get("db.stored_procedure.name") for one in spans if above(one) == way
    }
    for name, service in CONSUMED.items():
        effect = of(spans, name, service)
        assert (effect.kind, above(effect)) == ("consumer", way)
        delivery = next(iter(effect.links))
        assert delivery[0] != trace_id
    assert all(above(of(spans, name, "notification")) == way for name in mails)
    server = of(spans, "POST /api/v1/orders", "booking")
    assert server.attributes["http.response.status_code"] == 201
    assert not any(one.failed for one in spans), tree
    assert_deliveries_are_linked(telemetry.spans(), spans)


def assert_deliveries_are_linked(everything: list[Taken], spans: list[Taken]) -> None:
    """Each consumer's effect names the delivery that brought it, whose trace names the requests."""
    (trace_id,) = {one.trace_id for one in spans}
    for effect in (one for one in spans if one.name in CONSUMED):
        (delivery,) = effect.links
        found = [one for one in everything if one.trace_id == delivery[0]]
        assert delivery[1] in {one.span_id for one in found if one.kind == "server"}
        assert trace_id in {link[0] for one in found for link in one.links}


async def test_the_logs_of_a_request_bear_its_trace(
    platform: RunningPlatform, api: Api, telemetry: Receiver
) -> None:
    trace_id = f"{random.getrandbits(128):032x}"
    order_id, _ = await purchase(platform, api, trace_id)
    spans = await taken(telemetry, trace_id, {"place_orders"})
    deadline = time.monotonic() + SOON_S
    while True:
        logged = (platform.data_dir / "logs" / "booking.log").read_text()
        line = next((one for one in logged.splitlines() if order_id in one), "")
        if "order_created" in logged and line:
            break
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    (line,) = [one for one in logged.splitlines() if order_id in one and "order_created" in one]
    assert trace_id in line
    if line.startswith("{"):
        assert f'"SpanId":"{of(spans, "POST /api/v1/orders", "booking").span_id}"' in line


async def test_no_secret_of_a_request_is_in_a_span(
    platform: RunningPlatform, api: Api, telemetry: Receiver
) -> None:
    canary = f"k4n4ry{random.getrandbits(64):016x}"
    trace_id = f"{random.getrandbits(128):032x}"
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    mail = f"{canary}@example.com"
    body = {"email": mail, "password": canary}
    await api.post("/auth/login", body, headers=headers)
    await api.get(f"/shows?q={canary}", token=canary, headers=headers)
    await api.get(f"/orders/{canary}", token=canary, headers=headers)
    await api.get(f"{platform.base_url}/{canary}", headers=headers)
    await api.call(canary.upper(), "/shows", headers=headers)
    spans = await taken(telemetry, trace_id, {"POST /api/v1/auth/login", "OTHER"})
    assert canary not in repr(spans).lower()


async def test_web_and_worker_send_their_metrics_as_one(
    in_one: RunningPlatform, telemetry: Receiver
) -> None:
    deadline, needed = time.monotonic() + SOON_S, {"stampede_processes", "stampede_holds_total"}
    while True:
        sets = [one for one in telemetry.metrics if served_by(one) == "stampede"]
        found = [{one.name: one for one in part.scope_metrics[0].metrics} for part in sets]
        if any(needed | {"stampede_gateway_requests_total"} <= one.keys() for one in found):
            break
        assert time.monotonic() < deadline, [sorted(one) for one in found[-1:]]
        await asyncio.sleep(0.1)
    assert found[-1]["stampede_processes"].gauge.data_points[0].as_double == 2
    assert len({values(one.resource.attributes)["service.instance.id"] for one in sets}) == 1


def served_by(part: Any) -> str:
    return str(values(part.resource.attributes)["service.name"])
