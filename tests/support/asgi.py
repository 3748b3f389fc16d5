"""Runs an app within its lifespan, and sends it requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from multidict import CIMultiDict

from tests.support.api import Answer


async def exchange(
    app: Any, method: str, target: str, headers: dict[str, str], data: bytes
) -> Answer:
    """One request to an ASGI app; `target` is a percent-encoded path and query."""
    status, parts = 0, []
    found: CIMultiDict[str] = CIMultiDict()
    path, _, query = target.partition("?")

    async def receive() -> Any:
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            found.extend((k.decode(), v.decode()) for k, v in message["headers"])
        else:
            parts.append(message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()],
        "client": ("127.0.0.1", 0),
        "server": ("service", 80),
        "state": {},
        "extensions": {},
    }
    await app(scope, receive, send)
    return Answer(status, found, b"".join(parts))


@asynccontextmanager
async def in_a_task_of_its_own(open_context: Any) -> AsyncIterator[None]:
    """Enters and leaves a context in one task, as anyio requires. Fixtures begin and end in two."""
    opened, leave = asyncio.Event(), asyncio.Event()

    async def host() -> None:
        async with open_context():
            opened.set()
            await leave.wait()

    task = asyncio.create_task(host())
    opening = asyncio.create_task(opened.wait())
    await asyncio.wait({task, opening}, return_when=asyncio.FIRST_COMPLETED)
    opening.cancel()
    if task.done():
        task.result()
    try:
        yield
    finally:
        leave.set()
        await task
