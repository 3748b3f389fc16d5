"""A service over HTTP as the gateway sees it: what goes out, what comes back, what goes wrong.

The other side is a socket of the test's own that speaks, stalls, cuts or refuses as it is told.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from chassis.problems import Unavailable
from chassis.seam.client import ServiceClient
from chassis.seam.hosts import BREAK_AFTER_FAILURES, BREAK_FOR_S, RESTART_S, Host, Hosts
from chassis.seam.upstream import HttpUpstream, Message
from tests.support.clock import MonotonicClock
from tests.support.gateway import Answer
from tests.support.peer import Connection, Peer, Script
from tests.support.servers import free_port

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def peer(
    script: Script, known: Sequence[Host] = (), **deadlines: float
) -> AsyncIterator[tuple[Peer, HttpUpstream]]:
    """`known`: the addresses behind its name, if not the one where it listens."""
    async with Peer(script).running() as running:
        hosts = Hosts("127.0.0.1", running.port, known=known)
        upstream = HttpUpstream(running.url, hosts=hosts, **deadlines)
        await upstream.open()
        try:
            yield running, upstream
        finally:
            await upstream.close()


async def ask(
    upstream: HttpUpstream,
    method: str = "GET",
    target: str = "/x",
    body: bytes = b"",
    headers: list[tuple[bytes, bytes]] | None = None,
    *,
    on_piece: Callable[[bytes], None] = lambda _piece: None,
    gone: asyncio.Event | None = None,
) -> Answer:
    sent: list[Message] = []
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if asked:
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)
        if message.get("body"):
            on_piece(message["body"])

    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers or [],
    }
    await upstream(scope, receive, send)
    if not sent:
        return Answer(0, [], b"", 0)
    whole = b"".join(m.get("body", b"") for m in sent[1:])
    return Answer(sent[0]["status"], list(sent[0]["headers"]), whole, 0)


async def serve_ok(db: Connection) -> None:
    while True:
        await db.request()
        await db.say(OK)


async def test_a_request_goes_out_as_it_came_and_nothing_is_added() -> None:
    async with peer(serve_ok) as (server, upstream):
        headers = [
            (b"x-request-id", b"abc"),
            (b"x-name", "日本".encode()),
            (b"x-twice", b"1"),
            (b"x-twice", b"2"),
            (b"connection", b"close"),
            (b"transfer-encoding", b"chunked"),
            (b"expect", b"100-continue"),
            (b"content-length", b"999"),
        ]
        answer = await ask(upstream, "POST", "/a~b/c?q=%E4%B8%8A&r=a+b%2F", b'{"a":1}', headers)
    assert (answer.status, answer.body) == (200, b"ok")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /a~b/c?q=%E4%B8%8A&r=a+b%2F HTTP/1.1"
    assert sorted(lines[1:]) == sorted(
        [
            b"x-request-id: abc",
            "x-name: 日本".encode(),
            b"x-twice: 1",
            b"x-twice: 2",
            b"Host: " + server.url.removeprefix("http://").encode(),
            b"Content-Length: 7",
        ]
    )
    assert body == b'{"a":1}'


async def test_a_post_without_a_body_says_so() -> None:
    async with peer(serve_ok) as (server, upstream):
        await ask(upstream, "POST")
    assert b"content-length: 0" in server.requests[0].lower()


async def test_the_answers_headers_come_through_but_for_those_of_the_hop() -> None:
    async def script(db: Connection) -> None:
        await db.request()
        await db.say(
            b"HTTP/1.1 418 Teapot\r\nX-A: 1\r\nX-A: 2\r\nX-B: \xe4\xb8\x8a\r\nConnection: close\r\n"
            b"Keep-Alive: timeout=5\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\n0\r\n\r\n"
        )

    async with peer(script) as (_, upstream):
        answer = await ask(upstream)
    assert (answer.status, answer.body) == (418, b"abc")
    assert answer.headers == [
        (b"x-a", b"1"),
        (b"x-a", b"2"),
        (b"x-b", b"\xe4\xb8\x8a"),
        (b"content-encoding", b"gzip"),
    ]


async def test_connections_are_kept_and_used_again() -> None:
    async with peer(serve_ok) as (server, upstream):
        for _ in range(5):
            await ask(upstream, "POST")
    assert (server.connections, len(server.requests)) == (1, 5)


async def close_the_kept_connection_when_used(db: Connection) -> None:
    """The race of kept-alive connections: it is closed just as the next request is sent."""
    await db.request()
    await db.say(OK)
    if db.number == 1:
        await db.request()
    else:
        await serve_ok(db)


async def test_a_get_on_a_connection_closed_meanwhile_is_tried_again() -> None:
    async with peer(close_the_kept_connection_when_used) as (server, upstream):
        assert (await ask(upstream)).status == 200
        assert (await ask(upstream)).status == 200
    assert (server.connections, len(server.requests)) == (2, 3)


async def test_a_post_is_never_sent_twice() -> None:
    async with peer(close_the_kept_connection_when_used) as (server, upstream):
        assert (await ask(upstream, "POST")).status == 200
        answer = await ask(upstream, "POST", body=b"{}")
        assert (answer.status, answer.code) == (503, "unavailable")
        assert answer.header("retry-after") == "1"
    assert len(server.requests) == 2


@asynccontextmanager
async def nobody(
    kind: type[Hosts] = Hosts, **limits: Any
) -> AsyncIterator[tuple[int, HttpUpstream]]:
    """An upstream, and its port, on which nobody listens."""
    hosts = kind("127.0.0.1", port := free_port(), **limits)
    upstream = HttpUpstream(f"http://127.0.0.1:{port}", hosts=hosts)
    await upstream.open()
    try:
        yield port, upstream
    finally:
        await upstream.close()


async def test_nobody_there_is_503_and_back_with_the_first_call_that_finds_it_back() -> None:
    """The only address is never left alone for what costs nobody any time."""
    async with nobody(restart_s=-1.0) as (port, upstream):
        for _ in range(2 * BREAK_AFTER_FAILURES):
            assert (await ask(upstream)).status == 503
        async with Peer(serve_ok).running(port=port):
            assert (await ask(upstream)).status == 200


class WatchedHosts(Hosts):
    """Says when a call has come to wait for the service to be back."""

    waited: asyncio.Event

    async def may_come_back(self) -> bool:
        self.waited.set()
        return await super().may_come_back()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_was_not_sent_waits_a_moment_for_a_service_that_starts_again(
    method: str,
) -> None:
    WatchedHosts.waited = waited = asyncio.Event()
    async with nobody(WatchedHosts, clock=MonotonicClock()) as (port, upstream):
        call = asyncio.create_task(ask(upstream, method, body=b"{}"))
        await waited.wait()
        async with Peer(serve_ok).running(port=port) as server:
            assert (await call).status == 200
        assert len(server.requests) == 1


async def test_only_so_many_wait_and_only_until_a_start_would_be_over() -> None:
    async with nobody(waiting_max=0) as (_, upstream):
        assert (await ask(upstream)).status == 503
    clock = MonotonicClock()
    WatchedHosts.waited = waited = asyncio.Event()
    async with nobody(WatchedHosts, clock=clock) as (_, upstream):
        call = asyncio.create_task(ask(upstream))
        await waited.wait()
        clock.now += RESTART_S + 0.01
        assert (await call).status == 503


async def test_only_one_call_finds_out_whether_an_address_that_hung_is_back() -> None:
    probed, go_on = asyncio.Event(), asyncio.Event()

    async def script(db: Connection) -> None:
        while True:
            await db.request()
            probed.set()
            await go_on.wait()
            await db.say(OK)

    clock = MonotonicClock()
    host = Host("127.0.0.1", clock=clock)
    for _ in range(BREAK_AFTER_FAILURES):
        host.failed(hung=True)
    async with Peer(script).running() as server, AsyncExitStack() as stack:
        hosts = Hosts("127.0.0.1", server.port, known=[host], clock=clock)
        upstream = HttpUpstream(server.url, hosts=hosts)
        stack.push_async_callback(upstream.close)
        await upstream.open()
        clock.now += BREAK_FOR_S
        probe = asyncio.create_task(ask(upstream))
        await probed.wait()
        others = await asyncio.gather(*(ask(upstream) for _ in range(5)))
        assert [one.status for one in others] == [503] * 5
        go_on.set()
        assert (await probe).status == 200
        assert (await ask(upstream)).status == 200
        assert len(server.requests) == 2


async def test_an_address_that_takes_no_connection_is_passed_over_even_for_a_post() -> None:
    dead = Host("127.0.0.2")  # loopback too, and nobody listens there
    dead.under_way = -1  # so that it is picked first
    async with peer(serve_ok, [dead, Host("127.0.0.1")]) as (server, upstream):
        assert (await ask(upstream, "POST")).status == 200
    assert len(server.requests) == 1


async def test_the_last_address_is_tried_though_it_is_marked_as_broken() -> None:
    nobody_there, broken = with_a_broken_one()
    both = Hosts("service", 80, known=[nobody_there, broken])
    assert await both.pick([nobody_there]) is broken  # at once: no call waits for a moment first
    async with peer(serve_ok, with_a_broken_one()) as (server, upstream):
        assert (await ask(upstream, "POST")).status == 200
    assert len(server.requests) == 1


def with_a_broken_one() -> list[Host]:
    """Loopback's second address, at which nobody listens, and a first one that has failed often."""
    nobody_there, broken = Host("127.0.0.2"), Host("127.0.0.1")
    for _ in range(BREAK_AFTER_FAILURES):
        broken.failed()
    return [nobody_there, broken]


