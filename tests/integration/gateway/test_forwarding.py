"""A request on its way to a service and back: failures, half answers, clients that go, streams."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from chassis.seam.upstream import Scope, Send
from tests.support.gateway import Rig, answer_json, rig

SHOW = "/api/v1/shows"
ORDERS = "/api/v1/orders"
UUID7 = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
async def edge(redis_url: str) -> AsyncIterator[Rig]:
    async with rig(redis_url) as running:
        yield running


async def test_a_bare_error_of_a_service_becomes_a_problem(edge: Rig) -> None:
    async def respond(_scope: Scope, _body: bytes, send: Send) -> None:
        kind = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
        await send({"type": "http.response.start", "status": 500, "headers": kind})
        await send({"type": "http.response.body", "body": b"Trace", "more_body": False})

    edge.catalog.respond = respond
    answer = await edge.client.get(SHOW)
    assert (answer.status, answer.code) == (500, "internal-error")
    assert answer.header("content-length") == str(len(answer.body))


@pytest.mark.parametrize("failure", [ValueError("secret detail"), None])
async def test_a_service_that_fails_or_says_nothing_is_a_problem(
    edge: Rig, failure: Exception | None
) -> None:
    async def respond(_scope: Scope, _body: bytes, _send: Send) -> None:
        if failure is not None:
            raise failure

    edge.catalog.respond = respond
    for method in ("GET", "POST"):
        answer = await edge.client.call(method, SHOW)
        assert (answer.status, answer.code) == (500, "internal-error")
        assert b"secret" not in answer.body


async def test_half_an_answer_is_cut_and_never_completed(edge: Rig) -> None:
    async def respond(_scope: Scope, _body: bytes, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ValueError("died")

    edge.catalog.respond = respond
    with pytest.raises(ConnectionAbortedError):
        await edge.client.get(SHOW)


async def test_a_change_is_finished_though_its_client_has_gone(edge: Rig) -> None:
    begun, go_on, finished = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def respond(_scope: Scope, _body: bytes, send: Send) -> None:
        begun.set()
        await go_on.wait()
        finished.set()
        await answer_json(send, {}, status=201)

    edge.booking.respond = respond
    call = asyncio.create_task(edge.client.post(ORDERS))
    await begun.wait()
    call.cancel()
    await asyncio.wait([call])
    assert call.cancelled()
    go_on.set()
    async with asyncio.timeout(5):
        await finished.wait()


async def test_the_end_of_the_server_waits_for_a_change(redis_url: str) -> None:
    begun = asyncio.Event()
    happened: list[str] = []

    async def respond(_scope: Scope, _body: bytes, send: Send) -> None:
        begun.set()
        for _ in range(2000):  # turns of the loop, far more than anything takes to close
            await asyncio.sleep(0)
        happened.append("committed")
        await answer_json(send, {}, status=201)

    @asynccontextmanager
    async def inner() -> AsyncIterator[None]:
        yield
        happened.append("closed")

    async with rig(redis_url, inner=inner()) as edge:
        edge.booking.respond = respond
        call = asyncio.create_task(edge.client.post(ORDERS))
        await begun.wait()
        call.cancel()
    assert happened == ["committed", "closed"]
    await asyncio.wait([call])


async def test_an_event_stream_flows_and_its_service_hears_of_the_client_going(edge: Rig) -> None:
    gone, over = asyncio.Event(), asyncio.Event()

    async def respond(scope: Scope, _body: bytes, send: Send) -> None:
        kind = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        gone.set()
        assert (await scope["receive"]())["type"] == "http.disconnect"
        over.set()

    edge.booking.respond = respond
    answer = await edge.client.get(f"/api/v1/sessions/{UUID7}/seats/stream", gone=gone)
    assert answer.body == b"data: 1\n\n"
    assert over.is_set()
