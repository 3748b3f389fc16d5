"""HAProxy with the configuration that a cluster gives it, before gateways that do as a test says."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from chassis.settings import Settings
from runtime.topology.balancer import SOURCE, balancer_child
from tests.support.haproxy import program
from tests.support.peer import Connection, Peer
from tests.support.servers import eventually, quiet_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NOT_READY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
PROBE = b"GET /readyz"
WITHIN_S = 20.0


Handle = Callable[[Connection], Awaitable[None]]


class Gateway:
    """Answers the balancer's looks, and lets `handle` answer each request of a client."""

    def __init__(self, handle: Handle, *, is_ready: bool = True) -> None:
        self._handle, self._is_ready = handle, is_ready
        self._peer = Peer(self._serve)

    @property
    def port(self) -> int:
        return self._peer.port

    @property
    def requests(self) -> list[bytes]:
        return [one for one in self._peer.requests if not one.startswith(PROBE)]

    @property
    def looks(self) -> int:
        return len(self._peer.requests) - len(self.requests)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Gateway"]:
        async with self._peer.running():
            yield self

    async def _serve(self, connection: Connection) -> None:
        while True:
            if not (await connection.request()).startswith(PROBE):
                await self._handle(connection)
            else:
                await connection.say(OK if self._is_ready else NOT_READY)


async def answers(connection: Connection) -> None:
    await connection.say(OK)


async def dies(connection: Connection) -> None:
    """Like a process that is killed with a request in its hands."""
    connection.reset()