@pytest.mark.parametrize("refusal", [502, 503, 504])
async def test_who_refuses_at_once_draws_hardly_any_calls(refusal: int) -> None:
    """Of a thousand calls, twenty under way at a time; one address is never busy, for it refuses."""
    clock = MonotonicClock()
    good, bad = Host("127.0.0.1", clock=clock), Host("127.0.0.2", clock=clock)
    both = Hosts("service", 80, known=[good, bad], clock=clock)
    under_way: deque[Any] = deque()
    drawn = {good: 0, bad: 0}
    for _ in range(1000):
        host = await both.pick([])
        assert host is not None
        drawn[host] += 1
        call = host.call()
        call.__enter__()
        if host is bad:
            call.__exit__(None, None, None)
            host.answered(refusal)
            continue
        under_way.append(call)
        if len(under_way) > 20:
            under_way.popleft().__exit__(None, None, None)
            good.answered(200)
    assert drawn[bad] <= 80


async def test_who_sheds_three_calls_of_four_keeps_the_rest() -> None:
    """Four times its load is no reason to leave an address alone: its twin would have it all."""
    clock = MonotonicClock()
    host = Host("127.0.0.1", clock=clock)
    for number in range(400):
        host.answered(200 if number % 4 == 0 else 503)
        assert host.takes_calls(clock.now)


