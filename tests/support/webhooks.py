"""Notification with organizers' endpoints on a real database, a catalog that knows what a test tells it,
and receivers on loopback."""

import asyncio
import re
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chassis.auth.tokens import Verifier
from chassis.events.broker import EVENTS_PATH, MemoryBroker
from chassis.events.envelope import Event, EventBatch
from chassis.ids import uuid7
from chassis.observability.tracer import Tracer
from chassis.postgres.pool import Pool, open_pool
from chassis.seam.client import ServiceClient
from chassis.seam.upstream import Upstreams
from chassis.settings import Settings
from chassis.wiring import Wiring
from contracts.catalog import SessionTerms, ShowTerms
from notification.asgi import create_app
from notification.webhooks.addresses import PORTS
from notification.webhooks.connecting import Addresses, Destinations
from notification.webhooks.dispatching import Dispatcher
from notification.webhooks.planning import Router
from notification.webhooks.posting import Poster
from tests.support.api import Answer
from tests.support.asgi import exchange, in_a_task_of_its_own
from tests.support.catalog import Signer
from tests.support.notification import RecordedLines
from tests.support.orders import event_of, order_paid
from tests.support.servers import ROOT

ORGANIZER, OTHER, ADMIN = UUID(int=11), UUID(int=12), UUID(int=13)
ENDPOINTS = "/webhook-endpoints"
PAID = "stampede.order.paid.v1"
CREATED = "stampede.order.created.v1"


def documented_verify() -> Callable[[str, dict[str, str], bytes], bool]:
    """The code block of docs/webhooks.md for organizers, executed."""
    text = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    names: dict[str, Any] = {}
    exec(block, names)
    verify: Callable[[str, dict[str, str], bytes], bool] = names["verify"]
    return verify


def paid(session_id: UUID, **changes: Any) -> Event:
    """An event: an order of the session was paid."""
    return event_of(order_paid(session_id=session_id, order_id=uuid7(), **changes))


