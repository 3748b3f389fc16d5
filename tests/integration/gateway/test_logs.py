"""One line a request, of an exact shape, that nobody outside can forge or fill with secrets."""

import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chassis.observability import logs
from chassis.seam.upstream import Scope, Send
from runtime.operations.trace import read as read_trace
from tests.support.gateway import Rig, answer_json, rig

CANARIES = (
    "hunter2-canary",
    "eyJhbGciOiJFZERTQSJ9canary",
    "canary@example.com",
    "tok_canary",
    "sk-canary",
)


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    logs.configure(tmp_path, log_format="text", console=False)
    yield tmp_path / "gateway.log"
    logs.configure(None, log_format="text", console=False)


@pytest.fixture
async def edge(redis_url: str, log_file: Path) -> AsyncIterator[Rig]:
    async with rig(redis_url) as running:
        yield running


def lines_of(log_file: Path) -> list[str]:
    logs.flush()
    return log_file.read_text(encoding="utf-8").splitlines() if log_file.exists() else []


async def test_the_access_line_has_exactly_this_shape(edge: Rig, log_file: Path) -> None:
    sent = [("X-Request-ID", "abc-123")]
    await edge.client.post("/api/v1/orders?coupon=secret", b"{}", sent)
    (line,) = lines_of(log_file)
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ gateway  \[abc-123\] "
        r"POST /api/v1/orders status=200 latency=\d+ms span=[0-9a-f]{8}",
        line,
    ), line


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/x\r\n2026-01-14T15:30:00Z gateway  [forged] GET /"),
        ("GET", "/\x1b[31m status=200"),
        ("GET", "/ status=200 span=9"),
        ("GET\r\nforged", "/"),
        ("GET", "/" + "a" * 4000),
        ("GET", "/\u0085\u00a0"),
    ],
)
async def test_no_request_can_forge_a_line(
    edge: Rig, log_file: Path, method: str, target: str
) -> None:
    await edge.client.call(method, target)
    (line,) = lines_of(log_file)
    assert len(line) < 400
    assert line.isprintable()
    assert line.isascii()
    assert re.search(r" (GET|OTHER) /\S* status=40[45] latency=\d+ms span=[0-9a-f]{8}$", line), line


async def test_no_secret_reaches_the_log(edge: Rig, log_file: Path) -> None:
    async def respond(_scope: Scope, _body: bytes, _send: Send) -> None:
        raise ValueError(f"no such token {CANARIES[1]} of {CANARIES[2]}")

    headers = [
        ("Authorization", f"Bearer {CANARIES[1]}.{CANARIES[0]}.x"),
        ("Cookie", f"session={CANARIES[0]}"),
        ("X-Api-Key", CANARIES[4]),
        ("Idempotency-Key", CANARIES[0]),
    ]
    body = b'{"password": "hunter2-canary", "payment_token": "tok_canary"}'
    for target in (
        "/api/v1/auth/login",
        "/api/v1/orders",
        "/api/v1/tickets/eyJhbGciOiJFZERTQSJ9canary.x.y/qr.png",
        "/api/v1/users/canary@example.com",
        "/api/v1/users/canary%40example.com",
        f"/api/v1/shows?token={CANARIES[1]}&email={CANARIES[2]}",
    ):
        await edge.client.post(target, body, headers)
    edge.catalog.respond = respond
    await edge.client.get("/api/v1/shows")
    text = "\n".join(lines_of(log_file))
    assert "unexpected_error" in text
    for canary in CANARIES:
        assert canary not in text
    assert "203.0.113.7" not in text
    assert "canary%40" not in text


SECRETS = (
    "sk_live_51canaryCANARY",
    "rk_test_canaryCANARY",
    "whsec_canaryCANARY",
    "eyJcanaryCANARY.eyJcanaryCANARY.canary-CANARY",
    "ST1.0badcafe.canaryCANARYcanary.canaryCANARY",
    "canaryCANARY-canary_CANARY-canaryCANARY-0123",  # as long as what refreshes a login
)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("log_format", ["text", "json", "otel"])
async def test_a_secret_in_a_path_or_as_the_request_id_is_masked(
    redis_url: str, tmp_path: Path, secret: str, log_format: str
) -> None:
    logs.configure(tmp_path, log_format=log_format, console=False)
    secret = secret[:43]
    async with rig(redis_url) as edge:
        for target in (
            f"/api/v1/tickets/{secret}",
            f"/{secret}/x",
            f"/api/v1/auth/{secret}?a={secret}",
        ):
            await edge.client.get(target)
        answer = await edge.client.get("/api/v1/shows", [("X-Request-ID", secret)])
        assert answer.header("x-request-id") == secret  # echoed all the same: API.md
    lines = lines_of(tmp_path / "gateway.log")
    logs.configure(None, log_format="text", console=False)
    assert len(lines) == 4
    assert "canary" not in "".join(lines).lower()
    assert sum("[redacted]" in line for line in lines) == 3
    assert read_trace(tmp_path, secret)  # the person who has it can still follow the request


async def test_our_own_paths_are_logged_as_they_are(edge: Rig, log_file: Path) -> None:
    one = "0199f0a0-0000-7000-8000-000000000001"
    for path in (
        f"/api/v1/sessions/{one}/staff/{one}",
        f"/api/v1/webhook-endpoints/{one}/rotate-secret",
        "/.well-known/jwks.json",
    ):
        await edge.client.get(path)
        assert f" {path} status=" in lines_of(log_file)[-1]


async def test_a_full_disk_stops_no_request(edge: Rig, log_file: Path) -> None:
    log_file.symlink_to("/dev/full")
    for _ in range(3):
        assert (await edge.client.post("/api/v1/orders", b"{}")).status == 200
    logs.flush()
    assert logs.dropped() == 3
    log_file.unlink()
    assert (await edge.client.post("/api/v1/orders", b"{}")).status == 200
    told, line = lines_of(log_file)
    assert "log_lines_dropped count=3" in told
    assert " POST /api/v1/orders status=200 " in line


async def test_a_slow_request_is_logged_with_the_time_of_the_service(
    redis_url: str, log_file: Path
) -> None:
    async with rig(redis_url, slow_request_ms=1) as edge:

        async def respond(_scope: Scope, _body: bytes, send: Send) -> None:
            ended = time.perf_counter() + 0.003
            while time.perf_counter() < ended:
                pass
            await answer_json(send, {})

        edge.services["booking"].respond = respond
        await edge.client.post("/api/v1/orders", b"{}")
        slow, access = sorted(lines_of(log_file), key=lambda line: "slow_request" not in line)
    assert re.search(
        r" slow_request method=POST route=/api/v1/orders duration=\d+ms (redis=\d+ms )?"
        r"services=\d+ms other=\d+ms level=warning span=[0-9a-f]{8}$",
        slow,
    )
    assert " POST /api/v1/orders status=200 " in access
