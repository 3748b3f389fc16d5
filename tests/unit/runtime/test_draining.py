"""What an app says once its process drains, and how the server's main process comes to its end."""

import asyncio
import os
import signal
from typing import Any

from chassis.draining import Drain
from runtime.draining import Drained


async def answering(_scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "http.request"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


async def headers_of(app: Any, path: str = "/x") -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "method": "GET", "path": path}, receive, send)
    assert sent[1]["body"] == b"ok"
    return list(sent[0]["headers"])


async def test_answers_close_their_connections_once_the_process_drains() -> None:
    drain = Drain()
    app = Drained(answering, drain)
    assert await headers_of(app) == [(b"x-own", b"1")]
    drain.begin()
    assert await headers_of(app) == [(b"x-own", b"1"), (b"connection", b"close")]


async def test_an_event_stream_ends_then_and_no_other_request_does() -> None:
    drain = Drain()
    ends: dict[str, str] = {}
    open_streams = asyncio.Semaphore(0)

    async def waiting(scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        open_streams.release()
        ends[scope["path"]] = (await receive())["type"]

    app = Drained(waiting, drain)

    def request(path: str) -> asyncio.Task[None]:
        messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Any:
            if (message := next(messages, None)) is None:
                await asyncio.Event().wait()
            return message

        async def send(_: Any) -> None:
            return None

        return asyncio.create_task(app({"type": "http", "path": path}, receive, send))

    stream, other = request("/sessions/1/seats/stream"), request("/shows")
    for _ in range(2):
        await open_streams.acquire()
    drain.begin()
    await asyncio.wait_for(stream, 10)
    assert ends == {"/sessions/1/seats/stream": "http.disconnect"}
    assert not other.done()
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)


async def test_the_notice_of_the_main_process_begins_it() -> None:
    drain = Drain()

    async def living(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()

    async def receive() -> Any:
        os.kill(os.getpid(), signal.SIGUSR2)
        await asyncio.wait_for(drain.begins(), 10)
        return {"type": "lifespan.startup"}

    try:
        await Drained(living, drain)({"type": "lifespan"}, receive, lambda _: None)  # type: ignore[arg-type]
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR2)
    assert drain.begun