async def test_an_address_that_refuses_its_probe_is_left_alone_again() -> None:
    clock = MonotonicClock()
    host = Host("127.0.0.1", clock=clock)
    for _ in range(100):
        host.answered(503)
    assert not host.takes_calls(clock.now)
    clock.now += BREAK_FOR_S
    assert host.takes_calls(clock.now)
    with host.call():
        host.answered(503)
    assert not host.takes_calls(clock.now)
    assert host.fails_at_once()


async def test_who_refuses_now_and_then_draws_fewer_calls_and_gets_them_back() -> None:
    clock = MonotonicClock()
    flaky, good = Host("127.0.0.1", clock=clock), Host("127.0.0.2", clock=clock)
    now = clock.now
    for number in range(40):
        flaky.answered(503 if number % 2 else 200)
    good.under_way = 3
    assert flaky.takes_calls(now)
    assert flaky.cost(now) > good.cost(now)
    assert flaky.cost(now + 60) < good.cost(now + 60)


async def test_when_half_of_the_addresses_are_left_no_more_than_those_that_hang_stay_out() -> None:
    clock = MonotonicClock()
    few = [Host(f"127.0.0.{number}", clock=clock) for number in range(1, 5)]
    all_of_them = Hosts("service", 80, known=few, clock=clock)
    for host, hung in zip(few[:3], (False, False, True), strict=True):
        for _ in range(BREAK_AFTER_FAILURES):
            host.failed(hung=hung)
    picked = {await all_of_them.pick([]) for _ in range(200)}
    assert picked == {few[0], few[1], few[3]}


