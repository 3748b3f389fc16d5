"""The end of a web process that loses no request.

    SIGTERM ─▶ /readyz is 503, answers close their connections ─drain_s─▶ no new connections ─▶ end
                (balancers and upstreams call others)                     (requests under way finish)

The server's main process (runtime.draining_server) gets SIGTERM, tells its worker processes by DRAIN_SIGNAL,
and stops them `drain_s` later. A worker process that is replaced (Granian's reload) gets no notice: the
socket stays open, and its successor accepts.
"""

import asyncio
from collections.abc import Awaitable, Callable

from chassis.draining import Drain
from chassis.http.streams import is_stream
from chassis.observability import logs
from chassis.seam.upstream import Message, Receive, Scope, Send
from runtime.draining_server import DRAIN_SIGNAL

CLOSE = (b"connection", b"close")

App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logs.get("web")


class Drained:
    """An app whose answers close their connections once its process drains. Event streams end then:
    browsers reconnect elsewhere and resume."""

    def __init__(self, app: App, drain: Drain) -> None:
        self._app, self._drain = app, drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            asyncio.get_running_loop().add_signal_handler(DRAIN_SIGNAL, self._begin)
            await self._app(scope, receive, send)
        elif scope["type"] == "http" and is_stream(scope["path"]):
            await self._app(scope, _until_drained(receive, self._drain), send)
        elif self._drain.begun:
            await self._app(scope, receive, _closing(send))
        else:
            await self._app(scope, receive, send)

    def _begin(self) -> None:
        log.info("draining")
        self._drain.begin()


def _closing(send: Send) -> Send:
    async def send_last(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], CLOSE]}
        await send(message)

    return send_last


def _until_drained(receive: Receive, drain: Drain) -> Receive:
    """A `receive` that says that the client left when the process drains."""

    async def receive_until() -> Message:
        loop = asyncio.get_running_loop()
        receiving = loop.create_task(_message(receive))
        beginning = loop.create_task(drain.begins())
        try:
            await asyncio.wait((receiving, beginning), return_when=asyncio.FIRST_COMPLETED)
            return receiving.result() if receiving.done() else {"type": "http.disconnect"}
        finally:
            receiving.cancel()
            beginning.cancel()

    return receive_until


async def _message(receive: Receive) -> Message:
    return await receive()
