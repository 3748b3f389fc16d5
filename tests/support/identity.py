"""Identity alone over a real database, called as the gateway calls it."""

import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
from argon2 import PasswordHasher

from chassis.clock import MachineClock
from chassis.events.broker import MemoryBroker
from chassis.seam.upstream import Upstreams
from chassis.settings import Settings
from chassis.wiring import Wiring, wire
from contracts.identity import PASSWORD_LINKS_PATH, PASSWORD_RESET_ASKED
from identity.asgi import create_app
from identity.hashing import HashingPool, threads_for
from runtime.compose import LocalUpstream
from tests.support.api import Answer
from tests.support.asgi import exchange, in_a_task_of_its_own

PASSWORD = "three blue kettles on a shelf"
NEW_PASSWORD = "five red kettles under a table"
EMAIL = "ann@example.com"
BUSY_MACHINE_S = 60.0  # longer than a hash waits for a thread beside other test runs


class HeldHasher(PasswordHasher):
    """Hashes when told to."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.go_on = threading.Event()
        self.go_on.set()
        self.threads: set[int] = set()

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        self.threads.add(threading.get_ident())
        assert self.go_on.wait(10)
        return super().hash(password, salt=salt)


class Identity:
    """One identity app. Paths are below /api/v1/auth unless they begin with a slash."""

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
        return await exchange(self.app, method, path, sent, data)

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

    async def log_in(self, email: str = EMAIL, password: str = PASSWORD, **how: Any) -> Answer:
        return await self.post("login", {"email": email, "password": password}, **how)

    async def forget(self, email: str = EMAIL) -> None:
        """Requests a link to reset the password."""
        asked = await self.post("password/forgot", {"email": email})
        assert asked.status == 202, asked

    async def link(self, tables: "asyncpg.Connection[Any]") -> str:
        """The token of the last requested link, created as notification has it created."""
        data = await tables.fetchval(
            "SELECT data FROM outbox WHERE type = $1 ORDER BY position DESC LIMIT 1",
            PASSWORD_RESET_ASKED,
        )
        wanted = {"reset_id": msgspec.json.decode(data)["reset_id"]}
        made = await self.post(PASSWORD_LINKS_PATH, wanted)
        assert made.status == 200, made
        return str(made.json["token"])

    async def reset(self, token: str, password: str = NEW_PASSWORD, **how: Any) -> Answer:
        return await self.post("password/reset", {"token": token, "password": password}, **how)

    async def change(
        self, token: str, current: str = PASSWORD, password: str = NEW_PASSWORD, **how: Any
    ) -> Answer:
        body = {"current_password": current, "password": password}
        return await self.post("password/change", body, token=token, **how)

    async def refresh(self, refresh_token: str) -> Answer:
        return await self.post("refresh", {"refresh_token": refresh_token})


@asynccontextmanager
async def running_identity(
    database_url: str,
    *,
    passwords: HashingPool | None = None,
    clock: MachineClock = time,
    **settings: Any,
) -> AsyncIterator[Identity]:
    """The app within its lifespan. All four upstreams of the wiring are this app. Its passwords wait for a
    thread as long as the machine is busy: that they wait only so long is tested with pools of their own."""
    patient = passwords or HashingPool(threads=threads_for(1), wait_max_s=BUSY_MACHINE_S)
    itself = LocalUpstream()
    seam = Upstreams(identity=itself, catalog=itself, booking=itself, notification=itself)
    wiring = wire(
        Settings(database_url=database_url, **settings), seam, MemoryBroker([]), clock=clock
    )
    itself.app = app = create_app(wiring, passwords=patient)
    async with in_a_task_of_its_own(app.lifespan):
        yield Identity(app, wiring)


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