async def test_a_service_that_stalls_is_given_up() -> None:
    async def script(db: Connection) -> None:
        await db.request()
        await db.closed_by_the_other_side()

    async with peer(script, deadline_s=0.05) as (server, upstream):
        for method in ("GET", "POST"):
            answer = await ask(upstream, method)
            assert (answer.status, answer.code) == (503, "unavailable")
    assert len(server.requests) == 2


@pytest.mark.parametrize("stalls", [True, False], ids=["stalls", "cuts"])
async def test_an_answer_that_stops_halfway_is_cut_and_not_completed(stalls: bool) -> None:
    async def script(db: Connection) -> None:
        await db.request()
        await db.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        if stalls:
            await db.closed_by_the_other_side()

    async with peer(script, stall_s=0.05) as (_, upstream):
        with pytest.raises(ConnectionAbortedError):
            await ask(upstream)


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
)
async def test_what_is_no_answer_is_503(answer: bytes) -> None:
    async def script(db: Connection) -> None:
        await db.request()
        await db.say(answer)

    async with peer(script) as (_, upstream):
        assert (await ask(upstream, "POST")).status == 503


async def test_an_event_stream_flows_piece_by_piece_and_may_be_silent() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    closed = asyncio.Event()
    go_on = asyncio.Event()

    async def script(db: Connection) -> None:
        await db.request()
        await db.say(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"9\r\ndata: 1\n\n\r\n"
        )
        await go_on.wait()
        await db.say(b"9\r\ndata: 2\n\n\r\n")
        assert await db.closed_by_the_other_side()
        closed.set()

    async with peer(script, stall_s=0.01) as (_, upstream):
        gone = asyncio.Event()
        stream = asyncio.create_task(ask(upstream, on_piece=heard.put_nowait, gone=gone))
        async with asyncio.timeout(5):
            assert await heard.get() == b"data: 1\n\n"  # though nothing has ended yet
            go_on.set()
            assert await heard.get() == b"data: 2\n\n"
            gone.set()
            await stream
            await closed.wait()


async def test_a_client_that_goes_ends_a_get_and_lets_a_post_finish() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def script(db: Connection) -> None:
        request = await db.request()
        begun.set()
        if request.startswith(b"GET"):
            assert await db.closed_by_the_other_side()
            ended.append("GET cut")
            go_on.set()
        else:
            await go_on.wait()
            await db.say(OK)
            ended.append("POST answered")

    async with peer(script) as (_, upstream):
        for method in ("GET", "POST"):
            begun.clear()
            go_on.clear()
            gone = asyncio.Event()
            call = asyncio.create_task(ask(upstream, method, gone=gone))
            await begun.wait()
            gone.set()
            if method == "POST":
                asyncio.get_running_loop().call_soon(go_on.set)
            async with asyncio.timeout(5):
                answer = await call
                await go_on.wait()
    assert answer.status == 200
    assert ended[0] == "GET cut"


async def test_a_typed_call_over_http_is_answered_and_given_up_alike() -> None:
    async def script(db: Connection) -> None:
        while b"stall" not in await db.request():
            await db.say(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + b'{"a": 1}')
        await db.closed_by_the_other_side()

    async with peer(script) as (server, upstream):
        client = ServiceClient(upstream, deadline_s=0.5)
        found: Any = await client.get("/internal/x?y=1", dict[str, int])
        assert found == {"a": 1}
        assert server.requests[0].startswith(b"GET /internal/x?y=1 HTTP/1.1\r\n")
        with pytest.raises(Unavailable):
            await client.get("/stall", dict[str, int])
