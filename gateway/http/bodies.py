"""Request bodies, read whole before a place is taken: a slow sender keeps nobody else waiting."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from chassis.problems import Overloaded, PayloadTooLarge
from chassis.seam.upstream import Receive
from gateway.http.request_headers import BODY_MAX_BYTES
from gateway.problems import RequestTimeout

BODY_DEADLINE_S = 10.0  # the whole body; a megabyte in that time is a slow telephone's
BUFFERED_MAX_BYTES = 128 * 1_048_576  # bodies held by one process at a time


class ClientGone(Exception):
    """The client closed the connection; there is nobody to answer."""


class Bodies:
    """Reads bodies, counts what is held of them all."""

    def __init__(self, *, deadline_s: float = BODY_DEADLINE_S) -> None:
        self._deadline_s = deadline_s
        self._held_bytes = 0

    async def read(self, receive: Receive) -> bytes:
        """Raises PayloadTooLarge as soon as it is, RequestTimeout, ClientGone."""
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._read(receive)
        except TimeoutError:
            raise RequestTimeout() from None

    @contextmanager
    def held(self, body: bytes) -> Iterator[None]:
        """While a body waits and is forwarded. Raises Overloaded beyond BUFFERED_MAX_BYTES."""
        if self._held_bytes + len(body) > BUFFERED_MAX_BYTES:
            raise Overloaded()
        self._held_bytes += len(body)
        try:
            yield
        finally:
            self._held_bytes -= len(body)

    async def _read(self, receive: Receive) -> bytes:
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
                    raise PayloadTooLarge(f"At most {BODY_MAX_BYTES} bytes.")
                if self._held_bytes + len(part) > BUFFERED_MAX_BYTES:
                    raise Overloaded()
                self._held_bytes += len(part)
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
        finally:
            self._held_bytes -= sum(map(len, parts))
