"""A gateway over small services of the test, driven as a web server drives it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any
from uuid import UUID, uuid4

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from chassis.events.broker import MemoryBroker
from chassis.seam.upstream import Message, Receive, Scope, Send, Upstreams
from chassis.settings import Settings
from chassis.wiring import Wiring, wire
from contracts.identity import REVOKED_LOGIN_HEADER
from gateway.asgi import Gateway
from gateway.edge import Edge, Patience
from gateway.http.compression import Compression

PEER = "203.0.113.7"
Headers = Sequence[tuple[str, str]]


class Answer(msgspec.Struct):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    at_s: float  # when its head arrived, by the monotonic clock

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name.lower().encode()]
        return found[0].decode() if found else None

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> str:
        assert self.header("content-type") == "application/problem+json", self
        return str(self.json["code"])


class Client:
    """Sends requests to an ASGI app, each over a connection of its own."""

    def __init__(self, app: Any, peer: str = PEER) -> None:
        self.app, self.peer = app, peer

    async def call(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        body: bytes | Sequence[bytes] = b"",
        *,
        peer: str | None = None,
        gone: asyncio.Event | None = None,
    ) -> Answer:
        """`body` as a sequence is sent in chunks. When `gone` is set, the client disconnects."""
        chunks = [body] if isinstance(body, bytes) else list(body)
        sent: list[Message] = []
        heard = 0.0

        async def receive() -> Message:
            if chunks:
                chunk = chunks.pop(0)
                return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            nonlocal heard
            if message["type"] == "http.response.start":
                heard = time.monotonic()
            sent.append(message)

        pairs = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        if isinstance(body, bytes) and body and not any(n == b"content-length" for n, _ in pairs):
            pairs.append((b"content-length", b"%d" % len(body)))
        elif not isinstance(body, bytes):
            pairs.append((b"transfer-encoding", b"chunked"))
        await self.app(_scope(method, target, pairs, peer or self.peer), receive, send)
        body_out = b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")
        return Answer(sent[0]["status"], list(sent[0]["headers"]), body_out, heard)

    async def get(self, target: str, headers: Headers = (), **kwargs: Any) -> Answer:
        return await self.call("GET", target, headers, **kwargs)

    async def post(
        self, target: str, body: Any = b"", headers: Headers = (), **kwargs: Any
    ) -> Answer:
        return await self.call("POST", target, headers, body, **kwargs)


def _scope(method: str, target: str, headers: list[tuple[bytes, bytes]], peer: str) -> Scope:
    raw_path, _, query = target.encode("latin-1").partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": raw_path.decode("latin-1"),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"test"), *headers],
        "client": (peer, "4711"),
        "server": ("127.0.0.1", "8000"),
        "state": {},
        "extensions": {},
    }


Respond = Callable[[Scope, bytes, Send], Awaitable[None]]


class Service:
    """A service that records its requests and echoes them, or answers with `respond`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.requests: list[Scope] = []
        self.bodies: list[bytes] = []
        self.respond: Respond = self.echo
        self.document: dict[str, Any] = {"openapi": "3.1.0", "paths": {}}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive()).get("body", b"")
        if scope["path"] == "/internal/openapi.json":
            await answer_json(send, self.document)
            return
        if scope["path"] == "/readyz":
            await answer_json(send, {"status": "ready"})
            return
        scope["receive"] = receive
        self.requests.append(scope)
        self.bodies.append(body)
        await self.respond(scope, body, send)

    async def echo(self, scope: Scope, body: bytes, send: Send) -> None:
        seen = {"service": self.name, "method": scope["method"], "path": scope["path"]}
        await answer_json(send, seen | {"length": len(body)})

    def header(self, name: str) -> str | None:
        """A header of the last request received."""
        found = [v for k, v in self.requests[-1]["headers"] if k == name.encode()]
        assert len(found) <= 1, found
        return found[0].decode() if found else None


