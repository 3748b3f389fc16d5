"""Sends long bodies in pieces, so that a web server never buffers more of one than its client reads.

A server that gets a whole body copies it for each client and keeps the copy until the client has read it.
With pieces, it makes `send` wait once a few of them are waiting (ADR 39).
"""

from collections.abc import Awaitable, Callable, Iterator

from chassis.seam.upstream import Message, Receive, Scope, Send

LONG_FROM_BYTES = 65_536  # a shorter body fits into the buffers of the server and the kernel
PIECE_BYTES = 16_384  # four of them wait in Granian, and hyper behind it holds 64 KiB

App = Callable[[Scope, Receive, Send], Awaitable[None]]


def pieces_of(body: bytes) -> Iterator[bytes]:
    """The body, copied one piece at a time. At least one piece, which may be empty."""
    if len(body) <= PIECE_BYTES:
        yield body
        return
    view = memoryview(body)
    for start in range(0, len(body), PIECE_BYTES):
        yield bytes(view[start : start + PIECE_BYTES])


def in_pieces(app: App) -> App:
    """The app, with its long bodies sent in pieces: for a service that runs as a server of its own."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_on(message: Message) -> None:
            body = message.get("body", b"")
            if len(body) <= LONG_FROM_BYTES:
                await send(message)
                return
            for piece in pieces_of(body):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            if not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await app(scope, receive, send_on)

    return serve