class Message(msgspec.Struct, frozen=True):
    """A request, as the receiver got it."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> UUID:
        return UUID(self.headers["webhook-id"])

    @property
    def event(self) -> Any:
        return msgspec.json.decode(self.body)


class Receiver:
    """`answer(message)` returns a status or a whole response. The default is 200."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.answer: Callable[[Message], Any] = lambda message: 200
        self.url = ""
        self.port = 0
        self.connections = 0
        self._more = asyncio.Event()

    async def take(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        message = Message(request.path, headers, await request.read())
        self.messages.append(message)
        self._more.set()
        said = self.answer(message)
        if asyncio.iscoroutine(said):
            said = await said
        return web.Response(status=said) if isinstance(said, int) else said

    async def got(self, number: int, *, within_s: float = 15.0) -> list[Message]:
        """Returns once so many have arrived."""
        async with asyncio.timeout(within_s):
            while len(self.messages) < number:
                self._more.clear()
                await self._more.wait()
        return self.messages


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    assert runner.server is not None

    def connected() -> asyncio.BaseProtocol:
        receiver.connections += 1
        return runner.server()  # type: ignore[misc]

    loop = asyncio.get_running_loop()
    server = await loop.create_server(connected, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    receiver.url = f"{'https' if tls else 'http'}://127.0.0.1:{receiver.port}/hook"
    try:
        yield receiver
    finally:
        server.close()
        await runner.cleanup()


def self_signed(name: str) -> ssl.SSLContext:
    """A TLS server context with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(private + made.public_bytes(Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return context


class FakeCatalog:
    """GET /internal/sessions/… and /internal/shows/…; 503 while it is `down`."""

    def __init__(self) -> None:
        self.sessions: dict[UUID, SessionTerms] = {}
        self.shows: dict[UUID, UUID] = {}
        self.down = False
        self.asked = 0

    def session(self, organizer_id: UUID = ORGANIZER, show_id: UUID | None = None) -> UUID:
        """A session of a show of this organizer."""
        session_id, show_id = uuid4(), show_id or uuid4()
        self.shows[show_id] = organizer_id
        now = datetime.now(UTC)
        self.sessions[session_id] = SessionTerms(
            session_id=session_id,
            show_id=show_id,
            organizer_id=organizer_id,
            title="测试演出",
            venue="上海体育场",
            city="上海",
            starts_at=now + timedelta(days=30),
            time_zone="Asia/Shanghai",
            currency="CNY",
            status="published",
            sale_opens_at=now,
            sale_closes_at=now + timedelta(days=29),
            max_tickets_per_user=6,
            areas=[],
        )
        return session_id

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        kind, wanted = scope["path"].split("/")[2], UUID(scope["path"].rsplit("/", 1)[1])
        found: Any = self.sessions.get(wanted)
        if kind == "shows" and wanted in self.shows:
            found = ShowTerms(wanted, self.shows[wanted], "测试演出", ["CNY"])
        status = 503 if self.down else 200 if found else 404
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": msgspec.json.encode(found or {})})


class Webhooks:
    """The running service and its worker's parts, which run when the test calls them."""

    def __init__(self, app: Any, wiring: Wiring, pool: Pool, signer: Signer) -> None:
        self.app, self.wiring, self.pool, self.signer = app, wiring, pool, signer
        catalog = wiring.upstreams.catalog
        assert isinstance(catalog, FakeCatalog)
        self.catalog = catalog
        self.log = RecordedLines()
        self.router = Router(pool, ServiceClient(catalog), self.log)
        self.tokens = {
            ORGANIZER: signer.token("organizer", user_id=ORGANIZER),
            OTHER: signer.token("organizer", user_id=OTHER),
            ADMIN: signer.token("admin", user_id=ADMIN),
        }

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        by: UUID | None = ORGANIZER,
        token: str = "",
        key: str = "",
    ) -> Answer:
        data = b"" if body is None else msgspec.json.encode(body)
        sent = {"host": "notification"}
        if data:
            sent |= {"content-type": "application/json", "content-length": str(len(data))}
        if token or by is not None:
            sent["authorization"] = f"Bearer {token or self.tokens[by or ORGANIZER]}"
        if key:
            sent["idempotency-key"] = key
        return await exchange(self.app, method, f"/api/v1{path}", sent, data)

    async def forget_everything(self) -> None:
        """Empties the database: creating one costs more than most tests here."""
        self.catalog.__init__()  # type: ignore[misc]
        self.log.lines.clear()
        for table in ("deliveries", "events", "endpoints", "sessions"):
            await self.pool.execute(f"DELETE FROM webhook_{table}")
        for table in ("inbox", "dead_letters", "messages", "idempotency_keys"):
            await self.pool.execute(f"DELETE FROM {table}")

    async def subscribe(
        self, url: str, *types: str, by: UUID = ORGANIZER, show_id: UUID | None = None
    ) -> Any:
        """An endpoint as answered, with its secret."""
        body = {"url": url, "event_types": types or [PAID], "show_id": show_id}
        made = await self.call("POST", ENDPOINTS, body, by=by)
        assert made.status == 201, made
        return made.json

    async def deliver(self, *events: Event) -> None:
        """Delivers events as the relay does."""
        body = msgspec.json.encode(EventBatch([*events]))
        await ServiceClient(self.app).request("POST", EVENTS_PATH, body)

    @asynccontextmanager
    async def dispatcher(
        self, look: Any = None, tracer: Tracer | None = None, **how: Any
    ) -> AsyncIterator[Dispatcher]:
        """As workers.run builds it. `look` replaces the name server."""
        async with self.poster(look, **how) as poster:
            yield Dispatcher(self.pool, poster, self.log, tracer)

    @asynccontextmanager
    async def poster(self, look: Any = None, **how: Any) -> AsyncIterator[Poster]:
        """The part that sends; it marks nothing."""
        addresses = Addresses()
        allow = how.get("allow_private", self.wiring.settings.webhook_allow_private)
        destinations = Destinations(
            look or addresses.look, allow_private=allow, ports=how.get("ports", PORTS)
        )
        async with destinations.open_session() as session:
            yield Poster(destinations, session)
        addresses.close()

    async def round(self, **how: Any) -> int:
        """Routes and sends what is due, once."""
        await self.router.round()
        async with self.dispatcher(**how) as dispatcher:
            return await dispatcher.round()

    async def make_due(self) -> None:
        """Makes every waiting delivery due for its next try."""
        await self.pool.execute(
            "UPDATE webhook_deliveries SET next_attempt = now() WHERE state = 'pending'"
        )

    async def deliveries(self, endpoint: Any, query: str = "", by: UUID = ORGANIZER) -> Any:
        path = f"{ENDPOINTS}/{endpoint['endpoint_id']}/deliveries{query}"
        answer = await self.call("GET", path, by=by)
        assert answer.status == 200, answer
        return answer.json["deliveries"]

    async def endpoint(self, endpoint: Any) -> Any:
        return (await self.call("GET", f"{ENDPOINTS}/{endpoint['endpoint_id']}")).json


@asynccontextmanager
async def running_webhooks(
    database_url: str, *, allow_private: bool = True, pool_size: int = 8
) -> AsyncIterator[Webhooks]:
    signer, catalog = Signer(), FakeCatalog()
    wiring = Wiring(
        settings=Settings(database_url=database_url, webhook_allow_private=allow_private),
        upstreams=Upstreams(
            identity=_nobody, catalog=catalog, booking=_nobody, notification=_nobody
        ),
        verifier=Verifier(signer.jwks),
        broker=MemoryBroker([]),
    )
    app = create_app(wiring)
    pool = await open_pool(database_url, "notification", size=pool_size)
    try:
        async with in_a_task_of_its_own(app.lifespan):
            yield Webhooks(app, wiring, pool, signer)
    finally:
        pool.terminate()


def look_up(*answers: Sequence[str]) -> Any:
    """A name server that gives these answers in order, then repeats the last."""
    rest = list(answers)

    async def look(host: str, port: int) -> list[str]:
        return list(rest.pop(0) if len(rest) > 1 else rest[0])

    return look


async def _nobody(scope: Any, receive: Any, send: Any) -> None:
    raise ConnectionRefusedError("this service is not part of the test")
