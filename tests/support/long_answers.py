"""A gateway in front of a service with one long answer, as a server process.

Run as `python -m tests.support.long_answers together|service|gateway`. Settings come from the
environment. `service` is the service alone; `gateway` reaches it at STAMPEDE_CATALOG_URL.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from chassis import settings
from chassis.events.broker import MemoryBroker
from chassis.http.pieces import in_pieces
from chassis.observability import logs
from chassis.seam.upstream import HttpUpstream, Message, Receive, Scope, Send, Upstreams
from chassis.wiring import wire
from gateway.asgi import create_gateway
from runtime.listening import silent_takers_cut
from runtime.serving import server
from runtime.web import run_lifespan
from tests.support.gateway import Identity, Service, answer_json

LONG_BYTES = 4_000_000
LONG_PATH = "/api/v1/sessions/1/seat-map"
SHORT_PATH = "/api/v1/shows"
_LONG = bytes(range(250)) * (LONG_BYTES // 250)


async def _respond(scope: Scope, _body: bytes, send: Send) -> None:
    if scope["path"] != LONG_PATH:
        await answer_json(send, {"shows": []})
        return
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"4000000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    whole: Message = {"type": "http.response.body", "body": _LONG, "more_body": False}
    await send(whole)


def _service() -> Service:
    made = Service("catalog")
    made.respond = _respond
    return made


def service() -> Any:
    _say_what_happens()
    app = in_pieces(_service())

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            loaded = settings.load()
            await run_lifespan(lambda: silent_takers_cut(loaded.unread_timeout_s), receive, send)
        else:
            await app(scope, receive, send)

    return serve


def together() -> Any:
    return _gateway(_service())


def gateway() -> Any:
    return _gateway(HttpUpstream(settings.load().catalog_url or ""))


def _say_what_happens() -> None:
    logs.configure(None, log_format="text")


def _gateway(catalog: Any) -> Any:
    _say_what_happens()
    loaded = settings.load()
    others = {name: Service(name) for name in ("booking", "notification")}
    upstreams = Upstreams(identity=Identity(), catalog=catalog, **others)

    @asynccontextmanager
    async def inner() -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(silent_takers_cut(loaded.unread_timeout_s))
            if isinstance(catalog, HttpUpstream):
                await catalog.open()
                stack.push_async_callback(catalog.close)
            yield

    return create_gateway(wire(loaded, upstreams, MemoryBroker([])), inner)


if __name__ == "__main__":
    server(f"tests.support.long_answers:{sys.argv[1]}", settings.load()).serve()
