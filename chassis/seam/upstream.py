"""The seam between services: an ASGI callable, whether the service is in this process or remote.

In one process, an upstream is the service's own app. Across machines it is HttpUpstream: a keep-alive
aiohttp pool over every address of the service (chassis.seam.addresses, chassis.seam.hosts).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from typing import Any

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from chassis.context import current
from chassis.problems import CONTENT_TYPE, Problem, Unavailable
from chassis.seam.addresses import sources_of
from chassis.seam.hosts import Host, Hosts

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Upstream = Callable[[Scope, Receive, Send], Awaitable[None]]

CALL_DEADLINE_S = 10.0  # for an answer's first byte; longer than any statement may run
STALL_S = 10.0  # between two pieces of an answer's body, except in event streams
CONNECT_TIMEOUT_S = 1.0
# less than the server's 10 s: we close first, so no POST meets a closed connection
KEEP_ALIVE_S = 5.0
CONNECTIONS_MAX = 1024
# Read ahead of the client, here and in the kernel: uvloop reads everything that is available at
# once.
READ_AHEAD_BYTES = 32_768
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"host",
        b"proxy-connection",
    )
)
_NOT_FORWARDED = HOP_BY_HOP | {b"content-length", b"expect"}
_ADDED_BY_AIOHTTP = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")

# Nothing was sent: another address may serve the call, whatever it does.
_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
# Of a connection, before the answer began: the process may have ended.
_CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
_FAILURES = (aiohttp.ClientError, OSError, TimeoutError)


class Upstreams(msgspec.Struct, frozen=True, kw_only=True):
    """The four services, as this process reaches them."""

    identity: Upstream
    catalog: Upstream
    booking: Upstream
    notification: Upstream


class HttpUpstream:
    """A service over HTTP as an ASGI callable. Answers 503 problem+json if no address answers.

    Calls that may have had an effect are never repeated. A POST is sent once, unless no connection could
    be made: then another address may take it, or the same one a moment later while it restarts
    (chassis.seam.hosts). A GET that got no byte of an answer is tried once more, elsewhere if it can
    (aiohttp itself repeats one that met a closed keep-alive connection). A POST whose connection was cut
    is 503 with Retry-After: its sender knows whether it has an Idempotency-Key.

    If the client of a GET leaves, the call is dropped and its connection closed. Any other call is left
    to finish, so that nothing is half done.
    """

    def __init__(
        self,
        url: str,
        *,
        deadline_s: float = CALL_DEADLINE_S,
        stall_s: float = STALL_S,
        hosts: Hosts | None = None,
        dns_servers: Sequence[str] = (),
    ) -> None:
        """`url`: one or several (chassis.seam.addresses). `dns_servers`: for SRV records."""
        self._scheme, sources = sources_of(url, dns_servers)
        self._name = url
        self._deadline_s, self._stall_s = deadline_s, stall_s
        self._hosts = hosts or Hosts(url, 0, sources=sources)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._hosts.open()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=CONNECTIONS_MAX, keepalive_timeout=KEEP_ALIVE_S, socket_factory=_socket
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            auto_decompress=False,
            read_bufsize=READ_AHEAD_BYTES,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_ADDED_BY_AIOHTTP,
        )

    async def close(self) -> None:
        await self._hosts.close()
        if self._session is not None:
            await self._session.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)
        if body is None:
            return
        answer = _Answer(send)
        work = self._forward(scope, body, answer)
        try:
            if scope["method"] in SAFE_METHODS:
                await _unless_the_client_goes(work, receive)
            else:
                await work
        except _FAILURES as failure:
            # the answer has begun, so the client's connection must be cut as well
            if answer.started:
                raise ConnectionAbortedError(f"{self._name} cut its answer short") from failure
            await send_problem(scope, send, Unavailable())

    async def _forward(self, scope: Scope, body: bytes, answer: "_Answer") -> None:
        tried: list[Host] = []
        repeated = False
        while True:
            host = await self._hosts.pick(tried)
            if host is None:
                if await self._hosts.may_come_back():
                    tried.clear()
                    continue
                raise aiohttp.ClientConnectionError(f"no address of {self._name} takes calls")
            tried.append(host)
            try:
                with host.call():
                    await self._exchange(host, scope, body, answer)
                return
            except _NOT_CONNECTED as failure:
                host.failed(hung=isinstance(failure, TimeoutError))
            except _CUT:
                host.failed()
                if answer.started or scope["method"] not in SAFE_METHODS or repeated:
                    raise
                repeated = True
            except _FAILURES as failure:
                host.failed(hung=isinstance(failure, TimeoutError))
                raise

    async def _exchange(self, host: Host, scope: Scope, body: bytes, answer: "_Answer") -> None:
        assert self._session is not None, "call open() first"
        async with asyncio.timeout(self._deadline_s) as deadline:
            async with self._session.request(
                scope["method"],
                self._target(host, scope),
                data=body or None,
                headers=self._headers(host, scope),
                allow_redirects=False,
                server_hostname=host.name or host.address if self._scheme == "https" else None,
            ) as received:
                host.answered(received.status, leaving=_is_last(received))
                self._hosts.connected()
                deadline.reschedule(None)
                await answer.relay(received, self._stall_s)

    def _target(self, host: Host, scope: Scope) -> URL:
        """Keeps the percent-encoding: the path is sent as it came in."""
        address = f"[{host.address}]" if ":" in host.address else host.address
        path = scope["raw_path"].decode("ascii")
        query = scope.get("query_string", b"").decode("latin-1")
        query = f"?{query}" if query else ""
        return URL(f"{self._scheme}://{address}:{host.port}{path}{query}", encoded=True)

    def _headers(self, host: Host, scope: Scope) -> CIMultiDict[str]:
        headers: CIMultiDict[str] = CIMultiDict()
        for name, value in scope["headers"]:
            if name not in _NOT_FORWARDED:
                headers.add(name.decode("latin-1"), _text(value))
        headers["Host"] = f"{host.name or host.address}:{host.port}"
        return headers


class _Answer:
    """Passes an answer on as it arrives, and knows if any of it was sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def relay(self, received: aiohttp.ClientResponse, stall_s: float) -> None:
        headers = []
        stall: float | None = stall_s
        for raw_name, value in received.raw_headers:
            name = raw_name.lower()
            if name not in HOP_BY_HOP:
                headers.append((name, value))
            if name == b"content-type" and value.startswith(b"text/event-stream"):
                stall = None  # may be silent while nothing happens
        self.started = True
        await self._send(
            {"type": "http.response.start", "status": received.status, "headers": headers}
        )
        while True:
            async with asyncio.timeout(stall):
                piece = await received.content.readany()
            if not piece:
                break
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _is_last(received: aiohttp.ClientResponse) -> bool:
    """True if the other side will take no more requests on this connection: it is about to end."""
    return received.headers.get("Connection", "").lower() == "close"


def _socket(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, READ_AHEAD_BYTES)
    return made


def _text(value: bytes) -> str:
    """Text that aiohttp turns back into the same bytes, if it is UTF-8."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _read_body(receive: Receive) -> bytes | None:
    """None if the client left before it had sent everything."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _unless_the_client_goes(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    loop = asyncio.get_running_loop()
    working, watching = loop.create_task(work), loop.create_task(_gone(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.wait((working, watching))


async def _gone(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        await asyncio.sleep(0)  # a receive() that always has data must not block the loop


async def send_problem(scope: Scope, send: Send, problem: Problem) -> None:
    """Answers an ASGI request with a problem document."""
    body = problem.render(scope["path"], current().request_id)
    headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", b"%d" % len(body))]
    headers += [(k.lower().encode(), v.encode("latin-1")) for k, v in problem.headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
