"""One request under way: who asks, and how its answer gets out."""

import asyncio
import contextlib
import re
import string
import time
from collections.abc import Sequence
from urllib.parse import quote

from chassis.context import RequestContext, accept_request_id, new_root_span
from chassis.problems import CONTENT_TYPE, Problem
from chassis.upstream import Message, Receive, Scope, Send
from gateway.answer_headers import AnswerHeaders
from gateway.bodies import ClientGone
from gateway.headers import RequestHeaders
from gateway.routing import METHODS, judge

Headers = Sequence[tuple[bytes, bytes]]

NO_ROUTE = "(none)"
LOGGED_PATH_MAX = 200
LINGER_S = 2.0
LINGER_MAX_BYTES = 16 * 1_048_576
_PRIVATE = re.compile(r"@|%40|eyJ")
_PATH_CHARACTERS = "/%!$&'()*+,;=:@~"
_PRINTABLE = string.punctuation
_PROBLEM_TYPE = CONTENT_TYPE.encode("ascii")


class Exchange:
    """A request and its answer. What is sent through it is complete (see gateway.answer_headers) and,
    for HEAD, has no body. `status` is 0 until an answer has begun. `path` is quoted where it is not
    plain (see gateway.routing.judge), so that it can stand in logs and problems.
    """

    __slots__ = (
        "_answer_headers",
        "_receive",
        "_send",
        "began_s",
        "context",
        "ended",
        "gone",
        "headers",
        "is_plain",
        "limits",
        "method",
        "path",
        "query",
        "raw_path",
        "route",
        "scope",
        "status",
    )

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, answer_headers: AnswerHeaders
    ) -> None:
        self.began_s = time.perf_counter()
        self.scope = scope
        self.method: str = scope["method"]
        raw_path = scope.get("raw_path")
        self.raw_path: bytes = raw_path or quote(scope["path"]).encode("ascii")
        judged = judge(self.raw_path)
        self.is_plain = judged is not None
        self.path = judged or quote(self.raw_path, safe=_PATH_CHARACTERS)
        # UTF-8 that nobody percent-encoded (curl sends it so) is read as such, not as Latin-1.
        query: bytes = scope.get("query_string", b"")
        self.query = query if query.isascii() else quote(query, safe=_PRINTABLE).encode("ascii")
        self.headers = RequestHeaders(scope["headers"])
        request_id = accept_request_id(self.headers.get(b"x-request-id"))
        self.context = RequestContext(request_id, new_root_span())
        self.route = NO_ROUTE
        self.limits: Headers = ()
        self.status = 0
        self.ended = False
        self.gone = False
        self._answer_headers = answer_headers
        self._receive, self._send = receive, send

    async def receive(self) -> Message:
        return await self._receive()

    async def start(self, status: int, headers: Headers) -> None:
        self.status = status
        complete = self._answer_headers.complete(
            headers,
            request_id=self.context.request_id,
            origin=self.headers.get(b"origin"),
            limits=self.limits,
        )
        await self._out({"type": "http.response.start", "status": status, "headers": complete})

    async def write(self, body: bytes, *, more: bool) -> None:
        if self.ended:
            return
        self.ended = not more
        if self.method == "HEAD":
            if more:
                return
            body = b""
        await self._out({"type": "http.response.body", "body": body, "more_body": more})

    async def answer(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """A whole answer of the gateway's own."""
        if status not in {204, 304}:
            headers = [*headers, (b"content-length", b"%d" % len(body))]
        await self.start(status, headers)
        await self.write(body, more=False)

    async def refuse(self, problem: Problem, *, linger: bool = False) -> None:
        """`linger`: take in what the client still sends, within bounds, before the connection is
        closed under it; many clients read no answer before they have sent everything."""
        headers = [(b"content-type", _PROBLEM_TYPE)]
        for name, value in problem.headers.items():
            lower = name.lower().encode("latin-1")
            if lower.startswith(b"ratelimit"):
                self.limits = [*self.limits, (lower, value.encode("latin-1"))]
            else:
                headers.append((lower, value.encode("latin-1")))
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
        """The method as a label or in a log line: no word that a client made up."""
        return self.method if self.method in METHODS else "OTHER"

    @property
    def logged_path(self) -> str:
        """The path without its query: never long, and without what looks like a token or address."""
        path = self.path
        if "@" in path or "eyJ" in path or "%40" in path:
            path = "/".join(
                "[redacted]" if _PRIVATE.search(segment) else segment for segment in path.split("/")
            )
        return path if len(path) <= LOGGED_PATH_MAX else path[:LOGGED_PATH_MAX] + "..."

    async def _take_in_the_rest(self) -> None:
        taken = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while taken < LINGER_MAX_BYTES:
                    message = await self._receive()
                    taken += len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return

    async def _out(self, message: Message) -> None:
        """A client that has gone is no error: the work goes on, its answer is dropped."""
        if self.gone:
            return
        try:
            await self._send(message)
        except (OSError, ClientGone):
            self.gone = True
