"""Notification on a real database, with an identity that knows the test's accounts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from chassis.context import current
from chassis.events.broker import EVENTS_PATH, MemoryBroker
from chassis.events.envelope import Event, EventBatch
from chassis.ids import uuid7
from chassis.observability import logs
from chassis.postgres.pool import Pool, open_pool
from chassis.seam.client import ServiceClient
from chassis.seam.upstream import Upstreams
from chassis.settings import Settings
from chassis.wiring import Wiring, wire
from contracts.identity import (
    LOOKUP_PATH,
    PASSWORD_CHANGED,
    PASSWORD_LINKS_PATH,
    PASSWORD_RESET_ASKED,
    Account,
    AccountLookups,
    Accounts,
    PasswordChanged,
    PasswordLink,
    PasswordLinkWanted,
    PasswordResetAsked,
)
from notification.asgi import create_app
from notification.composition import open_channels
from notification.messages.rendering import Renderer
from notification.messages.sending import CONCURRENCY, Sender, accounts, links
from notification.outgoing import Channel
from tests.support.asgi import in_a_task_of_its_own
from tests.support.orders import USER_ID


class FakeIdentity:
    """POST /internal/users/lookup for the accounts in `accounts`, and /internal/password-links for the
    resets in `resets`. 503 while it is `down`."""

    def __init__(self) -> None:
        self.accounts: dict[UUID, Account] = {}
        self.resets: set[UUID] = set()
        self.links: list[str] = []
        self.down = False
        self.request_ids: list[str] = []
        self.add(USER_ID)

    def add(self, user_id: UUID, **fields: Any) -> None:
        known: dict[str, Any] = {
            "user_id": user_id,
            "email": "lilei@example.com",
            "full_name": "李雷",
            "phone": None,
            "locale": "zh",
            "roles": ["customer"],
            "active": True,
        }
        self.accounts[user_id] = Account(**{**known, **fields})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == PASSWORD_LINKS_PATH:
            await self._make_link((await receive())["body"], send)
            return
        assert scope["path"] == LOOKUP_PATH
        lookups = msgspec.json.decode((await receive())["body"], type=AccountLookups).lookups
        self.request_ids += [one.request_id for one in lookups]
        found = Accounts([self.accounts.get(one.user_id) for one in lookups])
        await self._answer(send, 200, found)

    async def _make_link(self, body: bytes, send: Any) -> None:
        wanted = msgspec.json.decode(body, type=PasswordLinkWanted)
        known = wanted.reset_id in self.resets
        if known and not self.down:
            self.links.append(f"link-{len(self.links)}")
        link = PasswordLink(self.links[-1], 1800) if known else {}
        await self._answer(send, 200 if known else 404, link)

    async def _answer(self, send: Any, status: int, answer: Any) -> None:
        status = 503 if self.down else status
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": msgspec.json.encode(answer)})


class Notification:
    """The running service: `deliver` events to it, run its `sender`, read its tables."""

    def __init__(self, app: Any, wiring: Wiring, pool: Pool, identity: FakeIdentity) -> None:
        self.app, self.wiring, self.pool, self.identity = app, wiring, pool, identity
        self.client = ServiceClient(app)

    async def deliver(self, *events: Event) -> None:
        await self.client.request("POST", EVENTS_PATH, msgspec.json.encode(EventBatch([*events])))

    def sender(
        self,
        channels: dict[str, Channel] | None = None,
        *,
        at_once: int = CONCURRENCY,
        log: Any = None,
    ) -> Sender:
        """A sender as workers.run builds it, with its own account cache."""
        return Sender(
            self.pool,
            channels or open_channels(self.wiring.settings, self.pool),
            Renderer(self.wiring.settings.base_url, self.wiring.settings.default_language),
            accounts(ServiceClient(self.identity)),
            log or logs.get("notification"),
            make_link=links(ServiceClient(self.identity)),
            header_domain="stampede.example",
            at_once=at_once,
        )

    async def states(self) -> list[tuple[str, str, str]]:
        rows = await self.pool.fetch(
            "SELECT template, channel, state FROM messages ORDER BY template, channel"
        )
        return [tuple(row) for row in rows]

    async def make_due(self) -> None:
        """Makes every waiting message due for its next try."""
        await self.pool.execute("UPDATE messages SET next_attempt = now() WHERE state = 'due'")

    async def get(
        self, path: str, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> tuple[int, dict[str, str], bytes]:
        """A browser's GET: status, headers, body."""
        answer: dict[str, Any] = {"body": b""}

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer["status"] = message["status"]
                answer["headers"] = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                answer["body"] += message.get("body", b"")

        where, _, query = path.partition("?")
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "scheme": "http", "path": where, "raw_path": where.encode(), "root_path": "",
            "query_string": query.encode(), "headers": [(b"host", b"localhost"), *headers],
            "client": ("127.0.0.1", 1), "server": ("localhost", 80), "state": {}, "extensions": {},
        }  # fmt: skip
        await self.app(scope, receive, send)
        return answer["status"], answer["headers"], answer["body"]


@asynccontextmanager
async def running_notification(database_url: str, **settings: Any) -> AsyncIterator[Notification]:
    identity = FakeIdentity()
    upstreams = Upstreams(identity=identity, catalog=_nobody, booking=_nobody, notification=_nobody)
    wiring = wire(Settings(database_url=database_url, **settings), upstreams, MemoryBroker([]))
    app = create_app(wiring)
    pool = await open_pool(database_url, "notification", size=10)
    try:
        async with in_a_task_of_its_own(app.lifespan):
            yield Notification(app, wiring, pool, identity)
    finally:
        pool.terminate()


def password_reset_asked(service: Notification, user_id: UUID = USER_ID) -> Event:
    """The event as identity publishes it. Its link can then be requested."""
    asked = PasswordResetAsked(user_id, uuid4())
    service.identity.resets.add(asked.reset_id)
    return _event(PASSWORD_RESET_ASKED, user_id, asked)


def password_changed(*, by_link: bool, user_id: UUID = USER_ID) -> Event:
    return _event(PASSWORD_CHANGED, user_id, PasswordChanged(user_id, by_link))


def _event(type_: str, user_id: UUID, data: Any) -> Event:
    return Event(
        id=uuid7(),
        type=type_,
        source="identity",
        subject=str(user_id),
        time=datetime.now(UTC),
        requestid="asked-for-it",
        data=msgspec.Raw(msgspec.json.encode(data)),
    )


class RecordedLines:
    """A logger that keeps its events, each with the request id of its context."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append((current().request_id, event, fields))

    warning = error = info


def names(lines: Sequence[tuple[str, str, dict[str, Any]]]) -> list[str]:
    return [event for _, event, _ in lines]


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise ConnectionRefusedError("this service is not part of the test")
