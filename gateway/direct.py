"""The short way: hands a request to a fast route of a service in this process (docs/adr/0073).

What the service gets are the bytes that it would get over HTTP, and its answer gets the same headers. What is
spared is a second ASGI scope and its messages, a task, a timer, and a second check of the access token.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

from chassis.concurrency.deadlines import Deadlines
from chassis.context import CURRENT, RequestContext
from chassis.http.completion import RequestCompletion
from chassis.observability import logs
from chassis.observability.tracer import request_attributes
from chassis.problems import Problem, Unavailable
from chassis.seam.direct import Call, Reply, Way
from chassis.seam.upstream import SAFE_METHODS, Upstreams
from chassis.spans import CLIENT
from contracts.identity import REVOKED_LOGIN_HEADER
from gateway.http.compression import Compression, as_asked, varied
from gateway.http.exchange import Exchange
from gateway.http.kept import KeptAnswers
from gateway.protection.revocations import Revocations
from gateway.routing import Route

SERVICES = ("identity", "catalog", "booking", "notification")

log = logs.get("gateway")


class Found(NamedTuple):
    way: Way
    call: Call
    arguments: dict[str, Any]


class DirectWays:
    """`find(…)` returns what `await serve(…)` takes, or None for a request that goes by ASGI.

    Requests that may change state are not cancelled: the server cancels none, and at a deadline only the
    client is answered. At the end `completion` waits for them.
    """

    def __init__(
        self,
        upstreams: Upstreams,
        revocations: Revocations,
        compression: Compression,
        completion: RequestCompletion,
        *,
        deadline_s: float,
    ) -> None:
        self._ways: dict[tuple[str, str], Way] = {}
        for name in SERVICES:
            ways = getattr(getattr(upstreams, name), "ways", None)
            if ways is not None:
                self._ways |= ways()
        self._revocations = revocations
        self._compression = compression
        self._completion = completion
        self._deadlines = Deadlines(deadline_s)
        self.kept = KeptAnswers()

    def find(self, exchange: Exchange, route: Route, address: str, body: bytes) -> Found | None:
        method = "GET" if exchange.method == "HEAD" else exchange.method
        way = self._ways.get((method, route.template))
        if way is None:
            return None
        headers = exchange.headers.plain(cookies=route.cookies)
        if headers is None:
            return None
        headers[b"host"] = exchange.headers.get(b"host") or b"stampede"
        headers[b"x-forwarded-for"] = address.encode("ascii")
        if body or method not in SAFE_METHODS:
            headers[b"content-length"] = b"%d" % len(body)
        call = Call(method, exchange.path, exchange.query, headers)
        call.body = body
        call.verified = exchange.verified
        arguments = way.arguments(exchange.target.segments, call)
        return None if arguments is None else Found(way, call, arguments)

    async def serve(self, exchange: Exchange, route: Route, found: Found) -> None:
        """Raises TimeoutError if the answer to a read does not come in time."""
        context = exchange.context.callee(route.service)
        part = exchange.context.trace
        call_id, began_s = (part.call_id if part is not None else 0), time.perf_counter()
        try:
            if found.call.method in SAFE_METHODS:
                await self._read(exchange, route, found, context)
            else:
                await self._change(exchange, route, found, context)
        finally:
            if part is not None:
                name, attributes, error = request_attributes(
                    exchange.known_method, route.template, exchange.status
                )
                attributes["peer.service"] = route.service
                part.add(name, CLIENT, began_s, attributes, error=error, span_id=call_id)

    async def _read(
        self, exchange: Exchange, route: Route, found: Found, context: RequestContext
    ) -> None:
        way, call, arguments = found
        with self._deadlines.within() as limit:
            reply = await way.serve(call, arguments, context)
            limit.lift()
            status, body = reply.status, reply.body
            headers = await self._for_client(reply, route)
            if self._compression.applies(exchange, route):
                headers = varied(headers)
                if status == 304:
                    headers = as_asked(exchange, headers)
                elif isinstance(body, bytes) and self._compression.packs(exchange, status, headers):
                    headers, body = await self._compression.pack(exchange, headers, body)
            if status == 200 and reply.is_current is not None and isinstance(body, bytes):
                self.kept.keep(exchange, headers, body, reply.is_current)
            await _send(exchange, status, headers, body)

    async def _change(
        self, exchange: Exchange, route: Route, found: Found, context: RequestContext
    ) -> None:
        way, call, arguments = found
        overdue = _Overdue(exchange)
        self._completion.began()
        self._deadlines.add(overdue)
        try:
            reply = await way.serve(call, arguments, context)
            self._deadlines.drop(overdue)
            headers = await self._for_client(reply, route)
            if overdue.refusing is not None:
                await overdue.refusing
            else:
                await _send(exchange, reply.status, headers, reply.body)
        finally:
            self._deadlines.drop(overdue)
            self._completion.ended()

    async def _for_client(self, reply: Reply, route: Route) -> list[tuple[bytes, bytes]]:
        """The headers, as far as its client may see them. Logins that they end end before it is told."""
        headers = reply.headers
        for name, value in headers:
            if name == REVOKED_LOGIN_HEADER:
                await self._revocations.mark(value.decode("ascii"))
            elif name == b"set-cookie" and not route.cookies:
                headers = [header for header in headers if header[0] != b"set-cookie"]
        return headers


class _Overdue:
    """Tells a client whose change takes too long. The change goes on, and what it answers is dropped."""

    __slots__ = ("_exchange", "refusing")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.refusing: asyncio.Task[None] | None = None

    def late(self) -> None:
        if self._exchange.on_long is not None:
            self._exchange.on_long()  # it keeps no place any more
        self._exchange.shed = True
        token = CURRENT.set(self._exchange.context)
        log.warning("upstream_failed", reason="TimeoutError")
        CURRENT.reset(token)
        loop = asyncio.get_running_loop()
        self.refusing = loop.create_task(self._exchange.refuse(Unavailable()))


async def _send(
    exchange: Exchange,
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes | AsyncIterator[bytes],
) -> None:
    try:
        if isinstance(body, bytes):
            await exchange.reply(status, headers, body)
            return
        await exchange.start(status, headers)
    except Problem as refusal:  # too many long answers; the service has already done its work
        await exchange.refuse(refusal)
        return
    async for piece in body:
        await exchange.write(piece, more=True)
    await exchange.write(b"", more=False)
