"""Forwards a request to a service and relays the answer: straight to a fast route of this process
(gateway.direct), or by ASGI to everything else.

Requests that may change state run in a task of their own. They run to completion even if the client
disconnects or the server is stopping; only the answer is dropped.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from chassis.http.completion import RUN_TO_ITS_END, RequestCompletion
from chassis.observability import logs
from chassis.observability.tracer import request_attributes
from chassis.problems import (
    CONTENT_TYPE,
    Forbidden,
    InternalError,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Problem,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from chassis.seam.upstream import SAFE_METHODS, Message, Scope, Upstreams
from chassis.spans import CLIENT
from contracts.identity import REVOKED_LOGIN_HEADER
from gateway.direct import DirectWays
from gateway.http.compression import Compression, as_asked, varied
from gateway.http.exchange import Exchange
from gateway.http.request_headers import Headers
from gateway.protection.revocations import Revocations
from gateway.routing import Route

ANSWER_DEADLINE_S = 15.0  # until the answer begins; deadlines between services are shorter
_PROBLEM_TYPE = CONTENT_TYPE.encode("ascii")
_BY_STATUS: dict[int, type[Problem]] = {
    kind.status: kind
    for kind in (
        ValidationFailed,
        Unauthenticated,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        PayloadTooLarge,
        UnsupportedMediaType,
        InternalError,
        Unavailable,
    )
}

log = logs.get("gateway")


class Forwarder:
    """`await forward(exchange, route, address, body)` returns when the answer has been sent."""

    def __init__(
        self,
        upstreams: Upstreams,
        revocations: Revocations,
        *,
        deadline_s: float = ANSWER_DEADLINE_S,
        compression: Compression | None = None,
    ) -> None:
        self._upstreams = upstreams
        self._revocations = revocations
        self._deadline_s = deadline_s
        self._compression = compression or Compression()
        self._completion = RequestCompletion()
        self._direct = DirectWays(
            upstreams, revocations, self._compression, self._completion, deadline_s=deadline_s
        )

    def kept(self, exchange: Exchange) -> tuple[int, Sequence[tuple[bytes, bytes]], bytes] | None:
        """The answer to a read without a body, if it is at hand: see gateway.http.kept."""
        return self._direct.kept.find(exchange)

    async def forward(self, exchange: Exchange, route: Route, address: str, body: bytes) -> None:
        """Raises Unavailable if no answer begins in time. The change may still happen
        afterwards."""
        found = self._direct.find(exchange, route, address, body)
        if found is not None:
            await self._direct.serve(exchange, route, found)
            return
        packing = self._compression if self._compression.applies(exchange, route) else None
        relay = _Relay(exchange, body, self._revocations, packing, cookies=route.cookies)
        upstream: Any = getattr(self._upstreams, route.service)
        scope = _scope(exchange, address, body, cookies=route.cookies)
        part = exchange.context.trace
        call_id, began_s = (part.call_id if part is not None else 0), time.perf_counter()
        try:
            await self._forward(exchange, upstream, scope, relay)
        finally:
            if part is not None:
                name, attributes, error = request_attributes(
                    exchange.known_method, route.template, exchange.status
                )
                attributes["peer.service"] = route.service
                part.add(name, CLIENT, began_s, attributes, error=error, span_id=call_id)
        if not exchange.status and not exchange.gone and not relay.client_gone:
            raise RuntimeError(f"{route.service} did not answer {route.template}")

    async def _forward(
        self, exchange: Exchange, upstream: Any, scope: Scope, relay: "_Relay"
    ) -> None:
        if exchange.method in SAFE_METHODS:
            async with asyncio.timeout(self._deadline_s) as deadline:
                relay.deadline = deadline
                await upstream(scope, relay.receive, relay.send)
        else:
            try:
                await self._completion.run(
                    upstream(scope, relay.receive, relay.send),
                    begins_within_s=self._deadline_s,
                    has_begun=lambda: exchange.status > 0,
                )
            except (asyncio.CancelledError, TimeoutError):
                relay.dropped = True  # whatever the service says later has nobody to hear it
                raise

    async def drain(self) -> None:
        """Waits for requests that may change state, for a limited time."""
        await self._completion.drain()


class _Relay:
    """The `receive` and `send` that a service gets for one request."""

    __slots__ = (
        "_body",
        "_cookies",
        "_exchange",
        "_held",
        "_packing",
        "_parts",
        "_refusal",
        "_revocations",
        "client_gone",
        "deadline",
        "dropped",
    )

    def __init__(
        self,
        exchange: Exchange,
        body: bytes,
        revocations: Revocations,
        packing: Compression | None,
        *,
        cookies: bool,
    ) -> None:
        self._exchange = exchange
        self._packing = packing
        # headers of an answer that is compressed once it is complete
        self._held: Headers | None = None
        self._parts: list[bytes] = []
        self._body: bytes | None = body
        self._revocations = revocations
        self._cookies = cookies
        self._refusal: Problem | None = None
        self.deadline: asyncio.Timeout | None = None
        self.client_gone = False
        self.dropped = False

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        while not self.client_gone:
            message = await self._exchange.receive()
            self.client_gone = message["type"] == "http.disconnect"
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._start(message["status"], message["headers"])
        elif message["type"] == "http.response.body" and self._refusal is None and not self.dropped:
            more = message.get("more_body", False)
            if self._held is None:
                await self._exchange.write(message.get("body", b""), more=more)
            else:
                await self._pack(message.get("body", b""), more=more)

    async def _start(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        if self.deadline is not None:
            self.deadline.reschedule(None)
        for name, value in headers:
            if name == REVOKED_LOGIN_HEADER:
                await self._revocations.mark(value.decode("ascii"))
        if self.dropped:
            return
        if status >= 400 and not _is_problem(headers):
            self._refusal = _BY_STATUS.get(status, InternalError if status >= 500 else NotFound)()
            await self._exchange.refuse(self._refusal)
            return
        headers = [header for header in headers if self._cookies or header[0] != b"set-cookie"]
        if self._packing is not None:
            headers = varied(headers)
            if status == 304:
                headers = as_asked(self._exchange, headers)
            elif self._packing.packs(self._exchange, status, headers):
                self._held = headers
                return
        await self._begin(status, headers)

    async def _begin(self, status: int, headers: Headers) -> None:
        try:
            await self._exchange.start(status, headers)
        except Problem as refusal:  # too many long answers; the service has already done its work
            self._refusal = refusal
            await self._exchange.refuse(refusal)

    async def _pack(self, part: bytes, *, more: bool) -> None:
        self._parts.append(part)
        if not more:
            assert self._packing is not None
            assert self._held is not None
            body = b"".join(self._parts)
            headers, packed = await self._packing.pack(self._exchange, self._held, body)
            self._held = None
            await self._begin(200, headers)
            if self._refusal is None:
                await self._exchange.write(packed, more=False)


def _is_problem(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    return any(
        name == b"content-type" and value.startswith(_PROBLEM_TYPE) for name, value in headers
    )


def _scope(exchange: Exchange, address: str, body: bytes, *, cookies: bool) -> Scope:
    """The scope for the service. HEAD becomes GET: services need only GET, and the gateway drops
    the body."""
    came = exchange.scope
    headers: Headers = exchange.headers.cleaned(cookies=cookies)
    headers += exchange.context.outgoing_headers()
    headers.append((b"host", exchange.headers.get(b"host") or b"stampede"))
    headers.append((b"x-forwarded-for", address.encode("ascii")))
    if body or exchange.method not in SAFE_METHODS:
        headers.append((b"content-length", b"%d" % len(body)))
    return {
        "type": "http",
        "asgi": came["asgi"],
        "http_version": came["http_version"],
        "method": "GET" if exchange.method == "HEAD" else exchange.method,
        "scheme": came["scheme"],
        "path": exchange.path,
        "raw_path": exchange.path.encode("ascii"),
        "query_string": exchange.query,
        "root_path": "",
        "headers": headers,
        "client": (address, 0),
        "server": came["server"],
        "state": {},
        "extensions": RUN_TO_ITS_END,
    }
