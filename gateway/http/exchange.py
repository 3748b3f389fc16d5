"""One request and how its answer is sent."""

import asyncio
import contextlib
import string
import time
from collections.abc import Callable, Sequence
from urllib.parse import quote

from chassis.context import RequestContext, accept_request_id, new_root_span
from chassis.http.pieces import LONG_FROM_BYTES, pieces_of
from chassis.observability import logs
from chassis.problems import CONTENT_TYPE, Problem
from chassis.seam.direct import Verified
from chassis.seam.upstream import Message, Receive, Scope, Send
from gateway.http.bodies import ClientGone
from gateway.http.request_headers import RequestHeaders
from gateway.http.response_headers import AnswerHeaders
from gateway.metrics import CUT
from gateway.protection.unread import LongAnswer, Unread
from gateway.routing import METHODS, Target

Headers = Sequence[tuple[bytes, bytes]]

NO_ROUTE = "(none)"
ANONYMOUS = "anonymous"
LINGER_S = 10.0  # in all, while the client goes on sending
LINGER_PAUSE_S = 2.0
LINGER_MAX_BYTES = 16 * 1_048_576
_PRINTABLE = string.punctuation
_PROBLEM_TYPE = CONTENT_TYPE.encode("ascii")

log = logs.get("gateway")


