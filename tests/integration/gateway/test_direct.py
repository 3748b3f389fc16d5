"""A service of this process answers the gateway as it would by ASGI, and what has begun is finished."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from litestar import Request, Response, get, post
from litestar.params import FromPath, RawBody
from litestar.response import Stream

from booking.domain.problems import SeatsTaken
from chassis.auth.access import LOGGED_IN, PUBLIC, access
from chassis.auth.tokens import Verifier
from chassis.context import current
from chassis.events.broker import MemoryBroker
from chassis.http.addresses import counted_as
from chassis.http.bodies import decode
from chassis.http.parameters import Caller, IdempotencyKey
from chassis.http.service import service_app
from chassis.observability.tracer import Tracer
from chassis.seam.client import ServiceClient
from chassis.seam.upstream import Upstreams
from chassis.spans import SWITCH, Span, Trace
from chassis.wiring import wire
from contracts.identity import REVOKED_LOGIN_HEADER
from gateway.asgi import Gateway
from gateway.edge import Edge, Patience
from runtime.compose import LocalUpstream
from tests.support.asgi import in_a_task_of_its_own
from tests.support.gateway import Answer, Client, Identity, Service, settings_for

ORDERS = "/api/v1/orders"
SESSION = "/api/v1/sessions/01890000-0000-7000-8000-000000000000"
SEATS = SESSION + "/seats"
WAIT_S = 10.0  # for what comes at once
NEVER_THE_SAME = {b"x-request-id", b"ratelimit"}


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    quantity: int


class Shop:
    """What the handlers of the service do, and what came to them."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()
        self.done: list[str] = []
        self.seen: list[dict[str, Any]] = []
        self.calls = 0


async def ready(_: Any) -> dict[str, bool]:
    return {}


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[None]:
    yield


def routes_of(shop: Shop) -> list[Any]:
    @post(ORDERS, operation_id="place", opt=access(LOGGED_IN, straight=True, body=Wanted))
    async def place(
        request: Request[Any, Any, Any],
        principal: Caller,
        body: RawBody,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[Wanted]:
        shop.begun.set()
        try:
            await shop.go_on.wait()
        except asyncio.CancelledError:
            shop.done.append("cancelled")
            raise
        wanted = decode(Wanted, body)
        shop.done.append("committed")
        seen = {"user": principal.user_id, "key": idempotency_key, "span": current().span}
        shop.seen.append(
            seen | {"headers": dict(request.headers), "from": counted_as(request.headers)}
        )
        if wanted.quantity == 7:
            raise SeatsTaken([1])
        if wanted.quantity == 8:
            raise LookupError("a defect")
        headers = {"Set-Cookie": "a=b", "X-Stampede-Secret": "1", "Location": "/x"}
        if wanted.quantity == 9:
            headers[REVOKED_LOGIN_HEADER.decode()] = str(principal.login_id)
        return Response(wanted, status_code=201, headers=headers)

    @get(
        "/api/v1/sessions/{session_id:uuid}/seats",
        operation_id="seats",
        opt=access(PUBLIC, straight=True),
    )
    async def seats(
        request: Request[Any, Any, Any], session_id: FromPath[UUID]
    ) -> Response[bytes] | Stream:
        shop.begun.set()
        try:
            await shop.go_on.wait()
        except asyncio.CancelledError:
            shop.done.append("cancelled")
            raise
        shop.seen.append({"headers": dict(request.headers)})
        tag = {"ETag": '"7"', "Cache-Control": "no-cache", "Vary": "Authorization"}
        if '"7"' in ", ".join(request.headers.getall("if-none-match", [])):
            return Response(b"", status_code=304, headers=tag, media_type="application/json")
        body = b'{"seats": "' + b"." * 5_000 + b'"}'
        if request.headers.get("accept") == "pieces":
            length = {"Content-Length": str(len(body))}
            return Stream(pieces(body), headers=tag | length, media_type="application/json")
        return Response(body, headers=tag, media_type="application/json")

    return [place, seats]


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1_000):
        yield body[start : start + 1_000]


class Checked(Verifier):
    """Counts the tokens that it looks at."""

    checks = 0

    async def verify(self, token: str) -> Any:
        self.checks += 1
        return await super().verify(token)


