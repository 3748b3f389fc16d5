"""The identity service alone over a real database, called as the gateway would call it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from chassis.broker import MemoryBroker
from chassis.settings import Settings
from chassis.upstream import Upstreams
from chassis.wiring import Wiring, wire
from identity.asgi import create_app
from identity.hashing import HashingPool
from stampede.compose import LocalUpstream

PASSWORD = "three blue kettles on a shelf"
EMAIL = "ann@example.com"


class Answer:
    """Status, headers by lower-case name, raw body; `json` decoded."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json", self
        return str(self.json["code"])

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:400]!r}>"


class Identity:
    """One identity app; paths below /api/v1/auth unless they begin with a slash."""

    def __init__(self, app: Any, wiring: Wiring) -> None:
        self.app, self.wiring = app, wiring

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        data = raw if raw is not None else b"" if body is None else msgspec.json.encode(body)
        sent = {"host": "identity", **(headers or {})}
        if data:
            sent = {"content-type": "application/json", "content-length": str(len(data)), **sent}
        if token:
            sent["authorization"] = f"Bearer {token}"
        path = path if path.startswith("/") else f"/api/v1/auth/{path}"
        return await _exchange(self.app, method, path, sent, data)

    async def get(self, path: str, **how: Any) -> Answer:
        return await self.call("GET", path, **how)

    async def post(self, path: str, body: Any = None, **how: Any) -> Answer:
        return await self.call("POST", path, body, **how)

    async def register(self, email: str = EMAIL, **how: Any) -> Any:
        """A new account's tokens."""
        body = {"email": email, "password": PASSWORD, "full_name": "Ann Example"}
        answer = await self.post("register", body, **how)
        assert answer.status == 201, answer
        return answer.json

    async def log_in(self, email: str = EMAIL, password: str = PASSWORD) -> Answer:
        return await self.post("login", {"email": email, "password": password})

    async def refresh(self, refresh_token: str) -> Answer:
        return await self.post("refresh", {"refresh_token": refresh_token})


async def _exchange(
    app: Any, method: str, path: str, headers: dict[str, str], data: bytes
) -> Answer:
    status, found, parts = 0, {}, []

    async def receive() -> Any:
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            found.update({k.decode().lower(): v.decode() for k, v in message["headers"]})
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
        "query_string": b"",
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()],
        "client": ("127.0.0.1", 0),
        "server": ("identity", 80),
        "state": {},
        "extensions": {},
    }
    await app(scope, receive, send)
    return Answer(status, found, b"".join(parts))


@asynccontextmanager
async def running_identity(
    database_url: str, *, passwords: HashingPool | None = None, **settings: Any
) -> AsyncIterator[Identity]:
    """The app within its lifespan; all four upstreams of the wiring are the app itself."""
    itself = LocalUpstream()
    seam = Upstreams(identity=itself, catalog=itself, booking=itself, notification=itself)
    wiring = wire(Settings(database_url=database_url, **settings), seam, MemoryBroker([]))
    itself.app = app = create_app(wiring, passwords=passwords)
    async with living(app):
        yield Identity(app, wiring)


@asynccontextmanager
async def living(app: Any) -> AsyncIterator[None]:
    """The app's lifespan in a task of its own: a fixture is set up in one task and torn down in
    another, which Litestar's task group does not suffer."""
    stop = asyncio.Event()
    started: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def live() -> None:
        async with app.lifespan():
            started.set_result(None)
            await stop.wait()

    task = asyncio.create_task(live())
    await asyncio.wait([task, started], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()  # raises what kept it from starting
    try:
        yield
    finally:
        stop.set()
        await task


@asynccontextmanager
async def identity_tables(database_url: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection that sees identity's tables as the service does."""
    connection = await asyncpg.connect(
        database_url, server_settings={"search_path": "identity", "timezone": "UTC"}
    )
    try:
        yield connection
    finally:
        await connection.close()