class Exchange:
    """A request and its answer. Call `close()` at the end.

    The answer gets its missing headers (see gateway.http.response_headers) and, for HEAD, no body.
    `status` is 0 until the answer begins.
    `target` is what the path says (see gateway.routing), and `path` its text.
    `verified` is the access token that was checked.
    `caller` is what kind of client asks (see gateway.metrics).
    `counted_as` is the address that its unread answers count for.
    `on_long` is called when a long answer begins.
    """

    __slots__ = (
        "_answer_headers",
        "_long",
        "_receive",
        "_send",
        "_unread",
        "began_s",
        "caller",
        "context",
        "counted_as",
        "ended",
        "gone",
        "headers",
        "limits",
        "method",
        "on_long",
        "path",
        "query",
        "raw_path",
        "route",
        "scope",
        "shed",
        "status",
        "target",
        "verified",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        answer_headers: AnswerHeaders,
        unread: Unread,
        *,
        find: Callable[[bytes], Target],
    ) -> None:
        self.began_s = time.perf_counter()
        self.scope = scope
        self.method: str = scope["method"]
        raw_path = scope.get("raw_path")
        self.raw_path: bytes = raw_path or quote(scope["path"]).encode("ascii")
        self.target = find(self.raw_path)
        self.path = self.target.path
        # Some clients (curl) send UTF-8 without percent-encoding it: read it as UTF-8, not as
        # Latin-1.
        query: bytes = scope.get("query_string", b"")
        self.query = query if query.isascii() else quote(query, safe=_PRINTABLE).encode("ascii")
        self.headers = RequestHeaders(scope["headers"])
        request_id = accept_request_id(self.headers.single(b"x-request-id"))
        self.context = RequestContext(request_id, new_root_span())
        self.route = NO_ROUTE
        self.caller = ANONYMOUS
        self.limits: Headers = ()
        self.verified: Verified | None = None
        self.status = 0
        self.shed = False  # refused by the gateway itself, because no place was free
        self.ended = False
        self.gone = False
        self.counted_as = ""
        self.on_long: Callable[[], None] | None = None
        self._long: LongAnswer | None = None
        self._unread = unread
        self._answer_headers = answer_headers
        self._receive, self._send = receive, send

    async def receive(self) -> Message:
        return await self._receive()

    def close(self) -> None:
        """Call it after the last byte, or when no more will come."""
        if self._long is not None:
            self._long.end()
            self._long = None

    async def start(self, status: int, headers: Headers) -> None:
        """Raises RateLimited or Overloaded before sending anything if this is one long answer too
        many (see gateway.protection.unread)."""
        if self.method != "HEAD":
            size = _long_size(status, headers)
            if size is not None:
                self._long = self._unread.begin(self.counted_as, size)
                if self.on_long is not None:
                    self.on_long()
        self.status = status
        complete = self._complete(headers)
        await self._out({"type": "http.response.start", "status": status, "headers": complete})

    def _complete(self, headers: Headers) -> Headers:
        return self._answer_headers.complete(
            headers,
            request_id=self.context.request_id,
            origin=self.headers.get(b"origin"),
            limits=self.limits,
        )

    async def reply(self, status: int, headers: Headers, body: bytes) -> None:
        """Sends a whole answer. Raises as `start` does."""
        if len(body) > LONG_FROM_BYTES or self.method == "HEAD":
            await self.start(status, headers)
            await self.write(body, more=False)
            return
        self.status = status
        self.ended = True
        complete = self._complete(headers)
        if self.gone:
            return
        try:
            await self._send({"type": "http.response.start", "status": status, "headers": complete})
            await self._send({"type": "http.response.body", "body": body, "more_body": False})
        except (OSError, ClientGone):
            self.gone = True

    async def write(self, body: bytes, *, more: bool) -> None:
        if self.ended:
            return
        self.ended = not more
        if self.method == "HEAD":
            if more:
                return
            body = b""
        if self._long is None and len(body) <= LONG_FROM_BYTES:
            await self._out({"type": "http.response.body", "body": body, "more_body": more})
        else:
            await self._hand_over(body, more=more)

    async def answer(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """Sends a whole answer of the gateway itself."""
        if status not in {204, 304}:
            headers = [*headers, (b"content-length", b"%d" % len(body))]
        await self.reply(status, headers, body)

    async def refuse(self, problem: Problem, *, linger: bool = False) -> None:
        """`linger`: read what the client still sends, within bounds, before the connection closes.
        Many clients read no answer before they have sent everything."""
        headers = [(b"content-type", _PROBLEM_TYPE)]
        for name, value in problem.headers.items():
            headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
        body = problem.render(self.path, self.context.request_id)
        if linger:
            await self.start(problem.status, [*headers, (b"content-length", b"%d" % len(body))])
            await self.write(body, more=True)
            await self._take_in_the_rest()
            await self.write(b"", more=False)
        else:
            await self.answer(problem.status, headers, body)

    @property
    def known_method(self) -> str:
        """The method as a label or in a log line. Unknown methods are OTHER, so clients cannot
        invent labels."""
        return self.method if self.method in METHODS else "OTHER"

    @property
    def logged_path(self) -> str:
        """The path without its query, shortened, and with likely secrets masked."""
        return self.target.logged

    async def _take_in_the_rest(self) -> None:
        taken = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while taken < LINGER_MAX_BYTES:
                    async with asyncio.timeout(LINGER_PAUSE_S):
                        message = await self._receive()
                    taken += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return

    async def _hand_over(self, body: bytes, *, more: bool) -> None:
        """Sends the body in pieces, each after the last one was read. Cuts a client that reads
        nothing."""
        loop = asyncio.get_running_loop()
        timeout_s = self._unread.timeout_s
        try:
            async with asyncio.timeout(timeout_s) as deadline:
                for piece in pieces_of(body):
                    await self._out(
                        {"type": "http.response.body", "body": piece, "more_body": True}
                    )
                    if self.gone:
                        return
                    deadline.reschedule(loop.time() + timeout_s)
                    if self._long is not None:
                        self._long.taken(len(piece))
                if not more:
                    await self._out({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            self.gone = True
            CUT.inc()
            log.info("client_cut", route=self.route, took_nothing_for_s=timeout_s)

    async def _out(self, message: Message) -> None:
        """Not an error if the client has gone: the work continues and its answer is dropped."""
        if self.gone:
            return
        try:
            await self._send(message)
        except (OSError, ClientGone):
            self.gone = True


def _long_size(status: int, headers: Headers) -> int | None:
    """The size of a long body, 0 if unknown. None for a short body and for event streams, which
    have places of their own."""
    for name, value in headers:
        if name == b"content-length":
            size = int(value)
            return size if size > LONG_FROM_BYTES else None
        if name == b"content-type" and value.startswith(b"text/event-stream"):
            return None
    return None if status in {204, 304} else 0