class House:
    """A gateway and booking in one process; `short`: with the short way between them."""

    def __init__(self, gateway: Gateway, edge: Edge, identity: Identity, shop: Shop) -> None:
        self.gateway, self.edge, self.identity, self.shop = gateway, edge, identity, shop
        self.client = Client(gateway)

    def bearer(self, **claims: Any) -> tuple[str, str]:
        return ("Authorization", f"Bearer {self.identity.token(**claims)}")

    async def order(
        self, quantity: int = 1, headers: Sequence[tuple[str, str]] = (), **claims: Any
    ) -> Answer:
        body = b'{"quantity": %d}' % quantity
        return await self.client.post(ORDERS, body, [self.bearer(**claims), JSON, *headers])


JSON = ("Content-Type", "application/json")


@asynccontextmanager
async def house(
    redis_url: str,
    *,
    short: bool,
    patience: Patience | None = None,
    tracer: Tracer | None = None,
    verifiers: tuple[Verifier, Verifier] | None = None,
    identity: Identity | None = None,
    inner: Any = None,
) -> AsyncIterator[House]:
    """`verifiers`: the gateway's and the service's, if not one for both."""
    shop, identity, local = Shop(), identity or Identity(), LocalUpstream()

    async def by_asgi(scope: Any, receive: Any, send: Any) -> None:
        await local(scope, receive, send)

    upstreams = Upstreams(
        identity=identity,
        booking=local if short else by_asgi,
        catalog=Service("catalog"),
        notification=Service("notification"),
    )
    settings = settings_for(redis_url)
    wiring = wire(settings, upstreams, MemoryBroker([]), tracer=tracer)
    mine, theirs = verifiers or (wiring.verifier, wiring.verifier)
    local.app = service_app(
        "booking",
        msgspec.structs.replace(wiring, verifier=theirs),
        routes=routes_of(shop),
        lifespan=lifespan,
        ready=ready,
    )
    gateway = Gateway(
        msgspec.structs.replace(wiring, verifier=mine), inner or nothing, patience=patience
    )
    async with in_a_task_of_its_own(local.app.lifespan), gateway.running() as edge:
        yield House(gateway, edge, identity, shop)


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    yield


