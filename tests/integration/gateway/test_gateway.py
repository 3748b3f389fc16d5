"""The gateway over real Valkey: what reaches a service, what does not, and what goes out."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chassis.seam.upstream import Scope, Send
from tests.support.gateway import Rig, answer_json, rig

SHOW = "/api/v1/shows"
ORDERS = "/api/v1/orders"
UUID7 = "01890000-0000-7000-8000-000000000000"


@pytest.fixture
async def edge(redis_url: str) -> AsyncIterator[Rig]:
    async with rig(redis_url) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/api/v1/auth/me", "identity"),
        ("/api/v1/venues", "catalog"),
        ("/api/v1/shows", "catalog"),
        ("/api/v1/shows/", "catalog"),
        (f"/api/v1/shows/{UUID7}/sessions", "catalog"),
        (f"/api/v1/sessions/{UUID7}", "catalog"),
        (f"/api/v1/sessions/{UUID7}/seat-map", "catalog"),
        (f"/api/v1/sessions/{UUID7}/hall", "catalog"),
        (f"/api/v1/sessions/{UUID7}/publish", "catalog"),
        (f"/api/v1/sessions/{UUID7}/seats", "booking"),
        (f"/api/v1/sessions/{UUID7}/seats/stream", "booking"),
        (f"/api/v1/sessions/{UUID7}/block", "booking"),
        (f"/api/v1/sessions/{UUID7}/unblock", "booking"),
        ("/api/v1/orders", "booking"),
        (f"/api/v1/tickets/{UUID7}/qr.png", "booking"),
        ("/api/v1/payments/webhooks/sandbox", "booking"),
        ("/api/v1/check-ins", "booking"),
        ("/dev/mailbox", "notification"),
        ("/dev/mailbox.json", "notification"),
        (f"/dev/mailbox/{UUID7}/content", "notification"),
    ],
)
async def test_each_path_has_its_service(edge: Rig, path: str, service: str) -> None:
    answer = await edge.client.get(path)
    assert answer.status == 200, answer
    assert answer.json["service"] == service
    assert answer.json["path"] == path.rstrip("/")


async def test_the_mailbox_is_shut_outside_of_the_demo(redis_url: str) -> None:
    async with rig(redis_url, demo=False) as edge:
        answer = await edge.client.get("/dev/mailbox")
        assert (answer.status, answer.code) == (404, "not-found")
        assert edge.services["notification"].requests == []


@pytest.mark.parametrize(
    "target",
    [
        "/internal/revoked-logins",
        "/internal/openapi.json",
        "/internal/events",
        "/identity/metrics",
        "/api/v1/internal/events",
        "/api/v1/../internal/openapi.json",
        "/api/v1/./shows",
        "/api/v1/shows/..",
        "/api/v1/shows/../../../internal/events",
        "/api/v1/%2e%2e/internal/openapi.json",
        "/api/v1/shows/%2E%2E/venues",
        "/api/v1/shows%2f..%2f..%2finternal",
        "/api/v1/%61uth/login",
        "/api/v1/auth%2flogin",
        "/api/v1/shows/%00",
        "/api/v1/shows/\x00",
        "/api/v1/shows/\xe9",
        "/api/v1/shows\\..\\internal",
        "//api/v1/shows",
        "/api//v1/shows",
        "/api/v1/shows//x",
        "/api/v1/shows//",
        "/API/v1/shows",
        "/api/v2/shows",
        "http://internal/api/v1/shows",
        "*",
        "",
    ],
)
async def test_no_other_path_reaches_a_service(edge: Rig, target: str) -> None:
    for method in ("GET", "POST"):
        answer = await edge.client.call(method, target)
        assert (answer.status, answer.code) == (404, "not-found"), answer
    for service in (edge.identity, *edge.services.values()):
        assert service.requests == []


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "BREW", "get", "x" * 100])
async def test_other_methods_are_refused_with_those_that_are_not(edge: Rig, method: str) -> None:
    answer = await edge.client.call(method, SHOW)
    assert (answer.status, answer.code) == (405, "method-not-allowed")
    assert answer.header("allow") == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
    assert edge.catalog.requests == []


async def test_a_service_sees_no_header_that_only_the_platform_may_send(edge: Rig) -> None:
    hostile = [
        ("X-Stampede-Revoked-Login", UUID7),
        ("X-Stampede-User", "admin"),
        ("Traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
        ("Tracestate", "stampede=9.9"),
        ("Forwarded", "for=10.0.0.1"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Real-IP", "10.0.0.1"),
        ("Connection", "keep-alive, X-Secret, Foo"),
        ("X-Secret", "1"),
        ("Foo", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "Basic eA=="),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
        ("Accept-Language", "zh"),
        ("X-Request-ID", "abc-123"),
    ]
    answer = await edge.client.get(f"{SHOW}?city=%E4%B8%8A", hostile)
    assert answer.status == 200
    names = [name.decode() for name, _ in edge.catalog.requests[-1]["headers"]]
    assert sorted(names) == [
        "accept-language",
        "host",
        "traceparent",
        "tracestate",
        "x-forwarded-for",
        "x-request-id",
    ]
    assert edge.catalog.header("x-request-id") == "abc-123"
    assert re.fullmatch(r"stampede=[0-9a-f]{8}\.1", edge.catalog.header("tracestate") or "")
    assert edge.catalog.header("x-forwarded-for") == "203.0.113.7"
    assert "a" * 32 not in str(edge.catalog.header("traceparent"))
    assert edge.catalog.requests[-1]["query_string"] == b"city=%E4%B8%8A"


@pytest.mark.parametrize(
    ("target", "passed_on"),
    [
        ("/api/v1/auth/login", True),
        ("/api/v1/auth/register", True),
        ("/api/v1/auth/password/reset", True),
        ("/api/v1/auth/password/change", True),
        ("/api/v1/auth/password/forgot", False),
        ("/api/v1/auth/refresh", False),
        ("/api/v1/auth/logout", False),
        ("/api/v1/auth/whatever", False),
        ("/api/v1/orders", False),
        ("/api/v1/shows", False),
    ],
)
async def test_cookies_go_in_and_out_where_they_are_read_and_nowhere_else(
    edge: Rig, target: str, passed_on: bool
) -> None:
    async def respond(_scope: Scope, _body: bytes, send: Send) -> None:
        headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"x-other", b"3")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}", "more_body": False})

    services = [edge.identity, *edge.services.values()]
    for service in services:
        service.respond = respond
    answer = await edge.client.post(target, b"{}", [("Cookie", "a=1"), ("Cookie", "b=2")])
    assert answer.status == 200
    (seen,) = (one for service in services for one in service.requests)
    names = [name for name, _ in seen["headers"]]
    assert names.count(b"cookie") == (2 if passed_on else 0)
    cookies = [value for name, value in answer.headers if name == b"set-cookie"]
    assert cookies == ([b"a=1", b"b=2"] if passed_on else [])
    assert answer.header("x-other") == "3"


@pytest.mark.parametrize(
    "sent",
    ["", "a\r\nX-Evil: 1", "\x1b[31mred", "x" * 10_000, "a b", "日".encode().decode("latin-1")],
)
async def test_a_request_id_that_is_none_is_replaced_everywhere(edge: Rig, sent: str) -> None:
    answer = await edge.client.get(SHOW, [("X-Request-ID", sent)])
    made = answer.header("x-request-id")
    assert made is not None
    assert len(made) == 16
    assert edge.catalog.header("x-request-id") == made
    assert [value for name, value in answer.headers if name == b"x-request-id"] == [made.encode()]


async def test_a_good_request_id_is_on_every_answer(edge: Rig) -> None:
    sent = [("X-Request-ID", "abc-123")]
    for method, target in (("GET", SHOW), ("GET", "/nowhere"), ("BREW", "/"), ("GET", "/healthz")):
        answer = await edge.client.call(method, target, sent)
        assert answer.header("x-request-id") == "abc-123"
        if answer.status >= 400:
            assert answer.json["request_id"] == "abc-123"
            assert answer.json["instance"] == target
            assert answer.json["code"]


async def test_every_answer_carries_the_security_headers(edge: Rig) -> None:
    answer = await edge.client.get(SHOW)
    assert dict(answer.headers) == {
        b"content-type": b"application/json",
        b"content-length": b"%d" % len(answer.body),
        b"server": b"stampede",
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"strict-origin-when-cross-origin",
        b"x-request-id": (answer.header("x-request-id") or "").encode(),
        b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
        b"x-frame-options": b"DENY",
        b"cache-control": b"no-store",
        b"vary": b"Accept-Encoding",
        b"ratelimit-policy": b'"ip";q=1000000;w=1',
        b"ratelimit": b'"ip";r=999999;t=1',
    }


async def test_pages_run_no_inline_script_and_are_framed_nowhere(edge: Rig) -> None:
    for path in ("/", "/docs"):
        page = await edge.client.get(path)
        assert page.status == 200
        assert page.header("content-type") == "text/html; charset=utf-8"
        policy = page.header("content-security-policy") or ""
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.header("cache-control") == "no-cache"
        again = await edge.client.get(path, [("If-None-Match", page.header("etag") or "")])
        assert (again.status, again.body) == (304, b"")


async def test_hsts_is_said_only_where_the_public_address_is_https(redis_url: str) -> None:
    async with rig(redis_url, public_url="https://tickets.example") as edge:
        assert (await edge.client.get(SHOW)).header("strict-transport-security")
    async with rig(redis_url, public_url="http://tickets.example") as edge:
        assert (await edge.client.get(SHOW)).header("strict-transport-security") is None


async def test_a_services_own_policies_are_kept_and_its_internals_are_not(edge: Rig) -> None:
    async def respond(_scope: Scope, _body: bytes, send: Send) -> None:
        headers = [
            (b"cache-control", b"public, max-age=5"),
            (b"referrer-policy", b"no-referrer"),
            (b"x-content-type-options", b"nosniff"),
            (b"etag", b'"v1"'),
            (b"content-security-policy", b"sandbox"),
            (b"x-stampede-trace", b"1"),
            (b"server", b"Litestar"),
            (b"connection", b"close"),
            (b"x-request-id", b"another"),
        ]
        await answer_json(send, {}, headers=headers)

    edge.catalog.respond = respond
    answer = await edge.client.get(SHOW)
    assert answer.header("cache-control") == "public, max-age=5"
    assert answer.header("etag") == '"v1"'
    assert answer.header("content-security-policy") == "sandbox"
    once = [value for name, value in answer.headers if name == b"referrer-policy"]
    assert once == [b"no-referrer"]  # of two, a browser goes by the last
    assert [name for name, _ in answer.headers].count(b"x-content-type-options") == 1
    assert answer.header("x-stampede-trace") is None
    assert answer.header("connection") is None
    assert answer.header("server") == "stampede"
    assert answer.header("x-request-id") != "another"


async def test_cors_is_answered_for_the_origins_that_are_set(redis_url: str) -> None:
    async with rig(redis_url, cors_origins=("https://shop.example",)) as edge:
        asks = [("Access-Control-Request-Method", "POST")]
        good = [("Origin", "https://shop.example"), *asks]
        preflight = await edge.client.call("OPTIONS", ORDERS, good)
        assert preflight.status == 204
        assert preflight.header("access-control-allow-origin") == "https://shop.example"
        assert "Idempotency-Key" in (preflight.header("access-control-allow-headers") or "")
        bad = await edge.client.call("OPTIONS", ORDERS, [("Origin", "https://evil.example"), *asks])
        assert bad.header("access-control-allow-origin") is None
        assert bad.header("access-control-allow-methods") is None
        assert edge.booking.requests == []
        answer = await edge.client.get(ORDERS, good[:1])
        assert answer.header("access-control-allow-origin") == "https://shop.example"
        exposed = answer.header("access-control-expose-headers") or ""
        for name in ("X-Request-ID", "RateLimit", "Retry-After", "Idempotency-Replayed", "ETag"):
            assert name in exposed
        assert b"Origin" in [value for name, value in answer.headers if name == b"vary"]
        refused = await edge.client.get("/nowhere", good[:1])
        assert refused.header("access-control-allow-origin") == "https://shop.example"
        assert (await edge.client.get(ORDERS)).header("access-control-allow-origin") is None


async def test_options_names_the_methods_of_a_route(edge: Rig) -> None:
    answer = await edge.client.call("OPTIONS", "/api/v1/auth/me")
    assert (answer.status, answer.header("allow")) == (204, "GET, HEAD, OPTIONS, PATCH")


async def test_head_is_a_get_without_its_body(edge: Rig) -> None:
    got = await edge.client.get(SHOW)
    answer = await edge.client.call("HEAD", SHOW)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("content-length") == got.header("content-length")
    assert edge.catalog.requests[-1]["method"] == "GET"
    missing = await edge.client.call("HEAD", "/nowhere")
    assert (missing.status, missing.body) == (404, b"")


async def test_the_probes_and_metrics_are_the_gateways_own(edge: Rig) -> None:
    assert (await edge.client.get("/healthz")).json == {"status": "ok", "service": "gateway"}
    ready = await edge.client.get("/readyz")
    assert ready.status == 200
    assert set(ready.json["dependencies"]) == {"identity", "catalog", "booking", "notification"}
    await edge.client.get(f"{ORDERS}/{UUID7}")
    metrics = (await edge.client.get("/metrics")).body.decode()
    assert 'route="/api/v1/orders/{order_id}"' in metrics
    assert UUID7 not in metrics
    refused = await edge.client.post("/healthz")
    assert (refused.status, refused.header("allow")) == (405, "GET, HEAD, OPTIONS")


async def test_metrics_asked_for_again_and_again_are_written_once(
    edge: Rig,
) -> None:
    class Written(Collector):
        """A metric that says how often it was collected."""

        times = 0

        def describe(self) -> list[Metric]:
            return []

        def collect(self) -> list[Metric]:
            self.times += 1
            return [GaugeMetricFamily("times_written", "", self.times)]

    written = Written()
    REGISTRY.register(written)
    try:
        for _ in range(5):
            assert b"times_written 1.0\n" in (await edge.client.get("/metrics")).body
    finally:
        REGISTRY.unregister(written)
    assert written.times == 1


async def test_a_service_that_is_away_is_told_when_asked_deep_and_does_not_take_gateways_out(
    edge: Rig,
) -> None:
    """Every gateway needs it: without all of them, a balancer would have nobody to answer."""
    edge.identity.away = True
    deep = await edge.client.get("/readyz?deep")
    assert (deep.status, deep.code) == (503, "unavailable")
    assert deep.json["dependencies"]["identity"] is False
    assert deep.json["dependencies"]["catalog"] is True
    answer = await edge.client.get("/readyz")
    assert (answer.status, answer.json["status"]) == (200, "ready")
    assert answer.json["dependencies"] == deep.json["dependencies"]


async def test_a_gateway_that_drains_says_so_and_serves_on(edge: Rig) -> None:
    edge.wiring.drain.begin()
    for query in ("", "?deep"):
        answer = await edge.client.get(f"/readyz{query}")
        assert (answer.status, answer.code) == (503, "draining")
        assert answer.header("retry-after") == "1"
    assert (await edge.client.get(SHOW)).status == 200


async def test_a_failed_start_is_said_in_one_sentence(redis_url: str) -> None:
    async def sent_by(inner: Any) -> list[Any]:
        from chassis.events.broker import MemoryBroker  # noqa: PLC0415
        from chassis.seam.upstream import Upstreams  # noqa: PLC0415
        from chassis.wiring import wire  # noqa: PLC0415
        from gateway.asgi import create_gateway  # noqa: PLC0415
        from tests.support.gateway import Service, settings_for  # noqa: PLC0415

        one = Service("x")
        upstreams = Upstreams(identity=one, catalog=one, booking=one, notification=one)
        app = create_gateway(wire(settings_for(redis_url), upstreams, MemoryBroker([])), inner)
        asked = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        said: list[Any] = []

        async def receive() -> Any:
            return next(asked)

        async def send(message: Any) -> None:
            said.append(message)

        await app({"type": "lifespan"}, receive, send)
        return said

    class Fails:
        async def __aenter__(self) -> None:
            raise OSError("no database at /run/pg\nmore")

        async def __aexit__(self, *_: object) -> None: ...

    class Works(Fails):
        async def __aenter__(self) -> None: ...

    assert await sent_by(Fails) == [
        {"type": "lifespan.startup.failed", "message": "Cannot start: no database at /run/pg"}
    ]
    assert [m["type"] for m in await sent_by(Works())] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
