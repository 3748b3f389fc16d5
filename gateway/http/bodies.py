"""Reads request bodies whole before the request takes a place, so a slow sender delays nobody
else."""

from collections.abc import Iterator
from contextlib import contextmanager

from chassis.concurrency.deadlines import Deadlines
from chassis.problems import Overloaded, PayloadTooLarge
from chassis.seam.upstream import Receive
from gateway.http.request_headers import BODY_MAX_BYTES
from gateway.problems import RequestTimeout

BODY_DEADLINE_S = 10.0  # for the whole body: a slow phone sends a megabyte in this time
BUFFERED_MAX_BYTES = 128 * 1_048_576  # bodies held by one process at a time


class ClientGone(Exception):
    """The client closed the connection, so there is nobody to answer."""


class Bodies:
    """Reads bodies and counts the bytes held by all of them."""

    def __init__(self, *, deadline_s: float = BODY_DEADLINE_S) -> None:
        self._deadlines = Deadlines(deadline_s)
        self._held_bytes = 0

    async def read(self, receive: Receive, length: int) -> bytes:
        """`length`: as declared, -1 if it is not known. Raises PayloadTooLarge at the first byte beyond the
        limit, RequestTimeout, or ClientGone."""
        try:
            with self._deadlines.within():
                return await self._read(receive, length)
        except TimeoutError:
            raise RequestTimeout() from None

    @contextmanager
    def held(self, body: bytes) -> Iterator[None]:
        """Counts the body while it waits and is forwarded. Raises Overloaded above
        BUFFERED_MAX_BYTES."""
        if self._held_bytes + len(body) > BUFFERED_MAX_BYTES:
            raise Overloaded()
        self._held_bytes += len(body)
        try:
            yield
        finally:
            self._held_bytes -= len(body)

    async def _read(self, receive: Receive, length: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone()
                part = message.get("body", b"")
                size += len(part)
                if size > BODY_MAX_BYTES:
                    raise PayloadTooLarge(
                        f"A request body may have at most {BODY_MAX_BYTES} bytes."
                    )
                if self._held_bytes + len(part) > BUFFERED_MAX_BYTES:
                    raise Overloaded()
                self._held_bytes += len(part)
                parts.append(part)
                # Granian says `more_body` with a last piece, and asking again costs another thread's turn.
                if size == length or not message.get("more_body", False):
                    return parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            self._held_bytes -= sum(map(len, parts))