class Identity(Service):
    """Keys, tokens, and the list of revoked logins: what the gateway reads from identity."""

    def __init__(self) -> None:
        super().__init__("identity")
        self._key = Ed25519PrivateKey.generate()
        self.revoked: dict[UUID, float] = {}
        self.asked_for_revoked = 0
        self.meanwhile: list[Callable[[], Awaitable[None]]] = []  # called after the list was read
        self.away = False

    def token(
        self, login_id: UUID | None = None, user_id: UUID | None = None, **claims: Any
    ) -> str:
        now = int(time.time())
        full = {
            "iss": "stampede-identity",
            "aud": "stampede",
            "sub": str(user_id or uuid4()),
            "sid": str(login_id or uuid4()),
            "jti": str(uuid4()),
            "iat": now,
            "exp": now + 900,
            "roles": ["customer"],
        } | claims
        return jwt.encode(full, self._key, "EdDSA", headers={"kid": "k1", "typ": "at+jwt"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if self.away:
            raise ConnectionRefusedError("identity is away")
        if path == "/.well-known/jwks.json":
            key = OKPAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
            await answer_json(send, {"keys": [key | {"kid": "k1", "alg": "EdDSA", "use": "sig"}]})
        elif path == "/internal/revoked-logins":
            self.asked_for_revoked += 1
            logins = [
                {"login_id": str(one), "until": _rfc3339(until)}
                for one, until in self.revoked.items()
            ]
            if self.meanwhile:
                await self.meanwhile.pop()()
            await answer_json(send, {"logins": logins})
        else:
            await super().__call__(scope, receive, send)

    def log_out(self, login_id: UUID) -> Respond:
        """Answers like POST /auth/logout for that login."""

        async def respond(_scope: Scope, _body: bytes, send: Send) -> None:
            self.revoked[login_id] = time.time() + 900
            headers = [(REVOKED_LOGIN_HEADER, str(login_id).encode())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        return respond


def _rfc3339(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


async def answer_json(send: Send, document: Any, status: int = 200, headers: Any = ()) -> None:
    body = msgspec.json.encode(document)
    kind = (b"content-type", b"application/json")
    length = (b"content-length", b"%d" % len(body))
    await send(
        {"type": "http.response.start", "status": status, "headers": [kind, length, *headers]}
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


class Rig:
    """A running gateway, its services, and a client."""

    def __init__(
        self,
        gateway: Gateway,
        edge: Edge,
        identity: Identity,
        services: dict[str, Service],
        wiring: Wiring,
    ) -> None:
        self.gateway, self.edge, self.wiring = gateway, edge, wiring
        self.identity = identity
        self.services = services
        self.client = Client(gateway)
        self.catalog, self.booking = services["catalog"], services["booking"]

    async def settle(self) -> None:
        """Returns when the list of revoked logins has been read, so that no read is under way."""
        nothing_in_redis = (None, None)
        await self.edge.revocations.is_revoked(uuid4(), nothing_in_redis)

    def bearer(self, **kwargs: Any) -> tuple[str, str]:
        return ("Authorization", f"Bearer {self.identity.token(**kwargs)}")


def settings_for(redis_url: str, **changes: Any) -> Settings:
    """Limits are out of the way unless a test sets them."""
    wide: dict[str, Any] = {
        "redis_url": redis_url,
        "rate_limit_per_ip": 1e6,
        "rate_limit_per_ip_burst": 1_000_000,
        "rate_limit_per_user": 1e6,
        "rate_limit_per_user_burst": 1_000_000,
        "rate_limit_login": 1e6,
        "rate_limit_login_burst": 1_000_000,
    }
    return Settings(**(wide | changes))


@asynccontextmanager
async def rig(
    redis_url: str,
    *,
    beside: Rig | None = None,
    inner: AbstractAsyncContextManager[Any] | None = None,
    patience: Patience | None = None,
    compression: Compression | None = None,
    **changes: Any,
) -> AsyncIterator[Rig]:
    """`beside`: another gateway over the same services, like a second worker process."""
    names = ("catalog", "booking", "notification")
    identity = beside.identity if beside else Identity()
    services = beside.services if beside else {name: Service(name) for name in names}
    upstreams = Upstreams(identity=identity, **services)
    wiring = wire(settings_for(redis_url, **changes), upstreams, MemoryBroker([]))
    gateway = Gateway(wiring, inner or nullcontext(), patience=patience, compression=compression)
    async with gateway.running() as edge:
        yield Rig(gateway, edge, identity, services, wiring)
