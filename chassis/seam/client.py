"""Typed calls from one service to another. Bytes cross the seam, never objects."""

import asyncio
import re
import time
from typing import Any, TypeVar

import msgspec

from chassis.context import current
from chassis.problems import Problem, Unavailable
from chassis.seam.upstream import Message, Scope, Upstream
from chassis.spans import CLIENT, Part

Answer = TypeVar("Answer")
DEADLINE_S = 3.0


class UpstreamRefused(Exception):
    """The other service answered with an error: its `status` and its problem's `code`."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail = status, code, detail


class ServiceClient:
    """Calls one service. Raises Unavailable if it does not answer in time or answers 5xx.

    stage: what the caller's request spends its wait on (RequestContext.spend).
    """

    def __init__(
        self,
        upstream: Upstream,
        *,
        deadline_s: float = DEADLINE_S,
        stage: str = "services",
    ) -> None:
        self._upstream = upstream
        self._stage = stage
        self._deadline_s = deadline_s

    async def get(self, path: str, kind: type[Answer]) -> Answer | None:
        """The decoded answer. None for 404."""
        try:
            return msgspec.json.decode(await self.request("GET", path), type=kind)
        except UpstreamRefused as refused:
            if refused.status == 404:
                return None
            raise

    async def post(self, path: str, body: Any, kind: type[Answer]) -> Answer:
        answer = await self.request("POST", path, msgspec.json.encode(body))
        return msgspec.json.decode(answer, type=kind)

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> bytes:
        """The answer's body if it is 2xx. Raises UpstreamRefused for 4xx, else Unavailable."""
        status, answer = await self.exchange(method, path, body, headers)
        if 200 <= status < 300:
            return answer
        if status >= 500:
            raise Unavailable()
        try:
            document = msgspec.json.decode(answer)
        except msgspec.DecodeError:
            document = {}
        raise UpstreamRefused(status, document.get("code", ""), document.get("detail", ""))

    async def exchange(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body, whatever they are. Raises Unavailable after the deadline."""
        status = 0
        parts: list[bytes] = []
        asked = False

        async def receive() -> Message:
            nonlocal asked
            # a service that asks again waits for a disconnect, and we stay until the answer
            if asked:
                await asyncio.get_running_loop().create_future()
            asked = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        began_s = time.perf_counter()
        scope = _scope(method, path, body, headers or [])
        part = current().trace
        call_id = part.call_id if part is not None else 0
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._upstream(scope, receive, send)
        except Problem:
            raise
        except (TimeoutError, OSError) as late:
            raise Unavailable() from late
        finally:
            current().spend(self._stage, began_s)
            if part is not None:
                trace_call(part, call_id, f"{method} {path}", status, began_s)
        return status, b"".join(parts)


_ID = re.compile(r"/(?:[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]+)(?=/|$)")


def trace_call(part: Part, call_id: int, call: str, status: int, began_s: float) -> None:
    """`status` 0: no answer."""
    method, _, template = _ID.sub("/{id}", call.partition("?")[0]).partition(" ")
    attributes: dict[str, Any] = {"http.request.method": method, "url.template": template}
    if status:
        attributes["http.response.status_code"] = status
    error = str(status) if status >= 400 else "" if status else "unanswered"
    part.add(f"{method} {template}", CLIENT, began_s, attributes, error=error, span_id=call_id)


def _scope(method: str, path: str, body: bytes, extra: list[tuple[bytes, bytes]]) -> Scope:
    path, _, query = path.partition("?")
    headers = [*current().outgoing_headers(), (b"host", b"stampede.internal"), *extra]
    if body:
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", b"%d" % len(body)))
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 0),
        "server": ("stampede.internal", 80),
        "state": {},
        "extensions": {},
    }