@pytest.fixture(params=[True, False], ids=["short", "asgi"])
async def either(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[House]:
    async with house(redis_url, short=request.param) as running:
        yield running


@pytest.fixture
async def both(redis_url: str) -> AsyncIterator[tuple[House, House]]:
    identity = Identity()
    async with (
        house(redis_url, short=True, identity=identity) as short,
        house(redis_url, short=False, identity=identity) as long,
    ):
        yield short, long


def comparable(answer: Answer) -> Any:
    headers = sorted(header for header in answer.headers if header[0] not in NEVER_THE_SAME)
    body = answer.body
    if answer.header("content-type") == "application/problem+json":
        body = {name: part for name, part in answer.json.items() if name != "request_id"}
    return answer.status, headers, body


async def test_both_ways_give_the_same_answers(both: tuple[House, House]) -> None:
    user, login = uuid4(), uuid4()
    bearer = both[0].bearer(user_id=user, login_id=login)
    gzip, tag = ("Accept-Encoding", "gzip"), ("If-None-Match", '"7"')
    requests: list[tuple[Any, ...]] = [
        ("POST", ORDERS, [bearer, JSON], b'{"quantity": 1}'),
        ("POST", ORDERS, [bearer, JSON], b'{"quantity": 7}'),
        ("POST", ORDERS, [bearer, JSON], b'{"quantity": 8}'),
        ("POST", ORDERS, [bearer, JSON], b'{"quantity": 1, "price": 1}'),
        ("POST", ORDERS, [bearer, JSON], b""),
        ("POST", ORDERS, [bearer, ("Content-Type", "text/plain")], b'{"quantity": 1}'),
        ("POST", ORDERS, [JSON], b'{"quantity": 1}'),
        ("POST", ORDERS, [JSON, ("Authorization", "Bearer x.y.z")], b'{"quantity": 1}'),
        ("POST", f"{ORDERS}?page=2", [bearer, JSON], b'{"quantity": 1}'),
        ("POST", ORDERS, [bearer, JSON, ("Origin", "https://shop.example")], b'{"quantity": 1}'),
        ("PUT", ORDERS, [bearer, JSON], b'{"quantity": 1}'),
        ("GET", SEATS, [], b""),
        ("GET", SEATS, [gzip], b""),
        ("GET", SEATS, [tag], b""),
        ("GET", SEATS, [gzip, ("If-None-Match", 'W/"7"')], b""),
        ("GET", SEATS, [("If-None-Match", '"8"'), tag], b""),
        ("GET", SEATS, [("Accept", "pieces")], b""),
        ("GET", SEATS, [("Connection", "keep-alive, accept"), ("Accept", "pieces")], b""),
        ("GET", SEATS + "/", [("Connection", "keep-alive")], b""),
        ("GET", "/api/v1/sessions/nonsense/seats", [], b""),
        ("HEAD", SEATS, [], b""),
    ]
    for method, target, headers, body in requests:
        short, long = [await one.client.call(method, target, headers, body) for one in both]
        assert comparable(short) == comparable(long), (method, target, headers)
    short_seen, long_seen = [
        [{name: part for name, part in seen.items() if name != "span"} for seen in one.shop.seen]
        for one in both
    ]
    for one in (*short_seen, *long_seen):
        for name in ("traceparent", "tracestate", "x-request-id"):
            one["headers"].pop(name, None)  # by ASGI the context is in these
    assert short_seen == long_seen


async def test_the_service_works_in_a_child_span_of_the_same_request(either: House) -> None:
    await either.order()  # the first one also asks identity for its keys
    answer = await either.order(headers=[("X-Request-ID", "abc-123")])
    assert answer.header("x-request-id") == "abc-123"
    _, seen = either.shop.seen
    root, _, child = seen["span"].partition(".")
    assert (len(root), child) == (8, "1")


async def test_a_service_sees_no_header_that_only_the_platform_may_send(either: House) -> None:
    hostile = [
        ("X-Stampede-Verified", "admin"),
        ("X-Stampede-User", "admin"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("Forwarded", "for=10.0.0.1"),
        ("Proxy-Authorization", "Basic eA=="),
        ("Cookie", "a=b"),
    ]
    await either.order(headers=hostile)
    (seen,) = either.shop.seen
    assert seen["from"] == "203.0.113.7"
    names = {"authorization", "content-type", "content-length", "host", "x-forwarded-for"}
    assert set(seen["headers"]) - {"traceparent", "tracestate", "x-request-id"} == names


async def test_neither_internal_headers_nor_cookies_of_the_service_go_out(either: House) -> None:
    answer = await either.order()
    assert answer.status == 201
    names = {name for name, _ in answer.headers}
    assert {b"set-cookie", b"x-stampede-secret"}.isdisjoint(names)
    assert answer.header("location") == "/x"


async def test_a_login_that_the_service_ends_is_refused_at_once(either: House) -> None:
    login, user = uuid4(), uuid4()
    assert (await either.order(9, login_id=login, user_id=user)).status == 201
    assert (await either.order(login_id=login, user_id=user)).status == 401


def keys_of(identity: Identity) -> Callable[[], Awaitable[bytes]]:
    return lambda: ServiceClient(identity).request("GET", "/.well-known/jwks.json")


@pytest.mark.parametrize(("same", "checks"), [(True, 0), (False, 1)])
async def test_a_token_is_believed_only_from_the_services_own_verifier(
    redis_url: str, same: bool, checks: int
) -> None:
    identity = Identity()
    mine, theirs = Checked(keys_of(identity)), Checked(keys_of(identity))
    pair = (mine, mine if same else theirs)
    async with house(redis_url, short=True, verifiers=pair, identity=identity) as running:
        assert (await running.order()).status == 201
    assert mine.checks == 1
    assert theirs.checks == checks


async def test_a_token_that_ends_while_its_body_comes_is_refused(redis_url: str) -> None:
    clock, identity = Clock(), Identity()
    verifier = Verifier(keys_of(identity), clock=clock)
    pair = (verifier, verifier)
    async with house(redis_url, short=True, verifiers=pair, identity=identity) as running:

        async def body() -> None:
            clock.ahead_s = 1_000.0

        answer = await ask(running, b'{"quantity": 1}', [running.bearer()], meanwhile=body)
    assert (answer.status, answer.code) == (401, "token-expired")
    assert running.shop.done == []


class Clock:
    """The machine's, which a test sets ahead."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def time(self) -> float:
        return time.time() + self.ahead_s

    def monotonic(self) -> float:
        return time.monotonic()


async def test_a_change_that_takes_too_long_is_refused_and_goes_on(redis_url: str) -> None:
    async with house(redis_url, short=True, patience=Patience(answer_s=0.05)) as running:
        shop = running.shop
        shop.go_on.clear()
        told = asyncio.Event()
        call = asyncio.create_task(ask(running, b'{"quantity": 1}', [running.bearer()], told=told))
        async with asyncio.timeout(WAIT_S):
            await told.wait()
        assert shop.done == []
        shop.go_on.set()
        answer = await call
    assert (answer.status, answer.code) == (503, "unavailable")
    assert shop.done == ["committed"]


async def ask(
    running: House,
    body: bytes,
    headers: Sequence[tuple[str, str]],
    *,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
    told: asyncio.Event | None = None,
) -> Answer:
    """An order as Granian sends it: `more_body` with the last piece, too, and then nothing until the client
    leaves. `meanwhile` is awaited before the body comes, `told` set with the answer's last byte."""
    pieces = [body]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def receive_on() -> Any:
            if not pieces:
                return await asyncio.Event().wait()
            if meanwhile is not None:
                await meanwhile()
            return {"type": "http.request", "body": pieces.pop(), "more_body": True}

        async def send_on(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body" and told is not None:
                told.set()

        await running.gateway(scope, receive_on, send_on)

    headers = [*headers, JSON, ("Content-Length", str(len(body)))]
    return await Client(app).call("POST", ORDERS, headers)


async def test_a_read_that_takes_too_long_is_refused_and_ends(redis_url: str) -> None:
    async with house(redis_url, short=True, patience=Patience(answer_s=0.05)) as running:
        running.shop.go_on.clear()
        answer = await running.client.get(SEATS)
        assert (answer.status, answer.code) == (503, "unavailable")
        assert running.shop.done == ["cancelled"]


async def test_the_end_of_the_server_waits_for_a_change(redis_url: str) -> None:
    """The server stops: what the service uses is closed after the change was answered."""
    happened: list[str] = []

    @asynccontextmanager
    async def pools() -> AsyncIterator[None]:
        yield
        happened.append("closed")

    async with house(redis_url, short=True, inner=pools) as running:
        shop = running.shop
        shop.go_on.clear()
        shop.done = happened
        call = asyncio.create_task(running.order())
        await shop.begun.wait()
        asyncio.get_running_loop().call_later(0.05, shop.go_on.set)
    assert happened == ["committed", "closed"]
    assert (await call).status == 201


async def test_a_body_is_read_no_further_than_its_length(either: House) -> None:
    async with asyncio.timeout(WAIT_S):
        answer = await ask(either, b'{"quantity": 1}', [either.bearer()])
    assert answer.status == 201


async def test_both_ways_leave_the_same_spans(redis_url: str) -> None:
    found: list[set[Any]] = []
    for short in (True, False):
        spans = Spans()
        try:
            async with house(redis_url, short=short, tracer=Tracer(spans, share=1.0)) as running:
                await running.order()
                await running.client.get(SEATS)
        finally:
            SWITCH.on = False
        found.append(spans.tree())
    assert found[0] == found[1]
    assert len(found[0]) >= 6


class Spans:
    def __init__(self) -> None:
        self.kept: list[Span] = []

    def keep(self, trace: Trace, spans: Sequence[Span]) -> None:
        self.kept += spans

    def tree(self) -> set[Any]:
        """The spans of requests, each with its parent. Not what the gateway asks identity now and then,
        nor waits that are too short to be sure of."""
        names = {one.span_id: (one.service, one.name) for one in self.kept}
        return {
            (one.service, one.name, one.kind, names.get(one.parent_id), str(one.attributes))
            for one in self.kept
            if one.name.startswith(("GET /api", "POST /api"))
        }