@asynccontextmanager
async def balanced(
    folder: Path, *ports: int, **settings: Any
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of HAProxy, which stands before the gateways at these ports."""
    loaded = msgspec.structs.replace(Settings(data_dir=folder, port=quiet_port()), **settings)
    child = balancer_child(program(), loaded, ports)
    process = await asyncio.create_subprocess_exec(*child.argv, env=child.env)
    try:
        assert await asyncio.to_thread(eventually, lambda: _listens(loaded.port))
        async with aiohttp.ClientSession(f"http://127.0.0.1:{loaded.port}") as client:
            yield client
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), WITHIN_S)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


async def said(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    """A problem in the platform's own form."""
    assert answer.content_type == "application/problem+json"
    problem: dict[str, Any] = msgspec.json.decode(await answer.read())
    assert problem["status"] == answer.status
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    return problem


async def test_a_request_that_reached_no_gateway_goes_to_the_other_one(tmp_path: Path) -> None:
    away = quiet_port()
    async with (
        Gateway(answers).running() as there,
        balanced(tmp_path, away, there.port) as client,
    ):
        for _ in range(10):
            async with client.post("/api/v1/orders", json={}) as answer:
                assert answer.status == 200
        assert len(there.requests) == 10


async def test_a_change_whose_answer_was_lost_is_503_and_is_not_repeated(tmp_path: Path) -> None:
    async with (
        Gateway(dies).running() as one,
        Gateway(dies).running() as two,
        balanced(tmp_path, one.port, two.port) as client,
    ):
        sent = {"X-Request-Id": "order-17"}
        async with client.post("/api/v1/orders", json={}, headers=sent) as answer:
            problem = await said(answer)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert (problem["code"], problem["request_id"]) == ("unavailable", "order-17")
        assert problem["instance"] == "/api/v1/orders"
        assert "same Idempotency-Key" in problem["detail"]
        assert len(one.requests + two.requests) == 1


async def test_a_read_whose_answer_was_lost_is_read_from_the_other_one(tmp_path: Path) -> None:
    async with (
        Gateway(dies).running() as one,
        Gateway(answers).running() as two,
        balanced(tmp_path, one.port, two.port) as client,
    ):
        for _ in range(4):
            async with client.get("/api/v1/shows") as answer:
                assert answer.status == 200
        assert one.requests


async def test_without_a_gateway_the_answer_is_503_in_our_form(tmp_path: Path) -> None:
    async with (
        balanced(tmp_path, quiet_port(), quiet_port()) as client,
        client.get("/api/v1/shows", headers={"X-Request-Id": 'no "id"'}) as answer,
    ):
        problem = await said(answer)
        assert (answer.status, problem["code"]) == (503, "unavailable")
        assert answer.headers["Retry-After"] == "1"
        assert problem["request_id"] not in {"", "-", 'no "id"'}


async def test_a_gateways_own_errors_pass_as_they_are(tmp_path: Path) -> None:
    async def refuses(connection: Connection) -> None:
        await connection.say(b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 4\r\n\r\nlate")

    async with (
        Gateway(refuses).running() as one,
        balanced(tmp_path, one.port) as client,
        client.get("/api/v1/shows") as answer,
    ):
        assert (answer.status, await answer.text()) == (504, "late")


async def test_a_gateway_that_is_about_to_end_gets_nothing_more(tmp_path: Path) -> None:
    async with (
        Gateway(answers, is_ready=False).running() as ends,
        Gateway(answers).running() as goes_on,
        balanced(tmp_path, ends.port, goes_on.port) as client,
    ):
        assert await asyncio.to_thread(eventually, lambda: ends.looks >= 2)
        before = len(ends.requests)
        for _ in range(6):
            async with client.get("/api/v1/shows") as answer:
                assert answer.status == 200
        assert len(ends.requests) == before


@pytest.mark.parametrize(
    ("trusted", "reaches"),
    [((), ["127.0.0.1"]), ((ip_network("127.0.0.0/8"),), ["198.51.100.7", "127.0.0.1"])],
)
async def test_only_a_trusted_proxy_says_for_whom_it_speaks(
    tmp_path: Path, trusted: tuple[Any, ...], reaches: list[str]
) -> None:
    async with (
        Gateway(answers).running() as one,
        balanced(tmp_path, one.port, trusted_proxies=trusted) as client,
    ):
        forged = {"X-Forwarded-For": "198.51.100.7"}
        async with client.get("/api/v1/shows", headers=forged) as answer:
            assert answer.status == 200
        lines = one.requests[0].lower().split(b"\r\n")
        found = [line for line in lines if line.startswith(b"x-forwarded-for:")]
        assert [line.partition(b": ")[2].decode() for line in found] == reaches


async def test_the_gateway_knows_the_balancer_by_its_address(tmp_path: Path) -> None:
    peers: list[str] = []

    async def names_its_peer(connection: Connection) -> None:
        peers.append(connection.address)
        await connection.say(OK)

    async with (
        Gateway(names_its_peer).running() as one,
        balanced(tmp_path, one.port) as client,
        client.get("/api/v1/shows") as answer,
    ):
        assert answer.status == 200
    assert peers == [str(SOURCE.network_address)]


async def test_what_the_gateway_refuses_by_itself_reaches_it(tmp_path: Path) -> None:
    """Headers above its 16 KB, and more of them than its 64."""
    async with Gateway(answers).running() as one, balanced(tmp_path, one.port) as client:
        for headers in ({"X-Long": "x" * 17_000}, {f"X-{n}": "1" for n in range(80)}):
            async with client.get("/api/v1/shows", headers=headers) as answer:
                assert answer.status == 200
        assert len(one.requests) == 2


async def test_an_event_stream_comes_piece_by_piece_and_ends_with_its_client(
    tmp_path: Path,
) -> None:
    next_piece, left = asyncio.Event(), asyncio.Event()

    async def streams(connection: Connection) -> None:
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
        )
        await connection.say(head + b"\r\n9\r\ndata: 1\n\n\r\n")
        await next_piece.wait()
        await connection.say(b"9\r\ndata: 2\n\n\r\n")
        with contextlib.suppress(ConnectionError):
            await connection.closed_by_the_other_side()
        left.set()

    async with Gateway(streams).running() as one, balanced(tmp_path, one.port) as client:
        async with client.get("/api/v1/sessions/1/stream") as answer:
            assert await answer.content.readany() == b"data: 1\n\n"
            next_piece.set()
            assert await answer.content.readany() == b"data: 2\n\n"
            answer.close()
        async with asyncio.timeout(WITHIN_S):
            await left.wait()
